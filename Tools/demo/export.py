"""Writes the trained networks as one diffusers folder, half precision, that AmusedPipeline loads as it is."""

import json
import shutil
from pathlib import Path

import torch
from diffusers import AmusedPipeline, AmusedScheduler, VQModel
from transformers import CLIPTokenizer

import model
import transformer


def export(work, out):
    """Puts vqvae/, tokenizer/ and the averaged weights of `work` into the folder `out`; returns its size in bytes."""
    work, out = Path(work), Path(out)
    painter = transformer.load_average(work)
    pipeline = AmusedPipeline(
        vqvae=VQModel.from_pretrained(str(work / "vqvae")),
        tokenizer=CLIPTokenizer.from_pretrained(str(work / "tokenizer")),
        text_encoder=painter.encoder,
        transformer=painter.painter,
        scheduler=AmusedScheduler(mask_token_id=model.MASK, masking_schedule="cosine"),
    ).to(dtype=torch.float16)
    out.mkdir(parents=True, exist_ok=True)
    pipeline.save_pretrained(str(out))
    for file in (work / "tokenizer").iterdir():
        shutil.copy(file, out / "tokenizer" / file.name)
    _tidy(out)
    return sum(file.stat().st_size for file in out.rglob("*") if file.is_file())


def _tidy(out):
    """Removes what would tell where the files were made."""
    for path in out.rglob("*.json"):
        if path.parent.name == "tokenizer":
            continue
        value = json.loads(path.read_text())
        value.pop("_name_or_path", None)
        path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
