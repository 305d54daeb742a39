"""Training of the picture tokenizer: a VQModel that turns 64 x 64 pixels into 16 x 16 codes and back.

The codes and their vectors are given (see `codes.py`), so nothing has to be discovered: the encoder learns to put out the
vector of each block's code, and the decoder to draw the picture from the codes. Pixels near edges weigh more,
since most of a picture is flat.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import VQModel

from codes import BLOCK, CHANNELS, COUNT, GRID, codebook, codes_of
from progress import Progress
from scenes import COLOURS, SIDE, draw, sample_scene

STEPS = 3000
BATCH = 32
RATE = 1.5e-3
_FLAT_CODES = len(COLOURS)


def build():
    """The untrained network in diffusers' own class, with its codebook."""
    net = VQModel(
        block_out_channels=(32, 48, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=CHANNELS,
        num_vq_embeddings=COUNT,
        norm_num_groups=8,
        sample_size=SIDE,
        mid_block_add_attention=False,
        lookup_from_codebook=True,
        force_upcast=False,
    )
    net.quantize.embedding.weight.data.copy_(torch.from_numpy(codebook()))
    return net


def pixels(scenes, device):
    """Pictures of scenes as float32 [n, 3, 64, 64] in [0, 1]."""
    stack = torch.from_numpy(np.stack([draw(scene) for scene in scenes])).to(device)
    return stack.permute(0, 3, 1, 2).float() / 255


def train(device, seed, log, steps=STEPS, net=None):
    """Trains and returns the network with weights rounded to half precision (kept in float32)."""
    torch.manual_seed(seed)
    rng = np.random.default_rng((seed, 1))
    net = (net or build()).to(device)
    parameters = [p for name, p in net.named_parameters() if not name.startswith("quantize")]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.98), weight_decay=1e-4)
    progress = Progress("vq", steps, log, every=50)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 50) * (0.01 + 0.99 * _cosine(step / steps))
        pictures, codes = _batch(rng, whole=step % 4 == 3, device=device)
        vectors = net.quantize.embedding.weight.detach()[codes].permute(0, 3, 1, 2)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            latents = net.quant_conv(net.encoder(pictures)).float()
            decoded = net.decoder(net.post_quant_conv(vectors)).float()
        loss = _pixel_loss(decoded, pictures) + _code_loss(latents, codes, net.quantize.embedding.weight.detach())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if progress.due(step):
            progress.line(step, f"loss {loss.item():.4f} {_quality(net, latents, codes, decoded, pictures)}")
    net.half().float()
    return net.eval()


@torch.no_grad()
def tokens_of(net, pictures):
    """Codes of pictures [n, 3, 64, 64]: int64 [n, 16, 16], by diffusers' own encoder and quantizer."""
    latents = net.encode(pictures).latents
    return net.quantize(latents)[2][2].reshape(len(pictures), GRID, GRID)


@torch.no_grad()
def pictures_of(net, tokens):
    """uint8 [n, 64, 64, 3] of codes [n, 16, 16]."""
    shape = (len(tokens), GRID, GRID, CHANNELS)
    sample = net.decode(tokens, force_not_quantize=True, shape=shape).sample.clip(0, 1)
    return (sample.permute(0, 2, 3, 1) * 255).round().byte().cpu().numpy()


def _batch(rng, whole, device):
    """Pictures and codes; whole ones, or quarter-size windows about an item: there the edges are."""
    pictures, codes = [], []
    for _ in range(BATCH if not whole else BATCH * 3 // 4):
        scene = sample_scene(rng)
        picture, grid = draw(scene), codes_of(scene)
        if not whole:
            item = scene.items[rng.integers(len(scene.items))]
            left, top = (
                int(np.clip((middle - SIDE // 4 + rng.integers(-12, 13)) // BLOCK, 0, GRID // 2))
                for middle in (item.x, item.y)
            )
            grid = grid[top : top + GRID // 2, left : left + GRID // 2]
            top, left = top * BLOCK, left * BLOCK
            picture = picture[top : top + SIDE // 2, left : left + SIDE // 2]
        pictures.append(picture)
        codes.append(grid)
    pictures = torch.from_numpy(np.stack(pictures)).to(device).permute(0, 3, 1, 2).float() / 255
    return pictures, torch.from_numpy(np.stack(codes)).long().to(device)


def _pixel_loss(decoded, pictures):
    difference = decoded - pictures
    spread = F.max_pool2d(pictures, 5, 1, 2) + F.max_pool2d(-pictures, 5, 1, 2)
    weight = 1 + 6 * spread.amax(dim=1, keepdim=True)
    return (weight * (difference.abs() + 2 * difference.square())).mean()


def _code_loss(latents, codes, book):
    """Squared distance to the code's vector, and how much likelier than the others it is by distance.

    The second part is the cross-entropy of the softmax of negative squared distances: it acts where two codes
    are near each other, as the first does not. Blocks with edges weigh ten times as much.
    """
    weight = torch.where(codes >= _FLAT_CODES, 10.0, 1.0).flatten()
    rows = latents.permute(0, 2, 3, 1).flatten(0, 2)
    squares = rows.square().sum(1, keepdim=True) - 2 * rows @ book.T + book.square().sum(1)
    wrong = F.cross_entropy(-squares, codes.flatten(), reduction="none")
    distance = (rows - book[codes.flatten()]).square().mean(1)
    return (weight * (0.3 * distance + 0.05 * wrong)).mean()


@torch.no_grad()
def _quality(net, latents, codes, decoded, pictures):
    found = net.quantize(latents)[2][2].reshape(codes.shape)
    edge = codes >= _FLAT_CODES
    error = (decoded - pictures).abs() * 255
    return (
        f"mean error {error.mean():.2f}/255 worst {error.amax(dim=(1, 2, 3)).mean():.0f}/255, right codes: "
        f"flat {100 * (found == codes)[~edge].float().mean():.2f} % edge {100 * (found == codes)[edge].float().mean():.1f} %"
    )


def _cosine(part):
    return 0.5 * (1 + math.cos(math.pi * part))
