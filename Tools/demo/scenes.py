"""Scenes: one or two flat shapes on a flat background, drawn at 64 x 64 pixels.

A scene is a small record; drawing it is pasting anti-aliased sprites, so that hundreds of thousands of
pictures cost seconds. A part of all combinations is held out: `is_held_out` decides by a hash, and the sampler
for training never returns such a scene.
"""

from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from hashlib import blake2b

import numpy as np

SIDE = 64
SPOTS = (26, 34)
NEAR, FAR = 18, 50

COLOURS = {
    "red": (214, 39, 40),
    "orange": (255, 140, 20),
    "yellow": (255, 225, 50),
    "green": (30, 150, 70),
    "blue": (35, 80, 220),
    "purple": (150, 60, 180),
    "white": (250, 250, 250),
    "black": (20, 20, 20),
}
SHAPES = ("circle", "square", "triangle", "star", "diamond", "cross", "ring", "heart")
RADII = {"small": 6, "medium": 10, "large": 14}
RELATIONS = ("above", "below", "left of", "right of")
OPPOSITE = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}

_HELD_OUT_ONE_IN = 10
_SPRITE = 32
_SUPERSAMPLING = 16


@dataclass(frozen=True)
class Item:
    """One shape; `x`, `y` are the centre in pixels from the upper left corner."""

    shape: str
    colour: str
    size: str
    x: int = 0
    y: int = 0

    @property
    def radius(self):
        """Half the larger side of the bounding box, in pixels."""
        return RADII[self.size]


@dataclass(frozen=True)
class Scene:
    """A background and one item, or two of which the first stands in `relation` to the second."""

    background: str
    items: tuple
    relation: str | None = None

    def record(self):
        """The scene as plain JSON values."""
        return {
            "background": self.background,
            "relation": self.relation,
            "items": [asdict(item) for item in self.items],
        }

    @staticmethod
    def from_record(record):
        """The scene of a `record()`."""
        items = tuple(Item(**item) for item in record["items"])
        return Scene(record["background"], items, record["relation"])


def is_held_out(scene):
    """Whether training must not see this combination.

    One item: the combination of shape, colour, size and background. Two items: the pair of coloured shapes,
    whatever their sizes, order, relation and background.
    """
    if len(scene.items) == 1:
        (item,) = scene.items
        key = (item.shape, item.colour, item.size, scene.background)
    else:
        key = tuple(sorted(f"{item.colour} {item.shape}" for item in scene.items))
    digest = blake2b("/".join(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % _HELD_OUT_ONE_IN == 0


def sample_scene(rng, count=None, held_out=False):
    """A random scene on the wanted side of the hold-out; `count` items, or one (35 %) or two (65 %).

    Middles lie on four spots for one item; for two, `NEAR` and `FAR` along their relation, on two spots across it.
    All are 8 pixels apart, as the positions that the transformer works on, so that a shape looks the same to it
    wherever it is, and bounding boxes end where codes end.
    """
    while True:
        wanted = count or (1 if rng.random() < 0.35 else 2)
        scene = _sample_combination(rng, wanted)
        if is_held_out(scene) == held_out:
            return _place(rng, scene)


def draw(scene):
    """The picture: uint8 [64, 64, 3]."""
    picture = np.empty((SIDE, SIDE, 3), np.float32)
    picture[:] = COLOURS[scene.background]
    half = _SPRITE // 2
    for item in scene.items:
        sprite = sprite_mask(item.shape, item.radius)
        reach = item.radius
        inner = sprite[half - reach : half + reach, half - reach : half + reach, None]
        window = picture[item.y - reach : item.y + reach, item.x - reach : item.x + reach]
        window += inner * (np.array(COLOURS[item.colour], np.float32) - window)
    return np.round(picture).astype(np.uint8)


def item_mask(item):
    """Where an item is drawn: coverage in [0, 1], float32 [64, 64]."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    half, reach = _SPRITE // 2, item.radius
    sprite = sprite_mask(item.shape, item.radius)
    mask[item.y - reach : item.y + reach, item.x - reach : item.x + reach] = sprite[
        half - reach : half + reach, half - reach : half + reach
    ]
    return mask


@lru_cache(maxsize=None)
def sprite_mask(shape, radius):
    """Coverage of a shape centred in a 32 x 32 square, float32 in [0, 1]."""
    fine = _SPRITE * _SUPERSAMPLING
    axis = ((np.arange(fine) + 0.5) / _SUPERSAMPLING - _SPRITE / 2) / radius
    x, y = np.meshgrid(axis, -axis)
    inside = _INSIDE[shape](x, y).astype(np.float32)
    blocks = inside.reshape(_SPRITE, _SUPERSAMPLING, _SPRITE, _SUPERSAMPLING)
    return blocks.mean(axis=(1, 3))


def _sample_combination(rng, count):
    names = list(COLOURS)
    background = names[rng.integers(len(names))]
    others = [name for name in names if name != background]
    while True:
        items = tuple(
            Item(
                SHAPES[rng.integers(len(SHAPES))],
                others[rng.integers(len(others))],
                list(RADII)[rng.integers(len(RADII))],
            )
            for _ in range(count)
        )
        if len({(item.shape, item.colour) for item in items}) == count:
            break
    relation = RELATIONS[rng.integers(len(RELATIONS))] if count == 2 else None
    return Scene(background, items, relation)


def _place(rng, scene):
    def spot():
        return SPOTS[rng.integers(len(SPOTS))]

    if len(scene.items) == 1:
        return replace(scene, items=(replace(scene.items[0], x=spot(), y=spot()),))
    along = (NEAR, FAR) if scene.relation in ("above", "left of") else (FAR, NEAR)
    upright = scene.relation in ("above", "below")
    placed = []
    for item, middle in zip(scene.items, along):
        x, y = (spot(), middle) if upright else (middle, spot())
        placed.append(replace(item, x=x, y=y))
    return replace(scene, items=tuple(placed))


def _polygon(points):
    corners = np.array(points, float)

    def inside(x, y):
        result = np.zeros(x.shape, bool)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0)):
            if y0 == y1:
                continue
            crosses = (y0 > y) != (y1 > y)
            result ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
        return result

    return inside


def _star():
    angles = np.pi / 2 + np.arange(10) * np.pi / 5
    outer = 1 / np.cos(np.pi / 10)
    lengths = np.where(np.arange(10) % 2 == 0, outer, 0.45 * outer)
    points = np.stack([lengths * np.cos(angles), lengths * np.sin(angles)], axis=1)
    points[:, 1] -= (points[:, 1].max() + points[:, 1].min()) / 2
    return _polygon(points)


def _heart(x, y):
    x, y = 1.14 * x, 1.14 * y + 0.12
    return (x * x + y * y - 1) ** 3 - x * x * y**3 <= 0


_INSIDE = {
    "circle": lambda x, y: x * x + y * y <= 1,
    "square": lambda x, y: np.maximum(np.abs(x), np.abs(y)) <= 1,
    "triangle": _polygon([(0, 1), (1, -1), (-1, -1)]),
    "star": _star(),
    "diamond": lambda x, y: np.abs(x) + np.abs(y) <= 1,
    "cross": lambda x, y: (np.minimum(np.abs(x), np.abs(y)) <= 0.34)
    & (np.maximum(np.abs(x), np.abs(y)) <= 1),
    "ring": lambda x, y: (x * x + y * y <= 1) & (x * x + y * y >= 0.3),
    "heart": _heart,
}
