"""Records what PyTorch computes with a Muse model in Tessera's own layout: the oracle of its parity tests.

    tessera export muse-tiny muse-tiny --seed 7 --dtype f32
    python Tools/reference/record_muse.py --model muse-tiny --preset muse-tiny --seed 7 --out Tests/Fixtures/muse_tiny

The transformer, the picture tokenizer and the decoding loop are written down here a second time; the text encoder is
transformers' T5EncoderModel. Writes expected.safetensors and info.json; weights are not part of the fixture, the tests
generate them from preset and seed. Pictures and feature maps are channels-last.
"""
from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import T5Config, T5EncoderModel

PROMPTS = ["a lighthouse in a storm, näive 海", "two red foxes asleep in fresh snow under a very old and very crooked pine"]


# --------------------------------------------------------------------------------------------
# the model
# --------------------------------------------------------------------------------------------
def byte_ids(text: str, length: int) -> torch.Tensor:
    data = text.encode()
    ids = [b + 3 for b in data[: length - 1]] + [1] if data else []
    return torch.tensor(ids + [0] * (length - len(ids)))


class Text:
    """T5 v1.1 as transformers has it; features of padding are zero."""

    def __init__(self, folder: Path):
        self.config = json.loads((folder / "config.json").read_text())
        names = ["vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_heads", "feed_forward_proj",
                 "relative_attention_num_buckets", "relative_attention_max_distance", "layer_norm_epsilon"]
        self.model = T5EncoderModel(T5Config(**{k: self.config[k] for k in names})).eval()
        missing, unexpected = self.model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
        assert not unexpected and set(missing) <= {"encoder.embed_tokens.weight"}, (missing, unexpected)
        shared, tokens = self.model.shared.weight, self.model.encoder.embed_tokens.weight
        assert torch.equal(shared, tokens)

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        mask = ids != 0
        states = self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        # A row that is padding alone comes out as NaN.
        return torch.where(mask[..., None], states, 0.0)


class Transformer:
    def __init__(self, folder: Path):
        self.c = json.loads((folder / "config.json").read_text())
        self.w = load_file(folder / "model.safetensors")

    def linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ self.w[f"{name}.weight"].T

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], self.w[f"{name}.weight"], None, self.c["epsilon"])

    def heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.c["heads"], -1)).transpose(1, 2)

    def keys_and_values(self, features: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Of every layer, [B, H, S, D]."""
        text = self.linear(features, "text")
        return [tuple(self.heads(self.linear(text, f"layers.{i}.cross_attention.{kind}")) for kind in ["key", "value"])
                for i in range(self.c["layers"])]

    def attend(self, x, query, key, value, name):
        scores = self.heads(query) @ key.transpose(-1, -2) / math.sqrt(self.c["hidden_size"] // self.c["heads"])
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        return x + self.linear(mixed, f"{name}.output")

    def __call__(self, grid: torch.Tensor, text: list) -> torch.Tensor:
        b, rows, columns = grid.shape
        x = self.w["tokens.weight"][grid] + self.w["positions.rows.weight"][:rows, None] \
            + self.w["positions.columns.weight"][:columns]
        x = x.flatten(1, 2)
        for i, (key, value) in enumerate(text):
            name = f"layers.{i}.self_attention"
            n = self.norm(x, f"{name}.norm")
            own = [self.heads(self.linear(n, f"{name}.{kind}")) for kind in ["key", "value"]]
            x = self.attend(x, self.linear(n, f"{name}.query"), *own, name)
            name = f"layers.{i}.cross_attention"
            x = self.attend(x, self.linear(self.norm(x, f"{name}.norm"), f"{name}.query"), key, value, name)
            name = f"layers.{i}.mlp"
            hidden = F.gelu(self.linear(self.norm(x, f"{name}.norm"), f"{name}.in"), approximate="tanh")
            x = x + self.linear(hidden, f"{name}.out")
        x = F.gelu(self.linear(self.norm(x, "head.norm"), "head.dense"), approximate="tanh")
        return self.linear(x, "head.logits").unflatten(1, (rows, columns))


class Pictures:
    """MaskGIT's tokenizer; [B, C, Y, X] inside."""

    def __init__(self, folder: Path):
        self.c = json.loads((folder / "config.json").read_text())
        self.w = load_file(folder / "model.safetensors")

    def conv(self, x, name, padding=1):
        return F.conv2d(x, self.w[f"{name}.weight"], self.w.get(f"{name}.bias"), padding=padding)

    def norm(self, x, name):
        return F.silu(F.group_norm(x, self.c["groups"], self.w[f"{name}.weight"], self.w[f"{name}.bias"], 1e-6))

    def block(self, x, name):
        h = self.conv(self.norm(x, f"{name}.norm1"), f"{name}.conv1")
        h = self.conv(self.norm(h, f"{name}.norm2"), f"{name}.conv2")
        if h.shape[1] == x.shape[1]:
            return x + h
        return self.conv(h, f"{name}.nin_shortcut", padding=0) + h

    def decode(self, ids):
        x = self.w["quantize.embedding.weight"][ids].permute(0, 3, 1, 2)
        x = self.conv(x, "decoder.conv_in")
        for i in range(2):
            x = self.block(x, f"decoder.mid.{i}")
        for level in reversed(range(len(self.c["channels"]))):
            for j in range(self.c["blocks"]):
                x = self.block(x, f"decoder.up.{level}.block.{j}")
            if level > 0:
                x = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"), f"decoder.up.{level}.upsample_conv")
        return self.conv(self.norm(x, "decoder.norm_out"), "decoder.conv_out").permute(0, 2, 3, 1)

    def encode(self, image):
        x = self.conv(image.permute(0, 3, 1, 2), "encoder.conv_in")
        for level in range(len(self.c["channels"])):
            for j in range(self.c["blocks"]):
                x = self.block(x, f"encoder.down.{level}.block.{j}")
            if level + 1 < len(self.c["channels"]):
                x = F.avg_pool2d(x, 2)
        for i in range(2):
            x = self.block(x, f"encoder.mid.{i}")
        z = self.conv(self.norm(x, "encoder.norm_out"), "encoder.conv_out", padding=0).permute(0, 2, 3, 1)
        distance = torch.cdist(z.flatten(0, 2).double(), self.w["quantize.embedding.weight"].double())
        return z, distance.argmin(-1).view(z.shape[:3])


# --------------------------------------------------------------------------------------------
# decoding
# --------------------------------------------------------------------------------------------
def decode(net: Transformer, pictures: Pictures, text, run: dict, generator: torch.Generator) -> tuple[dict, float]:
    """One picture by parallel decoding; also the smallest margin by which any choice was made."""
    side, codes, mask = net.c["grid"], net.c["codes"], net.c["codes"]
    count, steps = side * side, run["steps"]
    tape, margin = {}, math.inf
    tokens = torch.full((1, side, side), mask)
    temperatures = torch.linspace(run["temperature"], 0, steps)
    for i in range(steps):
        scale = run["guidance_scale"]
        if run["guidance_schedule"] == "linear":
            scale = 1 + (scale - 1) * i / (steps - 1)
        conditional = net(tokens, [(k[1:], v[1:]) for k, v in text])
        logits = conditional
        if scale > 1:
            logits = net(tokens, [(k[:1], v[:1]) for k, v in text])
            logits = logits + scale * (conditional - logits)
        q = torch.empty(count, codes).exponential_(generator=generator)
        u = torch.rand(1, side, side, generator=generator).clamp_min(1e-20)
        gumbel = -torch.log((-torch.log(u)).clamp_min(1e-20))
        scores = logits - torch.log(q).view(1, side, side, codes)
        best = scores.topk(2).values
        unknown = tokens == mask
        margin = min(margin, (best[..., 0] - best[..., 1])[unknown].min().item())
        chosen = scores.argmax(-1)
        sampled = torch.where(unknown, chosen, tokens)
        p = logits.softmax(-1).gather(-1, chosen[..., None])[..., 0]
        confidence = torch.log(p.clamp_min(1e-20)) + temperatures[i] * gumbel
        confidence = torch.where(unknown, confidence, torch.inf)
        tape |= {f"step{i}/exp_noise": q, f"step{i}/gumbel": gumbel, f"step{i}/logits": logits,
                 f"step{i}/sampled": sampled.int()}
        tokens = sampled
        if i + 1 < steps:
            # In single precision, as the schedule is defined: at two thirds of the steps the last bit decides.
            ratio = torch.cos(torch.tensor((i + 1) / steps, dtype=torch.float32) * math.pi / 2)
            wanted = int(torch.floor(count * ratio))
            hidden = max(1, min(int(unknown.sum()) - 1, wanted))
            order = confidence.flatten().sort().values
            margin = min(margin, (order[hidden] - order[hidden - 1]).item())
            tokens = torch.where(confidence < order[hidden], mask, sampled)
        tape[f"step{i}/tokens"] = tokens.int()
    image = pictures.decode(tokens)
    tape |= {"image": image, "pixels": (image.clamp(0, 1) * 255).round().to(torch.uint8)}
    return tape, margin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder that `tessera export` wrote, in f32")
    parser.add_argument("--preset", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    encoder, net = Text(args.model / "text_encoder"), Transformer(args.model / "transformer")
    pictures = Pictures(args.model / "vqgan")
    tape: dict[str, torch.Tensor] = {}

    length, side, codes = encoder.config["length"], net.c["grid"], net.c["codes"]
    ids = torch.stack([byte_ids(p, length) for p in PROMPTS + [""]])
    features = encoder(ids)
    tape |= {"text/ids": ids.int(), "text/features": features}
    everything = net.keys_and_values(features)
    for i, pair in enumerate(everything):
        for kind, value in zip(["key", "value"], pair):
            tape[f"text/layers.{i}.cross_attention.{kind}"] = value.transpose(1, 2)

    generator = torch.Generator().manual_seed(11)
    for name, (rows, columns) in {"full": (side, side), "part": (side - 3, side - 2)}.items():
        grid = torch.randint(0, codes + 1, (1, rows, columns), generator=generator)
        grid[:, 0] = codes
        tape[f"{name}/grid"] = grid.int()
        tape[f"{name}/logits"] = net(grid, [(k[:1], v[:1]) for k, v in everything])
    ids = torch.randint(0, codes, (1, side - 3, side - 2), generator=generator)
    tape |= {"vq/ids": ids.int(), "vq/image": pictures.decode(ids)}
    image = torch.rand(1, (side - 3) * 16, (side - 2) * 16, 3, generator=generator)
    latents, found = pictures.encode(image)
    tape |= {"vq/source": image, "vq/latents": latents, "vq/found": found.int()}

    runs = {
        "ramp": dict(prompt=PROMPTS[0], guidance_scale=4.0, guidance_schedule="linear", steps=6, temperature=4.5),
        "negative": dict(prompt=PROMPTS[1], negative_prompt=PROMPTS[0], guidance_scale=3.0,
                         guidance_schedule="constant", steps=3, temperature=2.0),
    }
    for name, run in runs.items():
        two = torch.stack([byte_ids(run.get("negative_prompt", ""), length), byte_ids(run["prompt"], length)])
        text = net.keys_and_values(encoder(two))
        tries = [decode(net, pictures, text, run, torch.Generator().manual_seed(seed)) for seed in range(24)]
        best, run["margin"] = max(tries, key=lambda result: result[1])
        tape |= {f"{name}/{key}": value for key, value in best.items()}
        print(f"{name}: smallest margin {run['margin']:.4f}")

    args.out.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in tape.items()}, args.out / "expected.safetensors")
    info = dict(preset=args.preset, seed=args.seed, prompts=PROMPTS, runs=runs, torch=torch.__version__)
    (args.out / "info.json").write_text(json.dumps(info, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
