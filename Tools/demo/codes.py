"""What the codes mean: every 4 x 4 block of a picture is one of 1016 kinds, by construction.

A block of one colour has that colour's code. A block that an item's edge crosses has a code for the ordered pair of
colours (background, item) and one of 18 patterns of coverage, found by k-means over the blocks of all sprites. Such
codes depend on nothing but their block, so that a transformer can learn colours and patterns apart from each other;
the exact edge is left to the decoder, which sees the codes around.
"""

from functools import lru_cache

import numpy as np

from scenes import COLOURS, RADII, SHAPES, SIDE, sprite_mask

BLOCK = 4
GRID = SIDE // BLOCK
PATTERNS = 18
CHANNELS = 12
COUNT = 1024

_EMPTY, _FULL = -1, -2
_COLOUR_SPREAD, _PATTERN_SPREAD = 1.5, 1.5
_NAMES = list(COLOURS)


def codes_of(scene):
    """The codes of a scene whose items lie on the grid: int16 [16, 16]."""
    ground = _NAMES.index(scene.background)
    grid = np.full((GRID, GRID), ground, np.int16)
    for item in scene.items:
        colour = _NAMES.index(item.colour)
        kinds = _sprite_kinds(item.shape, item.radius)
        values = np.where(kinds >= 0, _first_of_pair(ground, colour) + kinds, np.where(kinds == _FULL, colour, ground))
        top, left = (item.y - item.radius) // BLOCK, (item.x - item.radius) // BLOCK
        grid[top : top + len(kinds), left : left + len(kinds)] = values
    return grid


@lru_cache(maxsize=None)
def codebook():
    """The vector of each code, float32 [1024, 12]: three numbers a colour, six for the pattern."""
    palette = (np.array(list(COLOURS.values()), np.float32) / 127.5 - 1) * _COLOUR_SPREAD
    centres = _patterns()
    middle = centres - centres.mean(axis=0)
    axes = np.linalg.svd(middle, full_matrices=False)[2][: CHANNELS - 6]
    places = middle @ axes.T
    places *= _PATTERN_SPREAD / places.std(axis=0)
    # Rows that mean nothing lie far from every other.
    vectors = np.full((COUNT, CHANNELS), 30.0, np.float32)
    vectors[: len(_NAMES)] = np.concatenate([palette, palette, np.zeros((len(_NAMES), 6))], axis=1)
    for ground in range(len(_NAMES)):
        for colour in range(len(_NAMES)):
            if ground == colour:
                continue
            first = _first_of_pair(ground, colour)
            pair = np.concatenate([palette[ground], palette[colour]])
            vectors[first : first + PATTERNS] = np.concatenate(
                [np.broadcast_to(pair, (PATTERNS, 6)), places], axis=1
            )
    return vectors


def _first_of_pair(ground, colour):
    pair = ground * (len(_NAMES) - 1) + colour - (colour > ground)
    return len(_NAMES) + pair * PATTERNS


@lru_cache(maxsize=None)
def _sprite_kinds(shape, radius):
    """Pattern of each block of a sprite, or empty or full: int [n, n]."""
    blocks = _blocks(shape, radius)
    distance = ((blocks[:, :, None] - _patterns()) ** 2).sum(axis=-1)
    kinds = distance.argmin(axis=-1)
    share = blocks.mean(axis=-1)
    return np.where(share < 0.01, _EMPTY, np.where(share > 0.99, _FULL, kinds))


def _blocks(shape, radius):
    """Coverage of each block: float32 [n, n, 16]."""
    middle = 16
    window = sprite_mask(shape, radius)[middle - radius : middle + radius, middle - radius : middle + radius]
    count = 2 * radius // BLOCK
    return window.reshape(count, BLOCK, count, BLOCK).transpose(0, 2, 1, 3).reshape(count, count, BLOCK * BLOCK)


@lru_cache(maxsize=None)
def _patterns():
    """Typical coverages of blocks that an edge crosses: float32 [18, 16]."""
    samples, weights = [], []
    for shape in SHAPES:
        for radius in RADII.values():
            blocks = _blocks(shape, radius).reshape(-1, BLOCK * BLOCK)
            crossed = blocks[(blocks.mean(axis=1) >= 0.01) & (blocks.mean(axis=1) <= 0.99)]
            samples.append(crossed)
            weights.append(np.full(len(crossed), 1 / max(1, len(crossed))))
    samples, weights = np.concatenate(samples), np.concatenate(weights)
    return _k_means(samples, weights, PATTERNS)


def _k_means(samples, weights, count, tries=20, rounds=60):
    rng = np.random.default_rng(0)
    best, least = None, np.inf
    for _ in range(tries):
        centres = samples[rng.choice(len(samples), count, replace=False, p=weights / weights.sum())]
        for _ in range(rounds):
            distance = ((samples[:, None] - centres) ** 2).sum(axis=-1)
            nearest = distance.argmin(axis=1)
            for index in range(count):
                chosen = nearest == index
                if chosen.any():
                    centres[index] = np.average(samples[chosen], axis=0, weights=weights[chosen])
        cost = (distance.min(axis=1) * weights).sum()
        if cost < least:
            best, least = centres, cost
    return best.astype(np.float32)
