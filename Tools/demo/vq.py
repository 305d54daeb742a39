"""Training of the picture tokenizer: a VQModel that turns 64 x 64 pixels into 16 x 16 codes and back.

The codebook follows the encoder by exponential moving averages; codes that fall out of use are revived from
the encoder's latest outputs. The loss weighs pixels near edges more, since most of a picture is flat.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import VQModel

from progress import Progress
from scenes import COLOURS, SIDE, draw, sample_scene

CODES = 256
FIRST_CODES = 1024
CHANNELS = 12


@dataclass(frozen=True)
class Stage:
    """A part of the training.

    `rate` is the highest learning rate, `grid` how many pixels apart the items' middles may lie, `codes` how much
    of the codebook is in use. With `settled`, a block of one palette colour always has that colour's one code. With
    `frozen`, encoder and codebook stay as they are and only the decoder learns.
    """

    steps: int
    rate: float
    grid: int
    crops: bool
    codes: int = FIRST_CODES
    settled: bool = False
    frozen: bool = False


STAGES = (
    Stage(steps=1100, rate=1.5e-3, grid=2, crops=False, codes=512),
    Stage(steps=1500, rate=1.2e-3, grid=4, crops=True),
    Stage(steps=700, rate=1e-3, grid=4, crops=True, codes=CODES, settled=True),
    Stage(steps=700, rate=8e-4, grid=4, crops=True, codes=CODES, settled=True, frozen=True),
)


def build(codes=CODES):
    """The untrained network in diffusers' own class."""
    return VQModel(
        block_out_channels=(32, 48, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=CHANNELS,
        num_vq_embeddings=codes,
        norm_num_groups=8,
        sample_size=SIDE,
        mid_block_add_attention=False,
        lookup_from_codebook=True,
        force_upcast=False,
    )


def pixels(scenes, device):
    """Pictures of scenes as float32 [n, 3, 64, 64] in [0, 1]."""
    stack = torch.from_numpy(np.stack([draw(scene) for scene in scenes])).to(device)
    return stack.permute(0, 3, 1, 2).float() / 255


class MovingCodebook:
    """Nearest-code look-up whose codes are moving averages of what was assigned to them.

    The first `WAIT` batches pass unquantized; then random outputs of the encoder become the codes.
    """

    WAIT = 30

    def __init__(self, weight, generator, decay=0.97):
        self.weight, self.generator, self.decay = weight, generator, decay
        self.used = len(weight)
        self.counts = torch.zeros(len(weight), device=weight.device)
        self.sums = torch.zeros_like(weight)
        self.step = 0
        self.frozen = self.settled = False
        self.astray = 0.0

    def begin(self, rows):
        """Takes rows as the codes in use."""
        self.used = len(rows)
        self.weight[: self.used] = rows
        self.sums[: self.used] = rows
        self.counts[: self.used] = 1.0
        self.step = self.WAIT + 1

    def quantize(self, rows, revive, colours=None):
        """Codes of rows with the rows' gradient, and the commitment loss; moves the averages.

        Where `colours` is not -1, it is the code.
        """
        self.step += 1
        if self.step <= self.WAIT:
            return rows, rows.new_zeros(())
        if self.step == self.WAIT + 1:
            chosen = torch.randperm(len(rows), generator=self.generator)[: self.used]
            self.begin(rows.detach()[chosen.to(rows.device)])
        indices = self.nearest(rows.detach())
        loose = torch.ones_like(indices, dtype=torch.bool)
        if colours is not None:
            loose = colours < 0
            self.astray = (indices != colours)[~loose].float().mean().item()
            if not self.frozen:
                indices = torch.where(loose, indices, colours)
        codes = self.weight[indices]
        commitment = F.mse_loss(rows, codes)
        if not self.frozen:
            if colours is not None:
                commitment = 4 * commitment + 4 * F.mse_loss(rows[~loose], codes[~loose])
            self._update(rows.detach()[loose], indices[loose], revive and self.step % 10 == 0)
        return rows + (codes - rows).detach(), commitment

    def nearest(self, rows):
        """Index of the nearest code in use of each row."""
        codes = self.weight[: self.used]
        return (rows @ codes.T - 0.5 * codes.square().sum(dim=1)).argmax(dim=1)

    def _update(self, rows, indices, revive):
        total = len(self.weight)
        counts = torch.bincount(indices, minlength=total).float()
        sums = torch.zeros_like(self.sums).index_add_(0, indices, rows)
        self.counts.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        alive = self.counts > 1e-3
        first = len(COLOURS) if self.settled else 0
        alive[:first] = False
        self.weight[alive] = self.sums[alive] / self.counts[alive, None]
        if not revive:
            return
        dead = first + torch.nonzero(self.counts[first : self.used] < 0.05)[:, 0]
        if len(dead):
            # Rows that are badly served are the ones that need a code of their own.
            error = (rows - self.weight[indices]).square().sum(dim=1).cpu() + 1e-8
            chosen = torch.multinomial(error, len(dead), generator=self.generator).to(rows.device)
            self.weight[dead] = rows[chosen]
            self.sums[dead] = rows[chosen]
            self.counts[dead] = 1.0


def train(device, seed, log, stages=STAGES):
    """Trains from nothing and returns the network with weights rounded to half precision (kept in float32)."""
    torch.manual_seed(seed)
    net = build(FIRST_CODES).to(device)
    generator = torch.Generator().manual_seed(seed)
    codebook = None
    for number, stage in enumerate(stages):
        if stage.settled and not stage.frozen:
            net, codebook = settle(net, stage, seed, generator)
        if stage.frozen:
            finish(net)
        codebook = run_stage(net, codebook, stage, (seed, number), generator, log, f"vq stage {number + 1}")
    return finish(net)


@torch.no_grad()
def settle(net, stage, seed, generator):
    """A network with a smaller codebook: one code for each flat colour, and the codes that edges used.

    Trained freely, nearly all codes describe flat blocks that differ in nothing but what is near them, and
    which of them stands where is noise to whoever must predict it.
    """
    device = net.device
    rng = np.random.default_rng(seed)
    count = len(COLOURS)
    total = torch.zeros((FIRST_CODES, count + 1))
    edges = []
    for _ in range(8):
        pictures = pixels([sample_scene(rng, step=stage.grid) for _ in range(48)], device)
        rows = net.encode(pictures).latents.permute(0, 2, 3, 1).reshape(-1, CHANNELS)
        indices = net.quantize(net.encode(pictures).latents)[2][2].flatten().cpu()
        colours = flat_colours(pictures).cpu()
        total.index_put_((indices, colours), torch.ones(len(indices)), accumulate=True)
        edges.append(rows[(colours < 0).to(device)])
    kept = total[:, :count].argmax(dim=0)
    flat, edge = total[:, :count].sum(dim=1), total[:, count]
    rest = torch.nonzero((edge > flat) & ~torch.isin(torch.arange(FIRST_CODES), kept))[:, 0]
    rest = rest[edge[rest].argsort(descending=True)][: stage.codes - count]
    old = net.quantize.embedding.weight.data
    edges = torch.cat(edges)
    filler = edges[torch.randperm(len(edges), generator=generator)[: stage.codes - count - len(rest)].to(device)]
    codes = torch.cat([old[kept.to(device)], old[rest.to(device)], filler])
    state = net.state_dict() | {"quantize.embedding.weight": codes}
    settled = build(stage.codes).to(device)
    settled.load_state_dict(state)
    codebook = MovingCodebook(settled.quantize.embedding.weight.data, generator)
    codebook.begin(codes)
    return settled, codebook


def flat_colours(pictures):
    """For each 4 x 4 block of pictures the palette index of its one colour, or -1: int64 [n * blocks]."""
    high, low = F.max_pool2d(pictures, 4), -F.max_pool2d(-pictures, 4)
    palette = torch.tensor(list(COLOURS.values()), device=pictures.device) / 255
    distance = (high.permute(0, 2, 3, 1)[..., None, :] - palette).abs().amax(dim=-1)
    nearest = distance.min(dim=-1)
    flat = ((high - low).amax(dim=1) < 1e-3) & (nearest.values < 1e-3)
    return torch.where(flat, nearest.indices, -1).flatten()


def finish(net):
    """The network as it is shipped: weights rounded to half precision."""
    net.half().float()
    return net.eval()


def run_stage(net, codebook, stage, seed, generator, log, name):
    """Trains for one stage in place; returns the codebook with its averages."""
    rng = np.random.default_rng(seed)
    weight = net.quantize.embedding.weight.data
    codebook = codebook or MovingCodebook(weight, generator)
    codebook.used = stage.codes
    codebook.frozen, codebook.settled = stage.frozen, stage.settled
    kept = ("quantize", "encoder", "quant_conv") if stage.frozen else ("quantize",)
    parameters = [p for key, p in net.named_parameters() if not key.startswith(kept)]
    optimizer = torch.optim.AdamW(parameters, lr=stage.rate, betas=(0.9, 0.98), weight_decay=1e-4)
    progress = Progress(name, stage.steps, log, every=50)
    for step in range(stage.steps):
        for group in optimizer.param_groups:
            group["lr"] = stage.rate * min(1, (step + 1) / 50) * (0.02 + 0.98 * _cosine(step / stage.steps))
        pictures = _batch(rng, stage, step, weight.device)
        decoded, commitment = _reconstruct(net, codebook, pictures, revive=step < 0.7 * stage.steps)
        loss = _pixel_loss(decoded, pictures) + 0.25 * commitment
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if progress.due(step):
            error = (decoded - pictures).abs().mean().item() * 255
            worst = (decoded - pictures).abs().amax(dim=(1, 2, 3)).mean().item() * 255
            progress.line(
                step,
                f"loss {loss.item():.4f} mean error {error:.2f}/255 worst {worst:.0f}/255"
                f" codes in use {int((codebook.counts > 0.05).sum())} flat astray {100 * codebook.astray:.1f} %",
            )
    return codebook


def _batch(rng, stage, step, device):
    """Whole pictures, or three times out of four quarter-size windows about an item: there the edges are."""
    if not stage.crops or step % 4 == 3:
        return pixels([sample_scene(rng, step=stage.grid) for _ in range(32 if not stage.crops else 24)], device)
    windows = []
    for _ in range(48):
        scene = sample_scene(rng, step=stage.grid)
        item = scene.items[rng.integers(len(scene.items))]
        left, top = (
            int(np.clip((middle - 16 + rng.integers(-12, 13)) // 4 * 4, 0, SIDE // 2)) for middle in (item.x, item.y)
        )
        windows.append(draw(scene)[top : top + SIDE // 2, left : left + SIDE // 2])
    return torch.from_numpy(np.stack(windows)).to(device).permute(0, 3, 1, 2).float() / 255


def _reconstruct(net, codebook, pictures, revive):
    """The decoded pictures, straight through the codebook, and the commitment loss."""
    coarse = not codebook.frozen
    with torch.autocast(pictures.device.type, dtype=torch.bfloat16, enabled=coarse), torch.set_grad_enabled(coarse):
        latents = net.quant_conv(net.encoder(pictures)).float()
    rows = latents.permute(0, 2, 3, 1).reshape(-1, CHANNELS)
    colours = flat_colours(pictures) if codebook.settled else None
    codes, commitment = codebook.quantize(rows, revive, colours)
    side = latents.shape[-1]
    quantized = codes.reshape(len(pictures), side, side, CHANNELS).permute(0, 3, 1, 2)
    with torch.autocast(pictures.device.type, dtype=torch.bfloat16):
        decoded = net.decoder(net.post_quant_conv(quantized)).float()
    return decoded, commitment


@torch.no_grad()
def tokens_of(net, pictures):
    """Codes of pictures [n, 3, 64, 64]: int64 [n, 16, 16], by diffusers' own encoder and quantizer."""
    latents = net.encode(pictures).latents
    return net.quantize(latents)[2][2].reshape(len(pictures), SIDE // 4, SIDE // 4)


@torch.no_grad()
def pictures_of(net, tokens):
    """uint8 [n, 64, 64, 3] of codes [n, 16, 16]."""
    shape = (len(tokens), SIDE // 4, SIDE // 4, CHANNELS)
    sample = net.decode(tokens, force_not_quantize=True, shape=shape).sample.clip(0, 1)
    return (sample.permute(0, 2, 3, 1) * 255).round().byte().cpu().numpy()


def _cosine(part):
    return 0.5 * (1 + math.cos(math.pi * part))


def _pixel_loss(decoded, pictures):
    difference = decoded - pictures
    spread = F.max_pool2d(pictures, 5, 1, 2) + F.max_pool2d(-pictures, 5, 1, 2)
    weight = 1 + 6 * spread.amax(dim=1, keepdim=True)
    return (weight * (difference.abs() + 2 * difference.square())).mean()
