"""Golden cases for reading PNG files and for resizing pictures; needs numpy and Pillow.

    python make_pictures.py FOLDER

writes FOLDER/resize.json (what Pillow's Lanczos filter and luma conversion give) and FOLDER/png.json (small files of
every colour type, bit depth and interlacing, written here byte by byte, with the pixels that a reader must find).
"""
import base64
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

rng = np.random.default_rng(5)
text = lambda data: base64.b64encode(bytes(data)).decode()


def resizes():
    cases = []
    for h, w, c, nh, nw in [(5, 7, 3, 16, 16), (33, 21, 3, 8, 8), (64, 64, 1, 4, 4), (16, 16, 1, 3, 5), (1, 1, 3, 4, 2),
                            (9, 13, 3, 9, 26), (20, 10, 1, 7, 10), (48, 40, 3, 47, 41),
                            (39, 40, 1, 11, 27), (12, 39, 1, 4, 21)]:
        a = rng.integers(0, 256, (h, w, c) if c > 1 else (h, w), dtype=np.uint8)
        if h == 64:
            a = (a > 128).astype(np.uint8) * 255
        out = np.asarray(Image.fromarray(a).resize((nw, nh), Image.Resampling.LANCZOS))
        cases.append({"source": text(a.tobytes()), "dims": [h, w] + ([c] if c > 1 else []), "rows": nh, "columns": nw,
                      "result": text(out.tobytes())})
    a = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
    luma = np.asarray(Image.fromarray(a).convert("L"))
    return {"resizes": cases, "luma": {"dims": [6, 9, 3], "source": text(a.tobytes()), "result": text(luma.tobytes())}}


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_rows(samples, depth):
    """Filter type 0 and packed samples for each row of [rows, columns * samples]."""
    out = b""
    for row in samples:
        bits = "".join(format(int(v), f"0{depth}b") for v in row)
        bits += "0" * (-len(bits) % 8)
        out += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""
    return out


ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


def png(samples, kind, depth, interlaced, extra=b""):
    h, w, c = samples.shape
    if interlaced:
        raw = b""
        for y, x, dy, dx in ADAM7:
            part = samples[y::dy, x::dx]
            if part.size:
                raw += pack_rows(part.reshape(part.shape[0], -1), depth)
    else:
        raw = pack_rows(samples.reshape(h, -1), depth)
    head = struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def pngs():
    cases = []

    def add(name, data, pixels):
        cases.append({"name": name, "png": text(data), "dims": list(pixels.shape),
                      "pixels": text(pixels.astype(np.uint8).tobytes())})

    kinds = {0: (1, (1, 2, 4, 8, 16)), 2: (3, (8, 16)), 3: (1, (1, 2, 4, 8)), 4: (2, (8, 16)), 6: (4, (8, 16))}
    for kind, (channels, depths) in kinds.items():
        for depth in depths:
            for interlaced in (False, True):
                h, w = ((3, 5), (9, 10))[interlaced]
                s = rng.integers(0, 2 ** depth, (h, w, channels))
                label = f"type {kind}, {depth} bits{', interlaced' if interlaced else ''}"
                if kind == 3:
                    palette = rng.integers(0, 256, (2 ** depth, 3))
                    plte = chunk(b"PLTE", palette.astype(np.uint8).tobytes())
                    add(label, png(s, kind, depth, interlaced, plte), palette[s[..., 0]])
                    alpha = rng.integers(0, 256, 2 ** depth)
                    both = np.concatenate([palette, alpha[:, None]], 1)[s[..., 0]]
                    trns = chunk(b"tRNS", alpha.astype(np.uint8).tobytes())
                    add(label + ", transparent", png(s, kind, depth, interlaced, plte + trns), both)
                else:
                    full = s * 255 // (2 ** depth - 1) if depth < 8 else s >> (depth - 8)
                    add(label, png(s, kind, depth, interlaced), full)
    s = rng.integers(0, 4, (3, 4, 1))
    full = np.concatenate([s * 85, np.where(s == 2, 0, 255)], 2)
    add("grey with a transparent level", png(s, 0, 2, False, chunk(b"tRNS", struct.pack(">H", 2))), full)
    return {"cases": cases}


folder = Path(sys.argv[1])
(folder / "resize.json").write_text(json.dumps(resizes(), indent=1) + "\n")
(folder / "png.json").write_text(json.dumps(pngs(), indent=1) + "\n")
