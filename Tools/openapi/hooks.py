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


def keep_short(body):
    """Keeps orders short: a thousand steps are allowed, and take their time; and a deadline of nothing is refused with 503,
    rightly. What is wrong stays wrong."""
    if "num_inference_steps" not in body:
        body["num_inference_steps"] = 2
    for name, least, most, instead in [("num_inference_steps", 5, 1000, 4), ("deadline_seconds", 0, 3599, 3600)]:
        value = body.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most:
            body[name] = instead


@schemathesis.hook
def map_body(context, body):
    """Forms, as they are generated: one with files that is changed later counts as wrong, whatever it was."""
    fields = getattr(body, "body", body)
    if isinstance(fields, dict) and any(isinstance(value, bytes) for value in fields.values()):
        keep_short(fields)
    return body


@schemathesis.hook
def before_call(context, case, kwargs):
    """JSON objects, which are looked at anew when they were changed."""
    if isinstance(case.body, dict) and case.media_type == "application/json":
        keep_short(case.body)
