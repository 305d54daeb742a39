"""Measures editing: an object is masked and another asked for, or a whole picture is redrawn from its codes.

    edits.py cases --out cases                        write 50 pictures with masks, and cases.json
    edits.py draw  --cases cases --out pictures       inpaint them with diffusers, and check the codes outside
    edits.py judge --cases cases --pictures pictures  judge PNG files of any program, <name>.png each
    edits.py redraw                                   image-to-image at several strengths, for the record

A mask is white where the picture may change: the old object's bounding box and a row of codes around it.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AmusedImg2ImgPipeline, AmusedInpaintPipeline
from PIL import Image

import checker
import evaluate
import vq
from captions import caption
from scenes import COLOURS, RADII, SHAPES, SIDE, Scene, draw, sample_scene

COUNT = 50
_SEED = 77
_BORDER = 4


def cases(count=COUNT, seed=_SEED):
    """Records with `name`, `seed`, the `source` scene, the box that is masked, the new `scene` and its `prompt`."""
    rng = np.random.default_rng(seed)
    records = []
    for index in range(count):
        source = sample_scene(rng, count=1 + index % 2, held_out=True)
        chosen = int(rng.integers(len(source.items)))
        old = source.items[chosen]
        items = list(source.items)
        items[chosen] = _replacement(rng, source, chosen)
        scene = replace(source, items=tuple(items))
        reach = old.radius + _BORDER
        box = [max(0, old.x - reach), max(0, old.y - reach), min(SIDE, old.x + reach), min(SIDE, old.y + reach)]
        records.append(
            {
                "name": f"{index:03}",
                "seed": 5000 + index,
                "prompt": caption(scene),
                "box": box,
                "source": source.record(),
                "scene": scene.record(),
            }
        )
    return records


def mask_picture(record):
    """White inside the box, black outside: uint8 [64, 64]."""
    left, top, right, bottom = record["box"]
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


def _replacement(rng, scene, chosen):
    """Another shape in another colour, not larger than the old one."""
    old = scene.items[chosen]
    taken = [(item.shape, item.colour) for item in scene.items]
    sizes = [size for size in RADII if RADII[size] <= RADII[old.size]]
    colours = [name for name in COLOURS if name not in (scene.background, old.colour)]
    shapes = [shape for shape in SHAPES if shape != old.shape]
    while True:
        shape, colour = shapes[rng.integers(len(shapes))], colours[rng.integers(len(colours))]
        if (shape, colour) not in taken:
            return replace(old, shape=shape, colour=colour, size=sizes[rng.integers(len(sizes))])


def _cases(arguments):
    arguments.out.mkdir(parents=True, exist_ok=True)
    records = cases()
    for record in records:
        picture = draw(Scene.from_record(record["source"]))
        Image.fromarray(picture).save(arguments.out / f"{record['name']}.png")
        Image.fromarray(mask_picture(record)).save(arguments.out / f"{record['name']}-mask.png")
    (arguments.out / "cases.json").write_text(json.dumps(records, indent=1) + "\n")
    print(f"{len(records)} cases in {arguments.out}")


def _read_cases(folder):
    return json.loads((folder / "cases.json").read_text())


def _draw(arguments):
    pipeline = evaluate.load(arguments.model)
    editor = AmusedInpaintPipeline(**pipeline.components)
    editor.set_progress_bar_config(disable=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    kept = 0
    records = _read_cases(arguments.cases)
    for record in records:
        codes, before = _inpaint(editor, record, arguments)
        outside = torch.from_numpy(mask_picture(record)[::4, ::4] == 0)
        kept += bool((codes[0][outside] == before[0][outside]).all())
        picture = vq.pictures_of(pipeline.vqvae, codes)[0]
        Image.fromarray(picture).save(arguments.out / f"{record['name']}.png")
    print(f"codes outside the mask unchanged in {kept} of {len(records)}; pictures in {arguments.out}")


def _inpaint(editor, record, arguments):
    source = draw(Scene.from_record(record["source"]))
    codes = editor(
        record["prompt"],
        Image.fromarray(source),
        Image.fromarray(mask_picture(record)),
        strength=1.0,
        num_inference_steps=arguments.steps,
        guidance_scale=arguments.guidance,
        temperature=(arguments.temperature, 0),
        generator=torch.Generator().manual_seed(record["seed"]),
        output_type="latent",
    ).images
    pixels = torch.from_numpy(source).permute(2, 0, 1)[None].float() / 255
    return codes, vq.tokens_of(editor.vqvae, pixels.to(editor.device))


def _judge(arguments):
    records = _read_cases(arguments.cases)
    right, inside, changes = 0, 0, []
    for record in records:
        picture = evaluate.read(arguments.pictures / f"{record['name']}.png")
        source = evaluate.read(arguments.cases / f"{record['name']}.png")
        verdict = checker.judge(picture, Scene.from_record(record["scene"]))
        right += verdict["all"]
        inside += _new_item_is_inside(picture, record)
        difference = np.abs(picture.astype(float) - source)[mask_picture(record) == 0]
        changes.append(float(difference.mean()))
    total = len(records)
    summary = {
        "cases": total,
        "whole picture right": right / total,
        "new object right and inside the mask": inside / total,
        "mean change outside the mask (of 255)": round(float(np.mean(changes)), 3),
    }
    print(json.dumps(summary))
    if arguments.out:
        arguments.out.write_text(json.dumps(summary, indent=1) + "\n")


def _new_item_is_inside(picture, record):
    left, top, right, bottom = record["box"]
    wanted = [item for item in record["scene"]["items"] if item not in record["source"]["items"]][0]
    return any(
        (seen.shape, seen.colour, seen.size) == (wanted["shape"], wanted["colour"], wanted["size"])
        and left <= seen.x <= right
        and top <= seen.y <= bottom
        for seen in checker.look(picture)[1]
    )


def _redraw(arguments):
    pipeline = evaluate.load(arguments.model)
    editor = AmusedImg2ImgPipeline(**pipeline.components)
    editor.set_progress_bar_config(disable=True)
    rows = []
    for strength in (0.5, 0.7, 0.8, 0.9):
        right = {"all": 0, "background": 0}
        for record in cases():
            scene = Scene.from_record(record["scene"])
            images = editor(
                record["prompt"],
                Image.fromarray(draw(Scene.from_record(record["source"]))),
                strength=strength,
                num_inference_steps=arguments.steps,
                guidance_scale=arguments.guidance,
                temperature=(arguments.temperature, 0),
                generator=torch.Generator().manual_seed(record["seed"]),
                output_type="np",
            ).images
            verdict = checker.judge((images[0] * 255).round().astype(np.uint8), scene)
            for aspect in right:
                right[aspect] += verdict[aspect]
        rows.append({"strength": strength} | {aspect: count / COUNT for aspect, count in right.items()})
        print(rows[-1], flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("cases", "draw", "judge", "redraw"))
    parser.add_argument("--model", type=Path, default=evaluate.MODEL)
    parser.add_argument("--cases", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--steps", type=int, default=evaluate.STEPS)
    parser.add_argument("--guidance", type=float, default=evaluate.GUIDANCE)
    parser.add_argument("--temperature", type=float, default=evaluate.TEMPERATURE)
    arguments = parser.parse_args()
    {"cases": _cases, "draw": _draw, "judge": _judge, "redraw": _redraw}[arguments.command](arguments)


if __name__ == "__main__":
    main()
