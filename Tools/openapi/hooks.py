"""What schemathesis should know about pictures: real PNG files, and few steps."""

import struct
import zlib

import schemathesis
from hypothesis import strategies as st


def png(width, height, channels, values):
    """A PNG file of 8-bit RGB or RGBA pixels that repeat some values."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    row = bytes(values[i % len(values)] for i in range(width * channels))
    pixels = zlib.compress((b"\0" + row) * height)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


FILES = st.one_of(
    # A size that the demo's model makes, with and without transparent pixels, and others.
    st.builds(png, st.just(64), st.just(64), st.sampled_from([3, 4]), st.lists(st.integers(0, 255), min_size=1)),
    st.builds(png, st.integers(1, 200), st.integers(1, 200), st.sampled_from([3, 4]), st.just([0, 255, 9, 0])),
    st.binary(max_size=200),
)
schemathesis.openapi.media_type("image/png", FILES)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Keeps orders short: a thousand steps are allowed, and take their time."""
    body = case.body
    if isinstance(body, dict):
        steps = body.get("num_inference_steps")
        if steps is None:
            body["num_inference_steps"] = 2
        elif isinstance(steps, (int, float)) and not isinstance(steps, bool) and 4 < steps <= 1000:
            body["num_inference_steps"] = 4
