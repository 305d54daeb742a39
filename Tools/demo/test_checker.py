"""Tests of the checker: it accepts what is drawn, and rejects every single wrong claim about it.

    python Tools/demo/test_checker.py [--model Models/shapes]
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import VQModel

import checker
import vq
from evaluate import MODEL
from scenes import COLOURS, OPPOSITE, RADII, SHAPES, draw, sample_scene


def wrong_claims(rng, scene):
    """Scenes that differ from this one in one attribute, by the verdict's aspect that must fail."""
    item = scene.items[0]
    others = scene.items[1:]

    def other(names, *taken):
        left = [name for name in names if name not in taken]
        return left[rng.integers(len(left))]

    def changed(**attribute):
        return replace(scene, items=(replace(item, **attribute), *others))

    colours = [other.colour for other in others]
    claims = {
        "background": replace(scene, background=other(COLOURS, scene.background)),
        "colours": changed(colour=other(COLOURS, item.colour, scene.background, *colours)),
        "shapes": changed(shape=other(SHAPES, item.shape, *[other.shape for other in others])),
        "sizes": changed(size=other(RADII, item.size)),
    }
    if scene.relation:
        claims["relation"] = replace(scene, relation=OPPOSITE[scene.relation])
        claims["count"] = replace(scene, items=scene.items[:1], relation=None)
    return claims


def share_right(scenes, pictures):
    """Share of pictures that the checker calls right in everything."""
    return np.mean([checker.judge(picture, scene)["all"] for scene, picture in zip(scenes, pictures)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--scenes", type=int, default=200)
    arguments = parser.parse_args()
    rng = np.random.default_rng(11)
    scenes = [sample_scene(rng) for _ in range(arguments.scenes)]
    pictures = [draw(scene) for scene in scenes]
    drawn = share_right(scenes, pictures)
    print(f"drawn scenes called right: {100 * drawn:.1f} %")
    assert drawn == 1, "the checker accepts every drawn scene"

    wrong, missed = 0, []
    for scene, picture in zip(scenes, pictures):
        for aspect, claim in wrong_claims(rng, scene).items():
            verdict = checker.judge(picture, claim)
            wrong += 1
            if verdict[aspect] or verdict["all"]:
                missed.append((aspect, scene, claim))
    print(f"wrong claims rejected: {wrong - len(missed)} of {wrong}")
    assert not missed, f"the checker rejects wrong claims, but not {missed[0]}"

    noise = rng.integers(0, 256, (20, 64, 64, 3)).astype(np.uint8)
    assert share_right(scenes[:20], noise) == 0, "the checker rejects noise"

    net = VQModel.from_pretrained(str(arguments.model / "vqvae"), torch_dtype=torch.float32).eval()
    back = vq.pictures_of(net, vq.tokens_of(net, vq.pixels(scenes, torch.device("cpu"))))
    error = np.abs(back.astype(float) - np.stack(pictures)).mean()
    trip = share_right(scenes, back)
    print(f"after the VQ model's round trip: {100 * trip:.1f} % right, mean error {error:.2f} of 255")
    assert trip >= 0.97, "the VQ model keeps what the checker looks at"


if __name__ == "__main__":
    main()
