"""Training of text encoder and transformer together: predict masked codes from the rest and the caption.

On a CPU two single-threaded workers train on halves of each batch and average their gradients, which keeps two
cores busier than threads inside small operations do. With an accelerator one worker takes the whole batch.
"""

import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from transformers import CLIPTokenizer

import model
import tokenizer as vocabulary
from captions import sample_caption
from codes import codes_of
from progress import Log, Progress
from scenes import COLOURS, sample_scene

BATCH = 128
STEPS = 4500
WARM_UP = 80
MATRIX_RATE = 4e-3
OTHER_RATE = 2e-3
EMPTY_PROMPT = 0.1
ITEM_WEIGHT = 3.0
AVERAGE_DECAY = 0.995
SAVE_SECONDS = 240


def train(work, seed, steps=STEPS, log_path=None):
    """Trains in as many workers as the machine calls for; `work` holds tokenizer/, and gets average.pt."""
    workers = 1 if torch.accelerator.is_available() else 2
    port = 20_000 + os.getpid() % 20_000
    arguments = (workers, port, str(work), seed, steps, log_path)
    torch.multiprocessing.spawn(_worker, arguments, nprocs=workers)


class Source:
    """An endless row of new scenes with captions."""

    def __init__(self, tokenizer, device, seed):
        self._tokenizer, self._device = tokenizer, device
        self._rng = np.random.default_rng(seed)

    def batch(self, count):
        """Codes and their weights [n, 16, 16], and token ids [n, 32].

        Codes that show a part of an item weigh more: most of a picture is background.
        """
        scenes = [sample_scene(self._rng) for _ in range(count)]
        texts = ["" if self._rng.random() < EMPTY_PROMPT else sample_caption(self._rng, scene) for scene in scenes]
        codes = torch.from_numpy(np.stack([codes_of(scene) for scene in scenes])).long()
        grounds = torch.tensor([list(COLOURS).index(scene.background) for scene in scenes])
        weights = torch.where(codes == grounds[:, None, None], 1.0, ITEM_WEIGHT)
        texts = vocabulary.encode(self._tokenizer, texts)
        return codes.to(self._device), weights.to(self._device), texts.to(self._device)


class Flat:
    """Parameters and gradients of one owner as two long vectors, so that exchange is one call each."""

    def __init__(self, parameters):
        total = sum(p.numel() for p in parameters)
        self.values = torch.empty(total, device=parameters[0].device)
        self.gradients = torch.zeros_like(self.values)
        start = 0
        for p in parameters:
            part = slice(start, start + p.numel())
            self.values[part].copy_(p.data.flatten())
            p.data = self.values[part].view_as(p)
            p.grad = self.gradients[part].view_as(p)
            start += p.numel()
        self.average = self.values.clone()


def mask(codes, generator):
    """Masks a share cos(pi u / 2), u uniform, of each grid; returns the grid and where it is masked."""
    count = codes[0].numel()
    share = torch.cos(torch.rand(len(codes), generator=generator) * math.pi / 2)
    hidden = (share * count).round().clamp(min=1)
    ranks = torch.rand((len(codes), count), generator=generator).argsort(dim=1).argsort(dim=1)
    masked = (ranks < hidden[:, None]).view(codes.shape).to(codes.device)
    return torch.where(masked, model.MASK, codes), masked


def load_average(work):
    """The two networks with averaged weights of the latest checkpoint."""
    tokenizer = CLIPTokenizer.from_pretrained(str(Path(work) / "tokenizer"))
    painter = model.Painter(model.text_encoder(tokenizer), model.transformer())
    state = torch.load(Path(work) / "average.pt", weights_only=True)
    painter.load_state_dict(state)
    return painter.eval()


def _worker(rank, workers, port, work, seed, steps, log_path):
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    if device.type == "cpu":
        torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=workers)
    work = Path(work)
    log = Log(log_path) if rank == 0 else (lambda text: None)
    torch.manual_seed(seed)
    tokenizer = CLIPTokenizer.from_pretrained(str(work / "tokenizer"))
    painter = model.Painter(model.text_encoder(tokenizer), model.transformer())
    _initialise(painter)
    painter.to(device)
    owners = _owners(painter, workers)
    flats = [Flat([p for _, p in owner]) for owner in owners]
    optimizers = _optimizers(owners[rank])
    first = _resume(work, rank, flats, optimizers, log)
    source = Source(tokenizer, device, (seed, rank, first))
    generator = torch.Generator().manual_seed(seed * 1000 + rank + 17 * first)
    if rank == 0:
        sizes = [sum(p.numel() for p in part.parameters()) / 1e6 for part in (painter.encoder, painter.painter)]
        log(f"painter: text encoder {sizes[0]:.2f} M and transformer {sizes[1]:.2f} M parameters, {workers} workers")
    progress = Progress("painter", steps, log, every=25, done=first)
    saved = time.monotonic()
    for step in range(first, steps):
        losses = _step(painter, source, generator, flats, workers, device, rank, optimizers, _rate(step, steps))
        decay = min(AVERAGE_DECAY, (step + 1) / (step + 10))
        for flat in flats:
            flat.average.lerp_(flat.values, 1 - decay)
        if progress.due(step):
            progress.line(step, f"loss {losses[0]:.3f} ({losses[1]:.3f} where most is masked, {losses[2]:.3f} of items)")
        due = torch.tensor([float(time.monotonic() - saved > SAVE_SECONDS or step + 1 == steps)])
        dist.broadcast(due, src=0)
        if due.item():
            saved = time.monotonic()
            _save(work, rank, step + 1, painter, flats, optimizers)
    dist.barrier()
    dist.destroy_process_group()


def _step(painter, source, generator, flats, workers, device, rank, optimizers, rate):
    codes, weights, texts = source.batch(BATCH // workers)
    grid, masked = mask(codes, generator)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        logits = painter.logits_where(grid, texts, masked)
    wrong = F.cross_entropy(logits.float(), codes[masked], reduction="none")
    # Every worker's batch masks about the same number of codes; the constant keeps their gradients comparable.
    loss = (wrong * weights[masked]).sum() / (masked.numel() * 2 / math.pi)
    for flat in flats:
        flat.gradients.zero_()
    loss.backward()
    for flat in flats:
        if workers > 1:
            dist.all_reduce(flat.gradients)
            flat.gradients /= workers
    norm = torch.sqrt(sum(flat.gradients.square().sum() for flat in flats))
    scale = (1.0 / (norm + 1e-6)).clamp(max=1.0)
    for flat in flats:
        flat.gradients *= scale
    for optimizer, peak in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = peak * rate
        optimizer.step()
    if workers > 1:
        for owner, flat in enumerate(flats):
            dist.broadcast(flat.values, src=owner)
    heavy = masked.flatten(1).float().mean(1) > 0.85
    hard = wrong[heavy[:, None, None].expand_as(masked)[masked]].mean()
    return wrong.mean().item(), hard.item(), wrong[weights[masked] > 1].mean().item()


def _initialise(painter):
    """Starts from small matrices, and from branches that add nothing to the residual stream."""
    for name, p in painter.painter.named_parameters():
        if p.ndim >= 2:
            fan = p[0].numel()
            torch.nn.init.normal_(p, std=0.5 / math.sqrt(fan))
        if name.endswith(("to_out.0.weight", "ff.net.2.weight", "channelwise_linear_2.weight")):
            torch.nn.init.zeros_(p)
        if "cond_embeds_mapper" in name or (".norm" in name and name.endswith("linear.weight")):
            torch.nn.init.normal_(p, std=0.02)
    torch.nn.init.normal_(painter.painter.embed.embeddings.weight, std=1.0)
    for parameter in (painter.encoder.text_model.embeddings, painter.encoder.text_projection):
        for p in parameter.parameters():
            torch.nn.init.normal_(p, std=0.05)
    for block in painter.painter.modules():
        if type(block).__name__ == "ConvNextBlock":
            torch.nn.init.normal_(block.depthwise.weight, std=0.2)


def _owners(painter, workers):
    """Parameters dealt to workers: each runs the optimizer on its own and hands out the result."""
    named = sorted(painter.named_parameters(), key=lambda pair: -pair[1].numel())
    owners, loads = [[] for _ in range(workers)], [0] * workers
    for name, p in named:
        least = loads.index(min(loads))
        owners[least].append((name, p))
        loads[least] += p.numel()
    return owners


def _optimizers(named):
    """Orthogonalised momentum for inner matrices, AdamW for embeddings, convolutions, norms and the last layer."""
    matrices = [p for name, p in named if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in named if not (p.ndim == 2 and "embed" not in name)]
    muon = torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(others, lr=OTHER_RATE, betas=(0.9, 0.97), weight_decay=0.0, foreach=True)
    return [(muon, MATRIX_RATE), (adamw, OTHER_RATE)]


def _rate(step, steps):
    """Warm-up, a plateau, and a fall to nothing over the last 40 %."""
    fall = min(1.0, (steps - step) / (0.4 * steps))
    return min(1.0, (step + 1) / WARM_UP) * (0.01 + 0.99 * fall)


def _save(work, rank, step, painter, flats, optimizers):
    state = {
        "step": step,
        "values": [flat.values for flat in flats],
        "averages": [flat.average for flat in flats],
        "optimizers": [optimizer.state_dict() for optimizer, _ in optimizers],
    }
    _write(state, work / f"resume-{rank}.pt")
    if rank == 0:
        kept = [flat.values.clone() for flat in flats]
        for flat in flats:
            flat.values.copy_(flat.average)
        _write(painter.state_dict(), work / "average.pt")
        for flat, values in zip(flats, kept):
            flat.values.copy_(values)


def _write(state, path):
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def _resume(work, rank, flats, optimizers, log):
    path = work / f"resume-{rank}.pt"
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    for flat, values, average in zip(flats, state["values"], state["averages"]):
        flat.values.copy_(values)
        flat.average.copy_(average)
    for (optimizer, _), kept in zip(optimizers, state["optimizers"]):
        optimizer.load_state_dict(kept)
    log(f"painter: resuming after step {state['step']}")
    return state["step"]
