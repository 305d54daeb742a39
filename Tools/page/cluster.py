"""A cluster under `tessera up`, on ports that are free."""

import json
import re
import subprocess
import threading
import time
import urllib.request


class Cluster:
    def __init__(self, tessera, file, *settings):
        words = [tessera, "up", file, "--set", "control.port=0", "--set", "server.port=0", "--set", "server.jobs=off"]
        for setting in settings:
            words += ["--set", setting]
        self.lines = []
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        self.url = self._awaited(r"listens at (http://\S+)")

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip())

    def _awaited(self, pattern, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            for line in list(self.lines):
                if found := re.search(pattern, line):
                    return found.group(1)
            time.sleep(0.05)
        raise AssertionError("tessera up did not come up:\n" + "\n".join(self.lines))

    def wait_until_ready(self):
        self._awaited(r"is ready at (\S+)")

    def read(self, path):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def end(self):
        """Ends it with a signal; its exit status."""
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("tessera up did not end:\n" + "\n".join(self.lines[-20:]))
