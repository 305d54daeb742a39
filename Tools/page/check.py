"""Drives the web page in Chromium against a cluster of its own; see README.md."""

import argparse
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import hashlib

from PIL import ImageChops
from selenium.webdriver.common.keys import Keys

from browser import Browser
from cluster import Cluster

PROMPT = "a large red circle on a yellow background"
ROOT = pathlib.Path(__file__).resolve().parents[2]


def say(what):
    print(f"ok  {what}", flush=True)


def difference(one, other, box):
    """Mean and largest difference of two pictures' channels in a box."""
    delta = ImageChops.difference(one.crop(box), other.crop(box)).tobytes()
    return sum(delta) / len(delta), max(delta)


def check_generate(page, shots=True):
    page.wait("the server's state", lambda: "ready" in page.text("#state-text"))
    page.wait("the model's defaults", lambda: page.find("#steps").get_attribute("value") == "24")
    if shots:
        page.shot("blank-light")
    page.fill("#prompt", PROMPT)
    page.fill("#seed", "7")
    page.click("#go")
    page.wait("a partial picture", lambda: page.run("return window.seen.pictures.size") >= 1)
    assert page.find("#tiles progress").get_attribute("max") == "24"
    if shots:
        page.shot("forming-light")
    page.wait("the picture", lambda: len(page.all("#gallery li")) == 1)
    count = page.run("return window.seen.pictures.size")
    assert count == 4, f"3 partial pictures and the last one were awaited, {count} came"
    first = page.pictures()[0]
    assert first.image.size == (64, 64) and first.fields["seed"] == 7
    say("a picture forms in three steps and stands in the gallery")
    page.find("#gallery li button").click()
    assert page.find("#seed").get_attribute("value") == "7"
    [again] = page.paint()
    assert again.digest == first.digest
    say("'same again' makes the same pixels")
    return first


# The answer of a server whose queue is full, once.
FULL = """
const real = window.fetch;
window.fetch = (path, options) => {
  if (!path.startsWith("/v1/images")) return real(path, options);
  window.fetch = real;
  const error = { message: "the queue is full (8 orders wait): try again in 1 seconds", code: "queue_full" };
  return Promise.resolve(new Response(JSON.stringify({ error }), { status: 429, headers: { "retry-after": "1" } }));
};
"""


def check_many(page):
    page.run(FULL)
    page.fill("#prompt", "a large green heart above a small white star on a purple background")
    page.fill("#seed", "")
    page.slide("count", 4)
    page.slide("steps", 8)
    made = page.paint()
    assert len(made) == 4 and len({picture.digest for picture in made}) >= 2
    seeds = sorted(picture.fields["seed"] for picture in made)
    assert seeds == list(range(seeds[0], seeds[0] + 4))
    assert any("queue is full" in text for text in page.run("return window.seen.said")), "no 429 was shown"
    page.run("scrollTo(0, 0)")
    page.shot("many-light")
    page.slide("count", 1)
    page.fill("#prompt", PROMPT)
    say("four pictures side by side; a full queue is told and waited for")


def check_errors(page):
    page.slide("steps", 100)
    page.fill("#prompt", PROMPT)
    page.click("#go")
    page.wait("the first step", lambda: "step" in page.text("#tiles .note"))
    page.press(Keys.ESCAPE)
    page.wait("the end", lambda: "cancelled" in page.text("#tiles .note"))
    page.slide("steps", 8)
    page.run("document.getElementById('prompt').value = 'x'.repeat(20000)")
    page.paint()
    notice = page.text("#notice")
    assert "prompt" in notice.lower() and "Shorten" in notice, notice
    page.fill("#prompt", PROMPT)
    say("Escape cancels; an error says what is wrong and what to do")


def check_brush(page, original):
    page.run("document.getElementById('gallery').lastElementChild.querySelectorAll('button')[1].click()")
    page.wait("the board", lambda: page.find("#mask").size["width"] > 200)
    assert page.find("#go").get_attribute("disabled"), "nothing is brushed yet"
    page.slide("brush-size", 14)
    page.drag("#mask", (0.36, 0.3), (0.44, 0.8))
    page.drag("#mask", (0.44, 0.8), (0.36, 0.3))
    page.shot("brush-light")
    page.click("#tool-undo")
    assert page.find("#tool-undo").get_attribute("disabled") is None
    page.fill("#prompt", "a small blue square on a yellow background")
    page.fill("#seed", "11")
    page.slide("steps", 24)
    [edited] = page.paint()
    assert edited.image.size == original.image.size and edited.mode == "brush"
    assert edited.digest != original.digest
    # The brush went from x = 16 to 36; the decoder of a token looks at its neighbours, too.
    changed, _ = difference(original.image, edited.image, (20, 20, 32, 48))
    mean, _ = difference(original.image, edited.image, (48, 0, 64, 64))
    assert mean < 2 < changed, f"brushed parts have changed by {changed}, others by {mean}"
    say(f"brushed parts are painted anew, the rest stays (mean difference {mean:.2f} of 255)")
    page.shot("brushed-light")


def check_extend(page, original):
    page.run("document.getElementById('gallery').lastElementChild.querySelectorAll('button')[1].click()")
    page.wait("the board", lambda: page.find("#mask").size["width"] > 200)
    page.click(".segments label:nth-child(2)")
    assert page.find("#go").text == "Extend" and page.find("#go").get_attribute("disabled")
    page.drag(".edge.right", (0.5, 0.5), (7, 0.5))
    grown = int(page.find(".edge.right").get_attribute("aria-valuenow"))
    assert grown > 0
    page.find(".edge.right").send_keys(Keys.HOME)
    for _ in range(2):
        page.find(".edge.right").send_keys(Keys.ARROW_RIGHT)
    page.find(".edge.left").send_keys(Keys.ARROW_LEFT)
    step = int(page.find(".edge.left").get_attribute("aria-valuenow"))
    page.shot("extend-light")
    page.fill("#prompt", PROMPT)
    page.fill("#seed", "3")
    [edited] = page.paint()
    assert edited.image.size == (64 + 3 * step, 64) and edited.mode == "extend", edited.image.size
    inside = edited.image.crop((step, 0, step + 64, 64))
    mean, _ = difference(original.image, inside, (16, 8, 48, 56))
    assert mean < 6, f"the old picture has changed by {mean}"
    page.shot("extended-light")
    say(f"the canvas grows by {3 * step} pixels around the picture (mean difference inside {mean:.2f})")


def check_vary(page, original):
    page.run("document.getElementById('gallery').lastElementChild.querySelectorAll('button')[1].click()")
    page.click(".segments label:nth-child(3)")
    page.slide("strength", 0.5)
    [varied] = page.paint()
    assert varied.image.size == original.image.size and varied.fields["strength"] == 0.5
    page.click("#input-remove")
    page.wait("the plain form", lambda: page.find("#go").text == "Paint")
    say("a picture is varied")


def check_file(page, original):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "photo.jpg"
        original.image.resize((301, 205)).save(path)
        page.find("#file").send_keys(str(path))
        page.wait("the picture", lambda: "pixels" in page.text("#input-size"))
        width, height = (int(word) for word in page.text("#input-size").replace("pixels", "").split("×"))
        limit = page.run("return fetch('/v1/cluster').then(answer => answer.json())")["model"]
        assert width * height <= limit["pixel_limit"] and width % limit["size_multiple"] == 0
        page.click("#input-remove")
    say("a JPEG file of any size is opened, and cut to what the model can make")


def check_keyboard(page):
    page.open()
    page.wait("the server's state", lambda: "ready" in page.text("#state-text"))
    page.press(Keys.TAB)
    assert page.focused() == "skip"
    page.press(Keys.ENTER)
    assert page.focused() == "prompt"
    page.press(PROMPT)
    order = []
    for _ in range(12):
        page.press(Keys.TAB)
        order.append(page.focused())
    wanted = ["negative", "steps", "guidance", "temperature", "count", "width", "height", "seed", "dice", "unseed", "go"]
    assert order[:11] == wanted, order
    before = len(page.pictures())
    page.chord(Keys.CONTROL, Keys.ENTER)
    page.wait("the picture", lambda: len(page.pictures()) == before + 1)
    page.run("document.querySelector('#tiles .row button').focus()")
    page.press(Keys.ENTER)
    page.wait("the board", lambda: page.find("#mask").size["width"] > 200)
    page.run("document.getElementById('mask').focus()")
    page.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.SPACE, "]", "]", Keys.SPACE, "e")
    assert page.find("#tool-erase").get_attribute("aria-pressed") == "true"
    page.press(Keys.ARROW_RIGHT, Keys.SPACE)
    page.chord(Keys.CONTROL, "z")
    page.press("e")
    page.chord(Keys.CONTROL, Keys.ENTER)
    page.wait("the repainted picture", lambda: len(page.pictures()) == before + 2)
    say("everything works with the keyboard alone")


def check_cluster(page, cluster):
    page.open()
    page.fill("#prompt", PROMPT)
    page.fill("#seed", "21")
    page.slide("steps", 100)
    [calm] = page.paint()
    page.click("#go")
    page.wait("the first steps", lambda: "step" in page.text("#tiles .note"))
    page.click("nav a[data-view=cluster]")
    page.wait("four workers", lambda: len(page.all("[data-worker]")) == 4)
    page.wait("a worker that computes", lambda: page.run(
        "return Object.values(window.seen.states).some(list => list.includes('computing'))"))
    page.wait("traffic", lambda: page.run("return document.querySelectorAll('#traffic td:is(.low, .mid, .high)').length"))
    page.shot("cluster-light", whole=True)
    say("the cluster view shows what four workers compute and send")
    victim = cluster.read("/v1/cluster")["workers"][2]
    os.kill(victim["process_id"], signal.SIGKILL)
    name = victim["name"]
    page.wait("the loss", lambda: page.run(
        "return (window.seen.states[arguments[0]] || []).some(state => ['lost', 'returning'].includes(state))", name))
    page.shot("lost-light", whole=True)
    page.wait("the return", lambda: page.run(
        "return ['ready', 'computing'].includes(window.seen.states[arguments[0]].at(-1))", name))
    page.wait("the record of the loss", lambda: f"{name} ended with signal 9" in page.text("#losses")
              and "back after" in page.text("#losses"))
    states = page.run("return window.seen.states[arguments[0]]", name)
    after = cluster.read("/v1/cluster")
    assert after["workers"][2]["restarts"] == 1 and after["workers"][2]["process_id"] != victim["process_id"]
    page.click("nav a[data-view=paint]")
    page.wait("the picture", lambda: page.find("#stop").get_attribute("disabled"))
    assert page.pictures()[-1].digest == calm.digest, "the picture differs from the undisturbed one"
    say(f"a killed worker is seen {' → '.join(states)}, and the picture in progress is the same")


def check_looks(page):
    for scheme in ["light", "dark"]:
        page.scheme(scheme)
        for width, name in [(1280, "wide"), (390, "phone")]:
            page.size(width, 900 if width > 400 else 844, mobile=width < 400)
            page.open()
            page.wait("the gallery", lambda: len(page.all("#gallery li")) > 0)
            page.wait("the state", lambda: "ready" in page.text("#state-text"))
            assert page.overflow() <= 0, f"the page is {page.overflow()} pixels too wide ({name})"
            page.shot(f"paint-{name}-{scheme}", whole=True)
            page.run("document.getElementById('gallery').querySelectorAll('button')[1].click()")
            page.wait("the board", lambda: page.find("#mask").size["width"] > 100)
            assert page.overflow() <= 0, f"the board is {page.overflow()} pixels too wide ({name})"
            page.shot(f"board-{name}-{scheme}", whole=True)
            page.open("#cluster")
            page.wait("the workers", lambda: len(page.all("[data-worker]")) > 0)
            assert page.overflow() <= 0, f"the cluster view is {page.overflow()} pixels too wide ({name})"
            page.shot(f"cluster-{name}-{scheme}", whole=True)
    page.scheme("light")
    page.size(1280, 900)
    say("light and dark, 1280 and 390 pixels wide: nothing overflows")


def check_keys(arguments, shots):
    key = "a-long-secret"
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "keys.txt"
        path.write_text(f"me sha256:{hashlib.sha256(key.encode()).hexdigest()}\n")
        path.chmod(0o600)
        cluster = Cluster(arguments.tessera, arguments.config, f"server.keys={path}")
        page = None
        try:
            cluster.wait_until_ready()
            page = Browser(cluster.url, shots, arguments.chromium, arguments.chromedriver)
            page.open()
            page.fill("#prompt", PROMPT)
            page.click("#go")
            page.wait("the question", lambda: page.find("#lock").is_displayed())
            page.fill("#key", "wrong")
            page.press(Keys.ENTER)
            page.wait("the answer", lambda: page.find("#lock-error").is_displayed())
            page.shot("key-light")
            page.fill("#key", key)
            page.press(Keys.ENTER)
            page.wait("the picture", lambda: len(page.pictures()) == 1)
            assert page.run("return sessionStorage.getItem('key')") == key
        finally:
            if page:
                page.quit()
            cluster.end()
    say("a server with keys asks for one")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tessera", default=str(ROOT / ".build/release/tessera"))
    parser.add_argument("--config", default=str(ROOT / "cluster.yaml"))
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium")
    parser.add_argument("--chromedriver", default=shutil.which("chromedriver") or "chromedriver")
    parser.add_argument("--shots", type=pathlib.Path, help="folder for screenshots")
    arguments = parser.parse_args()
    if arguments.shots:
        arguments.shots.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(arguments.tessera, arguments.config)
    page = None
    try:
        page = Browser(cluster.url, arguments.shots, arguments.chromium, arguments.chromedriver)
        page.open()
        cluster.wait_until_ready()
        original = check_generate(page)
        check_brush(page, original)
        check_extend(page, original)
        check_vary(page, original)
        check_file(page, original)
        check_many(page)
        check_errors(page)
        check_keyboard(page)
        check_cluster(page, cluster)
        check_looks(page)
        # Answers that refuse something are noted by the browser; everything else is a fault of the page.
        refused = ("status of 400", "status of 429", "status of 503")
        complaints = [line for line in page.complaints() if not any(word in line for word in refused)]
        assert not complaints, complaints
        say("the browser's console is empty")
    finally:
        if page:
            page.quit()
        status = cluster.end()
    assert status == 0, f"tessera up ended with {status}"
    check_keys(arguments, arguments.shots)


if __name__ == "__main__":
    sys.exit(main())
