"""Load on `tessera up`: many mixed requests at once, on this machine only.

    python3 Tools/load/load.py .build/release/tessera                 all checks, a few minutes
    python3 Tools/load/load.py .build/release/tessera --minutes 20    and memory over time

Needs httpx. Starts clusters of its own on free ports of the loopback interface and ends them. Checks that no
request is lost, that every picture is the one made alone, byte for byte, and that 429 comes only past the bound; prints
throughput with and without batching, and with one replica and two, and the memory of coordinator and workers.
"""
import argparse
import asyncio
import base64
import random
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
REQUEST_MAX = 2000
MINUTES_MAX = 120
SHAPES = ["circle", "square", "triangle"]
COLOURS = ["red", "blue", "green", "yellow"]


def png(width, height, alpha=None):
    """A PNG file: a gradient, or with `alpha` a mask whose left part is transparent up to that column."""
    rows = b""
    for y in range(height):
        rows += b"\0"
        for x in range(width):
            pixel = [x * 255 // width, y * 255 // height, 90]
            rows += bytes(pixel + ([0 if x < alpha else 255] if alpha is not None else []))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    kind = 2 if alpha is None else 6
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class Server:
    """A cluster of its own."""

    def __init__(self, binary, replicas, batch, queue):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "cluster.yaml"
        path.write_text(
            f"name: load\nmodel:\n  path: {ROOT / 'Models/shapes'}\n  dtype: bf16\n"
            f"generation:\n  steps: 8\n  guidance_scale: 1.5\nmesh:\n  data: {replicas}\n"
            f"workers:\n  launcher: local\n  count: {replicas}\n  threads: 1\n"
            f"control:\n  host: 127.0.0.1\n  port: 0\n"
            f"server:\n  host: 127.0.0.1\n  port: {self.port}\n  queue: {queue}\n  batch: {batch}\n")
        self.log = open(Path(self.folder.name) / "log", "w+")
        self.process = subprocess.Popen([binary, "up", str(path)], stdout=self.log, stderr=self.log)
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                if httpx.get(self.url + "/readyz").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.log.seek(0)
        sys.exit("the cluster did not start:\n" + self.log.read())

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()

    def memory(self):
        """MiB of the coordinator and of each worker."""
        children = [
            int(child) for path in Path(f"/proc/{self.process.pid}/task").glob("*/children")
            for child in path.read_text().split()]
        status = [Path(f"/proc/{number}/status").read_text() for number in [self.process.pid] + sorted(children)]
        return [int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024 for text in status]

    def metric(self, name):
        text = httpx.get(self.url + "/metrics").text
        return {m[1] or "": float(m[2]) for m in re.finditer(rf"^{name}(\{{[^}}]*\}})? (\S+)$", text, re.M)}


def mixture(count, seed):
    """Requests of all kinds; each is (kind, fields)."""
    source = random.Random(seed)
    result = []
    for index in range(count):
        fields = {
            "prompt": f"a large {source.choice(COLOURS)} {source.choice(SHAPES)} on a {source.choice(COLOURS)} background",
            "seed": source.randrange(1 << 32), "num_inference_steps": source.choice([2, 4, 6, 8, 12]),
            "guidance_scale": source.choice([1, 1.5, 1.5, 3]), "temperature": source.choice([0.5, 1, 2]),
        }
        kind = source.choices(["plain", "edit", "stream", "leave"], [6, 2, 2, 1])[0]
        if kind == "plain":
            fields["n"] = source.choice([1, 1, 1, 2, 3])
        if kind == "leave":
            fields["num_inference_steps"] = 40
        if kind == "edit":
            fields["left"] = source.randrange(24, 56)
        result.append((kind, fields))
    return result


class Client:
    def __init__(self, server, size):
        self.http = httpx.AsyncClient(
            base_url=server.url, timeout=1200, limits=httpx.Limits(max_connections=None), trust_env=False)
        self.size = size

    async def send(self, kind, fields):
        """(status, files)."""
        if kind == "edit":
            form = {k: str(v) for k, v in fields.items() if k != "left"}
            files = {"image": ("i.png", png(self.size, self.size), "image/png"),
                     "mask": ("m.png", png(self.size, self.size, fields["left"]), "image/png")}
            answer = await self.http.post("/v1/images/edits", data=form, files=files)
        elif kind == "stream":
            body = fields | {"stream": True, "partial_images": 2}
            async with self.http.stream("POST", "/v1/images/generations", json=body) as answer:
                if answer.status_code != 200:
                    return answer.status_code, [], answer.headers
                text = (await answer.aread()).decode()
            if "event: image_generation.completed" not in text:
                return 599, [], answer.headers
            last = text.split("event: image_generation.completed\n")[1]
            return 200, [base64.b64decode(re.search(r'"b64_json":"([^"]*)"', last)[1])], answer.headers
        elif kind == "leave":
            try:
                answer = await self.http.post("/v1/images/generations", json=fields, timeout=0.3)
            except httpx.TimeoutException:
                return 499, [], {}
        else:
            answer = await self.http.post("/v1/images/generations", json=fields)
        files = [base64.b64decode(d["b64_json"]) for d in answer.json()["data"]] if answer.status_code == 200 else []
        return answer.status_code, files, answer.headers


async def flood(server, requests, size, concurrency=None):
    """All of them at once; seconds, and for each (status, files, headers)."""
    client = Client(server, size)
    gate = asyncio.Semaphore(concurrency or len(requests))

    async def one(kind, fields):
        async with gate:
            return await client.send(kind, fields)

    start = time.monotonic()
    answers = await asyncio.gather(*[one(*request) for request in requests])
    seconds = time.monotonic() - start
    await client.http.aclose()
    return seconds, answers


def pixels(file):
    """The picture's rows, without the record, which names the mesh."""
    data, at = b"", 8
    while at < len(file):
        length, name = struct.unpack(">I", file[at:at + 4])[0], file[at + 4:at + 8]
        if name == b"IDAT":
            data += file[at + 8:at + 8 + length]
        at += 12 + length
    return zlib.decompress(data)


def phase(binary, replicas, batch, requests, queue=REQUEST_MAX):
    with Server(binary, replicas, batch, queue) as server:
        size = struct.unpack(">I", asyncio.run(flood(server, [("plain", {"prompt": "x", "seed": 1})], 64))[1][0][1][0][16:20])[0]
        # Programs of all batch sizes are installed when they are first wanted.
        asyncio.run(flood(server, [r for r in mixture(24, 9) if r[0] != "leave"], size))
        before = sum(server.metric("tessera_picture_steps_total").values())
        seconds, answers = asyncio.run(flood(server, requests, size))
        steps = sum(server.metric("tessera_picture_steps_total").values()) - before
        calls = server.metric("tessera_batch_size_count")
        sums = server.metric("tessera_batch_size_sum")
        print(f"{replicas} replica(s), batch {batch}: {len(requests)} requests in {seconds:.1f} s, {steps / seconds:.1f} "
              f"picture steps a second, {sum(sums.values()) / max(1, sum(calls.values())):.2f} pictures a step, "
              f"memory {', '.join(f'{m:.0f}' for m in server.memory())} MiB", flush=True)
        return steps / seconds, answers


def compare(requests, answers, alone):
    lost = [i for i, (status, _, _) in enumerate(answers) if status not in (200, 499)]
    mixed = [
        i for i, ((kind, _), (status, files, _), (known, right, _)) in enumerate(zip(requests, answers, alone))
        if status == known == 200 and [pixels(f) for f in files] != [pixels(f) for f in right]]
    same = sum(1 for a, b in zip(answers, alone) if a[0] == b[0] == 200)
    print(f"  lost {len(lost)}, mixed up {len(mixed)}, compared {same}, left {sum(a[0] == 499 for a in answers)}")
    return not lost and not mixed


def bound(binary, requests):
    queue, batch = 8, 4
    room = queue + 2 * batch
    with Server(binary, 2, batch, queue) as server:
        _, answers = asyncio.run(flood(server, requests, 64))
        refused = [a for a in answers if a[0] == 429]
        good = (all(a[0] in (200, 429, 499) for a in answers) and all("retry-after" in a[2] for a in refused)
                and sum(a[0] in (200, 499) for a in answers) >= min(room, len(requests)))
        # Below the bound nothing is refused.
        _, few = asyncio.run(flood(server, [r for r in requests if r[0] != "leave"][:room], 64))
        print(f"bound of {room} orders: {len(refused)} of {len(answers)} at once got 429, and {sum(a[0] == 429 for a in few)} "
              f"of {len(few)}")
        return good and all(a[0] == 200 for a in few)


def soak(binary, minutes):
    with Server(binary, 2, 8, 64) as server:
        end, samples, made = time.monotonic() + 60 * minutes, [], 0
        while time.monotonic() < end:
            _, answers = asyncio.run(flood(server, mixture(100, made), 64, concurrency=32))
            made += len(answers)
            samples.append(server.memory())
            if any(a[0] not in (200, 499) for a in answers):
                print("  unexpected:", sorted({a[0] for a in answers}))
        def medians(part):
            return ", ".join(f"{statistics.median(c):.0f}" for c in zip(*part))
        tenth = max(1, len(samples) // 10)
        print(f"{minutes} minutes, {made} requests: memory of coordinator and workers {medians(samples[tenth:2 * tenth] or samples)}"
              f" MiB at a tenth, {medians(samples[len(samples) // 2:][:tenth])} in the middle, {medians(samples[-tenth:])} at the end")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=0)
    options = parser.parse_args()
    if not 1 <= options.requests <= REQUEST_MAX or not 0 <= options.minutes <= MINUTES_MAX:
        sys.exit(f"at most {REQUEST_MAX} requests and {MINUTES_MAX} minutes")
    requests = mixture(options.requests, 1)
    good = True
    plain, alone = phase(options.binary, 2, 1, requests)
    good &= compare(requests, alone, alone)
    batched, answers = phase(options.binary, 2, 8, requests)
    good &= compare(requests, answers, alone)
    single, answers = phase(options.binary, 1, 8, requests)
    good &= compare(requests, answers, alone)
    one, _ = phase(options.binary, 1, 1, requests)
    print(f"batching: {batched / plain:.2f} x on two replicas, {single / one:.2f} x on one; "
          f"two replicas: {batched / single:.2f} x one")
    good &= bound(options.binary, requests)
    if options.minutes:
        soak(options.binary, options.minutes)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
