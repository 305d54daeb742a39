/// The web page: one document that needs nothing from anywhere else.
enum Page {
    /// The document; it talks to the Images API of the server that it comes from.
    static let html = #"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Tessera</title>
        <style>
        :root {
          color-scheme: light dark;
          --back: #f6f5f2; --card: #ffffff; --ink: #1d1d1f; --soft: #5f6168; --line: #d9d7d0;
          --accent: #2457c5; --on-accent: #ffffff; --bad: #b3261e;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --back: #141518; --card: #1e2025; --ink: #ececee; --soft: #a3a6ae; --line: #363941;
            --accent: #8ab0ff; --on-accent: #10131a; --bad: #ff8a80;
          }
        }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
        header { display: flex; gap: 1rem; align-items: baseline; padding: 1rem 1.25rem 0; flex-wrap: wrap; }
        h1 { font-size: 1.25rem; margin: 0; } h2 { font-size: 1rem; margin: 0 0 .5rem; }
        #state { color: var(--soft); font-size: .9rem; }
        main { display: grid; gap: 1rem; padding: 1rem 1.25rem; grid-template-columns: minmax(18rem, 26rem) 1fr; }
        @media (max-width: 50rem) { main { grid-template-columns: 1fr; } }
        section, form { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1rem; }
        #gallery { margin: 0 1.25rem 1.25rem; }
        label { display: block; font-size: .9rem; color: var(--soft); margin-top: .75rem; }
        label:first-child { margin-top: 0; }
        textarea, input:not([type=range]):not([type=checkbox]) {
          width: 100%; font: inherit; color: inherit; background: var(--back); border: 1px solid var(--line);
          border-radius: .5rem; padding: .5rem .6rem;
        }
        textarea { resize: vertical; min-height: 5rem; }
        .slider { display: grid; grid-template-columns: auto 1fr 3.5rem; gap: .5rem; align-items: center; }
        .slider input[type=range] { width: 100%; accent-color: var(--accent); }
        .slider output { text-align: right; font-variant-numeric: tabular-nums; }
        .pair { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; margin-top: .75rem; }
        .actions { display: flex; gap: .5rem; margin-top: 1rem; }
        button {
          font: inherit; border-radius: .5rem; border: 1px solid var(--line); background: transparent; color: inherit;
          padding: .5rem .9rem; cursor: pointer;
        }
        button.main { background: var(--accent); color: var(--on-accent); border-color: var(--accent); flex: 1; }
        button:disabled { opacity: .5; cursor: default; }
        :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
        #stage { display: flex; flex-direction: column; gap: .75rem; min-height: 20rem; }
        #stage img { max-width: 100%; max-height: 70vh; margin: auto; border-radius: .5rem; image-rendering: auto;
          min-width: min(100%, 16rem); }
        progress { width: 100%; accent-color: var(--accent); }
        .hint { font-size: .9rem; color: var(--soft); margin: .75rem 0 0; }
        #say { min-height: 1.5em; color: var(--soft); margin: 0; } #say.bad { color: var(--bad); }
        #shown { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1rem; padding: 0;
          margin: 0; list-style: none; }
        #shown img { width: 100%; border-radius: .5rem; display: block; }
        #shown p { margin: .4rem 0; font-size: .85rem; overflow-wrap: anywhere; }
        #shown .settings { color: var(--soft); }
        #shown .row { display: flex; gap: .4rem; flex-wrap: wrap; font-size: .85rem; }
        #shown button, #shown a { padding: .2rem .5rem; font-size: .85rem; }
        a { color: var(--accent); }
        @media (prefers-reduced-motion: no-preference) { #stage img { transition: opacity .2s; } }
        </style>
        </head>
        <body>
        <header><h1>Tessera</h1><span id="state" role="status">…</span></header>
        <main>
        <form id="order">
          <label for="prompt">Prompt</label>
          <textarea id="prompt" required autofocus></textarea>
          <label for="negative">Negative prompt</label>
          <input id="negative" autocomplete="off">
          <div class="pair">
            <div><label for="seed">Seed</label>
              <input id="seed" inputmode="numeric" pattern="[0-9]*" placeholder="random" autocomplete="off"></div>
            <div><label for="size">Size</label>
              <input id="size" pattern="[0-9]+x[0-9]+" placeholder="the model's" autocomplete="off"></div>
          </div>
          <label for="steps">Steps</label>
          <div class="slider"><input type="checkbox" aria-label="choose the steps">
            <input id="steps" type="range" min="1" max="100" value="24" disabled><output>auto</output></div>
          <label for="guidance">Guidance scale</label>
          <div class="slider"><input type="checkbox" aria-label="choose the guidance scale">
            <input id="guidance" type="range" min="0" max="20" step="0.5" value="5" disabled><output>auto</output></div>
          <label for="temperature">Temperature</label>
          <div class="slider"><input type="checkbox" aria-label="choose the temperature">
            <input id="temperature" type="range" min="0" max="10" step="0.1" value="2" disabled>
            <output>auto</output></div>
          <div id="lock" hidden>
            <label for="key">API key</label>
            <input id="key" type="password" autocomplete="off">
          </div>
          <div class="actions">
            <button class="main" id="go">Paint</button>
            <button type="button" id="stop" disabled>Cancel</button>
          </div>
          <p class="hint">Ctrl+Enter paints, Esc cancels.</p>
        </form>
        <section id="stage" aria-label="Picture">
          <img id="picture" alt="" hidden>
          <progress id="bar" value="0" max="1" hidden></progress>
          <p id="say" role="status" aria-live="polite">Nothing painted yet.</p>
        </section>
        </main>
        <section id="gallery" aria-labelledby="made"><h2 id="made">Made on this page</h2><ul id="shown"></ul></section>
        <script>
        "use strict";
        const $ = id => document.getElementById(id);
        const sliders = { num_inference_steps: "steps", guidance_scale: "guidance", temperature: "temperature" };
        let running = null;
        $("key").value = sessionStorage.getItem("key") || "";

        function headers() {
          const key = $("key").value;
          return key ? { authorization: "Bearer " + key } : {};
        }
        function say(text, bad) { $("say").textContent = text; $("say").classList.toggle("bad", !!bad); }

        for (const id of Object.values(sliders)) {
          const slider = $(id), box = slider.parentElement.querySelector("input[type=checkbox]");
          const show = () => {
            slider.disabled = !box.checked;
            slider.parentElement.querySelector("output").textContent = box.checked ? slider.value : "auto";
          };
          box.addEventListener("change", show);
          slider.addEventListener("input", show);
          slider.set = value => { box.checked = value !== undefined; if (box.checked) slider.value = value; show(); };
        }

        function settings() {
          const order = { prompt: $("prompt").value };
          if ($("negative").value) order.negative_prompt = $("negative").value;
          if ($("seed").value) order.seed = Number($("seed").value);
          if ($("size").value) order.size = $("size").value;
          for (const [field, id] of Object.entries(sliders)) if (!$(id).disabled) order[field] = Number($(id).value);
          return order;
        }
        function load(order) {
          $("prompt").value = order.prompt;
          $("negative").value = order.negative_prompt || "";
          $("seed").value = order.seed ?? "";
          $("size").value = order.size || "";
          for (const [field, id] of Object.entries(sliders)) $(id).set(order[field]);
          $("prompt").focus();
        }

        async function paint(order) {
          if (running) return;
          running = new AbortController();
          $("go").disabled = true; $("stop").disabled = false; $("bar").hidden = false;
          $("bar").removeAttribute("value");
          say("Waiting for an answer …");
          try {
            const answer = await fetch("/v1/images/generations", {
              method: "POST", signal: running.signal,
              headers: { "content-type": "application/json", ...headers() },
              body: JSON.stringify({ ...order, stream: true, partial_images: 3 }),
            });
            if (answer.status === 401) { $("lock").hidden = false; $("key").focus(); }
            if (!answer.ok) throw new Error((await answer.json()).error.message);
            sessionStorage.setItem("key", $("key").value);
            await follow(answer.body.getReader(), order);
          } catch (error) {
            say(error.name === "AbortError" ? "Cancelled." : error.message, error.name !== "AbortError");
          }
          running = null;
          $("go").disabled = false; $("stop").disabled = true; $("bar").hidden = true;
        }

        async function follow(reader, order) {
          const decoder = new TextDecoder();
          let text = "", done = false;
          for (;;) {
            const chunk = await reader.read();
            if (chunk.done) break;
            text += decoder.decode(chunk.value, { stream: true });
            let end;
            while ((end = text.indexOf("\n\n")) >= 0) {
              done = take(text.slice(0, end), order) || done;
              text = text.slice(end + 2);
            }
          }
          if (!done) throw new Error("The server ended the connection; try again.");
        }
        // One event; true when it was the last.
        function take(block, order) {
          if (block.startsWith(":")) {
            const step = /^: step (\d+) of (\d+)/.exec(block);
            if (step) { $("bar").max = Number(step[2]); $("bar").value = Number(step[1]); }
            if (!block.includes("keep-alive")) say(block.slice(2));
            return false;
          }
          const line = block.split("\n").find(line => line.startsWith("data: "));
          if (!line) return false;
          const event = JSON.parse(line.slice(6));
          if (event.error) throw new Error(event.error.message);
          const source = "data:image/png;base64," + event.b64_json;
          $("picture").src = source; $("picture").hidden = false; $("picture").alt = order.prompt;
          if (event.type !== "image_generation.completed") return false;
          say(["Done.", ...(event.warnings || [])].join(" "));
          keep(source, { ...order, seed: event.seed }, event.size);
          return true;
        }
        function keep(source, order, size) {
          const item = document.createElement("li"), picture = new Image();
          picture.src = source; picture.alt = order.prompt;
          const prompt = document.createElement("p"), note = document.createElement("p");
          prompt.textContent = order.prompt;
          note.className = "settings";
          note.textContent = [size, "seed " + order.seed,
            order.num_inference_steps && order.num_inference_steps + " steps",
            order.guidance_scale !== undefined && "guidance " + order.guidance_scale,
            order.negative_prompt && "without " + order.negative_prompt].filter(Boolean).join(", ");
          const row = document.createElement("div"), again = document.createElement("button");
          row.className = "row";
          again.type = "button"; again.textContent = "Same again";
          again.addEventListener("click", () => load(order));
          const link = document.createElement("a");
          link.href = source; link.download = "tessera-" + order.seed + ".png"; link.textContent = "Download";
          row.append(again, link);
          item.append(picture, prompt, note, row);
          $("shown").prepend(item);
        }

        $("order").addEventListener("submit", event => { event.preventDefault(); paint(settings()); });
        $("stop").addEventListener("click", () => running && running.abort());
        document.addEventListener("keydown", event => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            $("order").requestSubmit();
          }
          if (event.key === "Escape" && running) running.abort();
        });
        async function look() {
          try {
            const ready = await (await fetch("/readyz")).json();
            const queue = await (await fetch("/health/progress")).json();
            const waiting = queue.waiting ? ", " + queue.waiting + " waiting" : "";
            $("state").textContent = ready.status + (ready.reason ? ": " + ready.reason : "") + waiting;
          } catch { $("state").textContent = "the server does not answer"; }
          setTimeout(look, 3000);
        }
        look();
        </script>
        </body>
        </html>
        """#
}
