"""Progress lines with the time that is left."""

import time


class Log:
    """Writes every line to standard output and to a file."""

    def __init__(self, path=None):
        self._file = open(path, "a", encoding="utf-8") if path else None

    def __call__(self, text):
        print(text, flush=True)
        if self._file:
            print(text, file=self._file, flush=True)


class Progress:
    """Says every so often where a loop of known length stands."""

    def __init__(self, name, total, log, every, done=0):
        self._name, self._total, self._log, self._every = name, total, log, every
        self._first, self._start = done, time.monotonic()
        self._cpu = time.process_time()

    def due(self, step):
        """Whether this step (counted from 0) has a line."""
        return (step + 1) % self._every == 0 or step + 1 == self._total

    def line(self, step, text):
        """Writes a line for a step."""
        wall = time.monotonic() - self._start
        done = step + 1 - self._first
        left = wall / done * (self._total - step - 1)
        self._log(
            f"{self._name} {step + 1}/{self._total}  {text}  "
            f"[{_clock(wall)} gone, {_clock(left)} left, {_clock(time.process_time() - self._cpu)} of CPU]"
        )


def _clock(seconds):
    seconds = int(seconds)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
