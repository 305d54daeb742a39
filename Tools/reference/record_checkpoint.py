"""Records what the reference computes with a checkpoint that exists: the oracle of the parity tests for trained weights.

    python Tools/reference/record_checkpoint.py --checkpoint Models/shapes --out Tests/Fixtures/trained_shapes

Writes expected.safetensors and info.json, whose `checkpoint` is the folder as given: run it in the project's root. What
is recorded, and under which names, is said in the README of the other fixtures.
"""
from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from diffusers import AmusedImg2ImgPipeline, AmusedInpaintPipeline, AmusedPipeline, AmusedScheduler

import common
import make_amused as reference
from common import Tape, dump_json

PROMPTS = [
    "a large red circle on a yellow background",
    "a small blue star above a large green square on a white background",
    "a yellow triangle to the left of a purple cross",
    "orange diamond",
]
"""In order: text to image, inpainting, image to image, and one more for the text encoder."""


def record_whole_runs(pipe, tape: Tape, steps: int, guidance: float, tries: int) -> dict:
    """Text to image, inpainting and image to image, each with its noise."""
    runs: dict = {}
    call = dict(prompt=[PROMPTS[0]], num_inference_steps=steps, guidance_scale=guidance)
    seed, (images, log, noise) = reference.best_traj(pipe, call, tries, 1)
    runs["seeded"] = {"generator_seed": seed, "guidance_scale": guidance, "steps": steps, "temperature": [2, 0],
                      **reference.record_traj(tape, "traj/seeded", images, log, noise, "ends", False)}
    pixels = (images[:1] * 255).round().to(torch.uint8)
    picture = pixels.float() / 255
    factor = pipe.vae_scale_factor
    # The editing pipelines' processors round sizes to multiples of the factor; the grid is the picture's.
    rows, columns = picture.shape[-2] // factor, picture.shape[-1] // factor
    parts = dict(vqvae=pipe.vqvae, tokenizer=pipe.tokenizer, text_encoder=pipe.text_encoder, transformer=pipe.transformer)
    mask_token = pipe.scheduler.config.mask_token_id
    tape.put("traj/edit/source_image_u8", pixels, keep_dtype=True)
    latents = pipe.vqvae.encode(picture).latents
    tape.put("traj/edit/source_ids", pipe.vqvae.quantize(latents)[2][2].reshape(1, rows, columns))

    mask = torch.zeros(1, 1, rows, columns)
    mask[..., rows // 4:rows - 2, columns // 4:columns - 1] = 1
    tape.put("traj/inpaint/token_mask", mask[0, 0].bool())
    inpaint = AmusedInpaintPipeline(**parts, scheduler=AmusedScheduler(mask_token_id=mask_token))
    inpaint.set_progress_bar_config(disable=True)
    wide = torch.nn.functional.interpolate(mask, scale_factor=factor, mode="nearest")
    call = dict(prompt=PROMPTS[1], image=picture, mask_image=wide, strength=1.0, num_inference_steps=4,
                guidance_scale=guidance)
    seed, (images, log, noise) = reference.best_traj(inpaint, call, tries, 100)
    runs["inpaint"] = {"generator_seed": seed, "prompt": PROMPTS[1], "strength": 1.0, "steps": 4, "temperature": [2, 0],
                       "guidance_scale": guidance,
                       **reference.record_traj(tape, "traj/inpaint", images, log, noise, "first", False)}
    variation = AmusedImg2ImgPipeline(**parts, scheduler=AmusedScheduler(mask_token_id=mask_token))
    variation.set_progress_bar_config(disable=True)
    call = dict(prompt=PROMPTS[2], image=picture, strength=0.5, num_inference_steps=6, guidance_scale=guidance)
    seed, (images, log, noise) = reference.best_traj(variation, call, tries, 200)
    tape.put("traj/img2img/add_noise_uniform", noise.rand[0])
    runs["img2img"] = {"generator_seed": seed, "prompt": PROMPTS[2], "strength": 0.5, "steps": 6, "temperature": [2, 0],
                       "guidance_scale": guidance,
                       **reference.record_traj(tape, "traj/img2img", images, log, noise, "first", False)}
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--tries", type=int, default=24, help="generator seeds to try for comfortable margins")
    args = parser.parse_args()
    common.setup(1)
    torch.set_grad_enabled(False)
    start = time.time()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    pipe = AmusedPipeline.from_pretrained(args.checkpoint, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    reference.PROMPTS[:] = PROMPTS
    tape = Tape()
    reference.record_text(pipe, tape)
    info = {"checkpoint": args.checkpoint, "prompts": PROMPTS, "mask_token_id": pipe.scheduler.config.mask_token_id,
            "uvit": reference.record_uvit(pipe, {"nonsquare": None}, tape, 1),
            "vq": reference.record_vq(pipe, tape, 1)}
    info["trajectories"] = record_whole_runs(pipe, tape, args.steps, args.guidance, args.tries)
    tape.save(out / "expected.safetensors")
    info["versions"] = common.versions()
    info["command"] = common.command_line()
    info["seconds"] = round(time.time() - start, 1)
    dump_json(out / "info.json", info)
    for name, run in info["trajectories"].items():
        print(name, json.dumps({key: value for key, value in run.items() if "margin" in key or "seed" in key}))


if __name__ == "__main__":
    main()
