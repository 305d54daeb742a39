"""Chromium without a window, driven over WebDriver, and the page's parts as a person finds them."""

import base64
import hashlib
import io
import time

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

KEPT = """
const done = arguments[arguments.length - 1];
const request = indexedDB.open("tessera", 1);
request.onerror = () => done([]);
request.onsuccess = () => {
  const all = request.result.transaction("pictures").objectStore("pictures").getAll();
  all.onsuccess = async () => done(await Promise.all(all.result.map(record => new Promise(resolve => {
    const reader = new FileReader();
    reader.onload = () => resolve({ url: reader.result, fields: record.fields, mode: record.mode, id: record.id });
    reader.readAsDataURL(record.blob);
  }))));
};
"""

# Counts what the tiles show, and every word of the live region and the workers' states.
WATCH = """
window.seen = { pictures: new Set(), said: [], states: {} };
new MutationObserver(changes => {
  for (const change of changes) if (change.target.src) window.seen.pictures.add(change.target.src);
}).observe(document.getElementById("tiles"), { subtree: true, attributes: true, attributeFilter: ["src"] });
new MutationObserver(() => window.seen.said.push(document.getElementById("say").textContent))
  .observe(document.getElementById("say"), { childList: true, characterData: true, subtree: true });
new MutationObserver(() => {
  for (const card of document.querySelectorAll("[data-worker]")) {
    const list = window.seen.states[card.dataset.worker] ||= [];
    if (list[list.length - 1] !== card.dataset.state) list.push(card.dataset.state);
  }
}).observe(document.getElementById("mesh"), { childList: true, subtree: true });
"""


class Picture:
    """A picture of the gallery."""

    def __init__(self, kept):
        self.id, self.fields, self.mode = kept["id"], kept["fields"], kept.get("mode")
        self.image = Image.open(io.BytesIO(base64.b64decode(kept["url"].split(",")[1]))).convert("RGB")
        self.digest = hashlib.sha256(self.image.tobytes()).hexdigest()


class Browser:
    def __init__(self, url, shots, binary, driver):
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for flag in ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        self.driver.set_script_timeout(60)
        self.shots = shots
        self.url = url
        self.size(1280, 900)

    def open(self, fragment=""):
        self.driver.get(self.url + "/" + fragment)
        self.driver.execute_script(WATCH)

    def quit(self):
        self.driver.quit()

    # ---- How it looks

    def size(self, width, height, mobile=False):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 2 if mobile else 1, "mobile": mobile})

    def scheme(self, name):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": name}]})

    def shot(self, name, whole=False):
        if not self.shots:
            return
        answer = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        (self.shots / f"{name}.png").write_bytes(base64.b64decode(answer["data"]))

    def overflow(self):
        """Pixels by which the page is wider than the window."""
        return self.run("return document.documentElement.scrollWidth - innerWidth")

    # ---- What is there

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.run("const part = document.querySelector(arguments[0]); return part ? part.textContent : ''", selector)

    def wait(self, what, condition, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.05)
        raise AssertionError(f"{what}: not within {seconds} s; notice '{self.text('#notice')}', said '{self.text('#say')}'")

    def pictures(self):
        """The gallery, oldest first."""
        kept = [Picture(entry) for entry in self.driver.execute_async_script(KEPT)]
        return sorted(kept, key=lambda picture: picture.id)

    def complaints(self):
        """What the browser's console got of errors, refused requests among it."""
        return [line["message"] for line in self.driver.get_log("browser") if line["level"] == "SEVERE"]

    # ---- What a person does

    def fill(self, selector, text):
        part = self.find(selector)
        part.send_keys(Keys.CONTROL, "a")
        part.send_keys(text or Keys.DELETE)

    def slide(self, name, value):
        self.run("""const slider = document.getElementById(arguments[0]); slider.value = arguments[1];
          slider.dispatchEvent(new Event("input", { bubbles: true }));""", name, value)

    def click(self, selector):
        part = self.find(selector)
        self.run("arguments[0].scrollIntoView({ block: 'center' })", part)
        part.click()

    def tool(self, text):
        """A button of the first finished picture."""
        self.run("""[...document.querySelectorAll("#tiles .row button")].find(
          button => button.textContent === arguments[0]).click()""", text)

    def drag(self, selector, start, end):
        """Drags over a part; places are shares of its sides, from its upper left."""
        part = self.find(selector)
        self.run("arguments[0].scrollIntoView({ block: 'center' })", part)
        size = part.size

        def place(share):
            return [round((share[0] - 0.5) * size["width"]), round((share[1] - 0.5) * size["height"])]

        chain = ActionChains(self.driver, duration=60)
        chain.move_to_element_with_offset(part, *place(start)).click_and_hold()
        for step in range(1, 6):
            chain.move_to_element_with_offset(
                part, *place([a + (b - a) * step / 5 for a, b in zip(start, end)]))
        chain.release().perform()

    def press(self, *keys):
        chain = ActionChains(self.driver)
        for key in keys:
            chain.send_keys(key)
        chain.perform()

    def chord(self, held, key):
        ActionChains(self.driver).key_down(held).send_keys(key).key_up(held).perform()

    def focused(self):
        return self.run("return document.activeElement.id || document.activeElement.className || "
                        "document.activeElement.tagName")

    def paint(self, seconds=180):
        """Sends the form and waits until nothing is being painted; the pictures that are new."""
        before = {picture.id for picture in self.pictures()}
        self.click("#go")
        self.wait("the end of painting", lambda: self.find("#stop").get_attribute("disabled"), seconds)
        return [picture for picture in self.pictures() if picture.id not in before]
