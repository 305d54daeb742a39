"""Golden cases for reading JPEG files; needs numpy and Pillow.

    python make_jpegs.py FOLDER

writes FOLDER/jpeg.json: small files of every kind that cameras and editors write (baseline, progressive, coarse colours,
grey, CMYK, all Exif orientations in both byte orders), with the upright RGB pixels that Pillow finds in them.
"""
import base64
import io
import json
import struct
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps


def picture(height, width):
    """Smooth colours, one hard edge: what a photograph has, in few pixels."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([255 * x / width, 255 * y / height, 127 + 100 * np.sin((x + 2 * y) / 5)], axis=-1)
    rgb[height // 2:, : width // 3] = (240, 20, 30)
    return Image.fromarray(rgb.astype(np.uint8))


def exif(orientation, order):
    """An Exif block with one entry (Exif 2.3, 4.5 and 4.6.2)."""
    mark = {"<": b"II", ">": b"MM"}[order]
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + mark + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", 1) + entry + b"\0\0\0\0"


def main(folder):
    cases = []

    def add(name, image, **options):
        data = io.BytesIO()
        image.save(data, "JPEG", **options)
        found = ImageOps.exif_transpose(Image.open(io.BytesIO(data.getvalue()))).convert("RGB")
        cases.append({"name": name, "jpeg": base64.b64encode(data.getvalue()).decode(),
                      "dims": [found.height, found.width, 3], "pixels": base64.b64encode(found.tobytes()).decode()})

    image = picture(19, 30)
    add("baseline", image, quality=95, subsampling=0)
    add("coarse colours", image, quality=80, subsampling=2)
    add("progressive", image, quality=90, progressive=True)
    add("restart markers", image, quality=75, restart_marker_rows=1)
    add("grey", image.convert("L"), quality=90)
    add("cmyk", image.convert("CMYK"), quality=95)
    add("one pixel", picture(1, 1), quality=50)
    for orientation in range(0, 10):
        for order in "<>":
            add(f"orientation {orientation} {order}", image, quality=95, subsampling=0, exif=exif(orientation, order))
    (Path(folder) / "jpeg.json").write_text(json.dumps({"cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
