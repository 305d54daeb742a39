"""An independent judge of pictures: classic image processing on pixels, nothing learned.

Every pixel is given the nearest palette colour. The background is the colour that fills the border. What is
left is split into connected patches of a colour; fringes of blended colours are thin and are dropped. A patch
is judged by its bounding box (size, place) and by how well it covers drawn templates of each shape, at the
patch's own box and up to a pixel beside it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from scenes import COLOURS, RADII, SHAPES, SIDE, sprite_mask

_NAMES = list(COLOURS)
_PALETTE = np.array([COLOURS[name] for name in _NAMES], np.float32)
_SMALLEST_AREA = 24
_LEAST_OVERLAP = 0.72
_BACKGROUND_SHARE = 0.7
_ROUND = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Found:
    """One shape seen in a picture; `x`, `y` the middle of its bounding box, `extent` the box's larger side."""

    shape: str
    colour: str
    size: str
    x: float
    y: float
    extent: float
    overlap: float
    margin: float


def look(picture):
    """Background colour (None if unclear) and the shapes found, largest first, in a uint8 picture [64, 64, 3]."""
    background = _background(picture)
    if background is None:
        return None, []
    found = []
    labels = _nearest(picture)
    ground = _NAMES.index(background)
    for colour in range(len(_NAMES)):
        if colour == ground:
            continue
        core = labels == colour
        parts, count = ndimage.label(core, _ROUND)
        for part in range(1, count + 1):
            patch = parts == part
            if patch.sum() < _SMALLEST_AREA or not _is_solid(patch):
                continue
            found.append(_describe(picture, patch, colour, ground))
    found.sort(key=lambda item: -item.extent)
    return background, found


def judge(picture, expected):
    """What is right of an expected scene: a dictionary of truth values.

    `background`, `count`, and over all items `colours`, `shapes`, `sizes`; `relation` for two items; `all`.
    """
    background, found = look(picture)
    wanted = list(expected.items)
    verdict = {"background": background == expected.background, "count": len(found) == len(wanted)}
    pairing = _pair(wanted, found)
    for name in ("colour", "shape", "size"):
        verdict[name + "s"] = all(
            seen is not None and getattr(seen, name) == getattr(item, name) for item, seen in zip(wanted, pairing)
        )
    if expected.relation:
        verdict["relation"] = None not in pairing and _holds(expected.relation, *pairing)
    verdict["all"] = all(verdict.values())
    return verdict


def _background(picture):
    labels = _nearest(picture)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    counts = np.bincount(edge, minlength=len(_NAMES))
    best = int(counts.argmax())
    return _NAMES[best] if counts[best] >= _BACKGROUND_SHARE * len(edge) else None


def _nearest(picture):
    distance = ((picture[:, :, None].astype(np.float32) - _PALETTE) ** 2).sum(axis=-1)
    return distance.argmin(axis=-1)


def _is_solid(patch):
    """False for fringes: lines that vanish when one pixel is taken off all around."""
    return ndimage.binary_erosion(patch, np.ones((2, 2), bool)).sum() >= 0.2 * patch.sum()


def _describe(picture, patch, colour, ground):
    mask = _coverage(picture, patch, colour, ground)
    rows, columns = np.nonzero(mask.max(axis=1) > 0.5)[0], np.nonzero(mask.max(axis=0) > 0.5)[0]
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    extent = float(max(bottom - top, right - left))
    x, y = (left + right) / 2, (top + bottom) / 2
    size = min(RADII, key=lambda name: abs(np.log(2 * RADII[name] / extent)))
    scores = {shape: _overlap(mask, shape, x, y, extent) for shape in SHAPES}
    order = sorted(scores, key=scores.get, reverse=True)
    best, second = scores[order[0]], scores[order[1]]
    shape = order[0] if best >= _LEAST_OVERLAP else "unclear"
    return Found(shape, _NAMES[colour], size, x, y, extent, float(best), float(best - second))


def _coverage(picture, patch, colour, ground):
    """How much of each pixel near the patch is of its colour, by where it lies between ground and colour."""
    start, stop = _PALETTE[ground], _PALETTE[colour]
    direction = (stop - start) / ((stop - start) ** 2).sum()
    share = ((picture.astype(np.float32) - start) @ direction).clip(0, 1)
    near = ndimage.binary_dilation(patch, _ROUND)
    residue = picture - (start + share[..., None] * (stop - start))
    blended = (residue**2).sum(axis=-1) < 60**2
    return share * (near & (patch | blended))


def _overlap(mask, shape, x, y, extent):
    """Best intersection over union with a template of the shape, over half-pixel radii and small shifts."""
    best, total = 0.0, mask.sum()
    padded = np.pad(mask, 40)
    for delta in (-1.0, -0.5, 0.0, 0.5, 1.0):
        template = _template(shape, extent / 2 + delta)
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                left, top = int(round(x)) + dx + 20, int(round(y)) + dy + 20
                window = padded[top : top + 40, left : left + 40]
                joint = np.minimum(window, template).sum()
                best = max(best, joint / (total + template.sum() - joint))
    return best


@lru_cache(maxsize=None)
def _template(shape, radius):
    return np.pad(sprite_mask(shape, radius), 4)


def _pair(wanted, found):
    """For each wanted item the found one that agrees most, none twice."""
    free, pairing = list(found), []
    for item in wanted:
        best = max(free, key=lambda seen: _agreement(seen, item), default=None)
        if best is not None and _agreement(best, item) == 0:
            best = None
        if best is not None:
            free.remove(best)
        pairing.append(best)
    return pairing


def _agreement(seen, item):
    return 4 * (seen.colour == item.colour) + 2 * (seen.shape == item.shape) + (seen.size == item.size)


def _holds(relation, first, second):
    """Whether the middles lie so, and the boxes do not overlap by more than a pixel along that axis."""
    dx, dy = second.x - first.x, second.y - first.y
    along, aside = (dy, dx) if relation in ("above", "below") else (dx, dy)
    if relation in ("below", "right of"):
        along = -along
    return along > 0 and along >= abs(aside) * 0.75 and along >= (first.extent + second.extent) / 2 - 6


assert SIDE == 64, "the templates' padding is made for 64 pixels"
