"""The held-out prompts: 200 scenes that training never drew in that combination, with plain captions."""

import numpy as np

from captions import caption
from scenes import sample_scene

SEED = 2_024_117


def held_out(singles=100, pairs=100, seed=SEED):
    """Records with `name`, `prompt`, `seed` and the expected `scene`."""
    rng = np.random.default_rng(seed)
    records, seen = [], set()
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
