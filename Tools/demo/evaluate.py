"""Measures how many held-out prompts are drawn rightly.

    evaluate.py prompts --out prompts.json                         write the 200 prompts and what they ask for
    evaluate.py draw    --prompts prompts.json --out pictures      draw them with diffusers
    evaluate.py judge   --prompts prompts.json --pictures pictures judge PNG files of any program, <name>.png each
    evaluate.py orders  --out orders.jsonl                         the prompts at many settings, for `tessera batch`
    evaluate.py table   --pictures pictures                        judge what `tessera batch` made of such orders
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AmusedPipeline
from PIL import Image

import checker
import prompts
from scenes import Scene

_HERE = Path(__file__).resolve().parent
MODEL = _HERE.parent.parent / "Models" / "shapes"
STEPS = 24
GUIDANCE = 1.5
TEMPERATURE = 1.0
_ASPECTS = ("background", "count", "colours", "shapes", "sizes", "relation", "all")


def load(folder, dtype=torch.float32):
    """The pipeline, silent, in one precision."""
    pipeline = AmusedPipeline.from_pretrained(str(folder), torch_dtype=dtype)
    pipeline.set_progress_bar_config(disable=True)
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    return pipeline.to(device)


def draw(pipeline, records, steps, guidance, temperature, batch=25, seed=0):
    """uint8 pictures [64, 64, 3] of records, in order."""
    pictures = []
    for start in range(0, len(records), batch):
        part = records[start : start + batch]
        images = pipeline(
            [record["prompt"] for record in part],
            num_inference_steps=steps,
            guidance_scale=guidance,
            temperature=temperature,
            generator=torch.Generator().manual_seed(seed + part[0]["seed"]),
            output_type="np",
        ).images
        pictures += list((images * 255).round().astype(np.uint8))
    return pictures


def tally(records, pictures):
    """Shares of right pictures by group and aspect, and the verdict on each picture."""
    verdicts = {}
    groups = {"single": [], "pair": [], "everything": []}
    for record, picture in zip(records, pictures):
        verdict = checker.judge(picture, Scene.from_record(record["scene"]))
        verdicts[record["name"]] = verdict
        groups["everything"].append(verdict)
        groups["pair" if len(record["scene"]["items"]) == 2 else "single"].append(verdict)
    shares = {
        group: {
            aspect: round(sum(v[aspect] for v in members) / len(members), 4)
            for aspect in _ASPECTS
            if aspect in members[0]
        }
        | {"pictures": len(members)}
        for group, members in groups.items()
        if members
    }
    return shares, verdicts


def line(shares):
    """One line of text for shares."""
    parts = []
    for group, values in shares.items():
        aspects = " ".join(f"{aspect} {100 * value:.1f}" for aspect, value in values.items() if aspect != "pictures")
        parts.append(f"{group}: {aspects}")
    return " | ".join(parts)


def read(path):
    """A picture file as uint8 [height, width, 3]."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.uint8)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("prompts", "draw", "judge", "orders", "table"))
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--prompts", type=Path, help="prompts file; without it the 200 held-out prompts")
    parser.add_argument("--development", action="store_true", help="without --prompts: those to choose settings on")
    parser.add_argument("--pictures", type=Path, help="folder of PNG files to judge")
    parser.add_argument("--out", type=Path, help="file or folder to write")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--guidance", type=float, default=GUIDANCE)
    parser.add_argument("--temperature", type=float, default=TEMPERATURE, help="start of the fall to zero")
    parser.add_argument("--all-steps", type=int, nargs="+", default=[4, 8, 12, 24])
    parser.add_argument("--all-guidances", type=float, nargs="+", default=[1.0, GUIDANCE])
    parser.add_argument("--all-temperatures", type=float, nargs="+", default=[TEMPERATURE])
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--limit", type=int, help="only so many prompts, evenly spaced")
    arguments = parser.parse_args()
    if arguments.prompts:
        records = json.loads(arguments.prompts.read_text())
    else:
        records = prompts.development() if arguments.development else prompts.held_out()
    if arguments.limit:
        records = records[:: max(1, len(records) // arguments.limit)]
    commands = {"prompts": _prompts, "draw": _draw, "judge": _judge, "orders": _orders, "table": _table}
    commands[arguments.command](arguments, records)


def _prompts(arguments, records):
    arguments.out.write_text(json.dumps(records, indent=1) + "\n")
    print(f"{len(records)} prompts in {arguments.out}")


def _draw(arguments, records):
    pipeline = load(arguments.model, getattr(torch, arguments.dtype))
    pictures = draw(pipeline, records, arguments.steps, arguments.guidance, (arguments.temperature, 0))
    arguments.out.mkdir(parents=True, exist_ok=True)
    for record, picture in zip(records, pictures):
        Image.fromarray(picture).save(arguments.out / f"{record['name']}.png")
    print(f"{len(pictures)} pictures in {arguments.out}")


def _judge(arguments, records):
    found = [record for record in records if (arguments.pictures / f"{record['name']}.png").exists()]
    if len(found) < len(records):
        print(f"{len(records) - len(found)} of {len(records)} pictures are missing in {arguments.pictures}")
    pictures = [read(arguments.pictures / f"{record['name']}.png") for record in found]
    shares, verdicts = tally(found, pictures)
    _report(arguments, {"shares": shares, "verdicts": verdicts})
    print(line(shares))


def _orders(arguments, records):
    """A guidance scale of 1 is none."""
    settings = itertools.product(arguments.all_steps, arguments.all_guidances, arguments.all_temperatures)
    lines = [
        {
            "name": f"{steps} {guidance:g} {temperature:g} {record['name']}",
            "prompt": record["prompt"],
            "seed": record["seed"],
            "steps": steps,
            "guidance_scale": guidance,
            "temperature": temperature,
        }
        for steps, guidance, temperature in settings
        for record in records
    ]
    arguments.out.write_text("".join(json.dumps(line) + "\n" for line in lines))
    print(f"{len(lines)} orders in {arguments.out}")


def _table(arguments, records):
    names = {path.stem.rsplit(" ", 1)[0] for path in arguments.pictures.glob("* * * *.png")}
    rows = []
    print("steps guidance temperature")
    for setting in sorted(names, key=lambda name: [float(part) for part in name.split()]):
        pictures = [read(arguments.pictures / f"{setting} {record['name']}.png") for record in records]
        shares, _ = tally(records, pictures)
        steps, guidance, temperature = (float(part) for part in setting.split())
        rows.append({"steps": int(steps), "guidance": guidance, "temperature": temperature, **shares})
        print(f"{setting}: {line(shares)}", flush=True)
    _report(arguments, rows)


def _report(arguments, value):
    if arguments.out:
        arguments.out.write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    main()
