"""The held-out prompts: scenes that training never drew in that combination, with plain captions.

`held_out` are the 200 that are reported; settings are chosen on `development`, which are others.
"""

import numpy as np

from captions import caption
from scenes import sample_scene

SEED = 2_024_117
DEVELOPMENT_SEED = 99


def held_out(singles=100, pairs=100, seed=SEED, without=()):
    """Records with `name`, `prompt`, `seed` and the expected `scene`; none has a prompt that is in `without`."""
    rng = np.random.default_rng(seed)
    records, seen = [], set(without)
    for count, wanted in ((1, singles), (2, pairs)):
        taken = 0
        while taken < wanted:
            scene = sample_scene(rng, count=count, held_out=True)
            text = caption(scene)
            if text in seen:
                continue
            seen.add(text)
            index = len(records)
            records.append({"name": f"{index:03}", "prompt": text, "seed": 1000 + index, "scene": scene.record()})
            taken += 1
    return records


def development():
    """As `held_out`, with other prompts: 30 with one object (few combinations are left) and 70 with two."""
    return held_out(30, 70, DEVELOPMENT_SEED, {record["prompt"] for record in held_out()})
