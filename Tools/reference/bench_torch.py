"""Times PyTorch on what Tessera's benchmarks run, for scripts/bench-peers: one JSON document on standard output.

    python bench_torch.py stack --layers 6 --threads 2            the block stack, one process
    python bench_torch.py stack --layers 6 --processes 2          tensor-parallel over gloo, one thread each
    python bench_torch.py allreduce --payload 8192 2097152        gloo, two processes
    python bench_torch.py amused --threads 2                      aMUSEd-256 with diffusers, random weights

The stack is Muse's base transformer ("Muse: Text-To-Image Generation via Masked Generative Transformers", table 4) with
the choices of Tessera's preset muse-3b: a layer norm with a scale before self-attention, before attention to the text
and before a plain MLP with GELU by tanh; no biases; heads of 64. Rows are both halves of guidance of one picture. Keys
and values of the text are computed once per request and so not timed. Times are the shortest of several runs.
"""
from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F


class Block(torch.nn.Module):
    """One layer, or one of `parts` equal shares of it: heads and MLP columns are split."""

    def __init__(self, width: int, mlp: int, head: int, parts: int, dtype: torch.dtype):
        super().__init__()
        heads = width // head // parts
        assert heads * head * parts == width and mlp % parts == 0, "heads and MLP split evenly"
        inner, hidden = heads * head, mlp // parts
        self.heads, self.head = heads, head

        def weight(rows: int, columns: int) -> torch.nn.Parameter:
            return torch.nn.Parameter((torch.randn(rows, columns) / columns**0.5).to(dtype), requires_grad=False)

        self.qkv, self.out = weight(3 * inner, width), weight(width, inner)
        self.q, self.text_out = weight(inner, width), weight(width, inner)
        self.up, self.down = weight(hidden, width), weight(width, hidden)
        self.norms = torch.nn.ParameterList(
            torch.nn.Parameter(torch.ones(width, dtype=dtype), requires_grad=False) for _ in range(3))

    def forward(self, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, reduce) -> torch.Tensor:
        batch, rows, width = x.shape
        q, k, v = F.linear(self.norm(x, 0), self.qkv).view(batch, rows, 3, self.heads, self.head).permute(
            2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, rows, -1)
        x = x + reduce(F.linear(attended, self.out))
        q = F.linear(self.norm(x, 1), self.q).view(batch, rows, self.heads, self.head).transpose(1, 2)
        attended = F.scaled_dot_product_attention(q, keys, values).transpose(1, 2).reshape(batch, rows, -1)
        x = x + reduce(F.linear(attended, self.text_out))
        hidden = F.gelu(F.linear(self.norm(x, 2), self.up), approximate="tanh")
        return x + reduce(F.linear(hidden, self.down))

    def norm(self, x: torch.Tensor, index: int) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], self.norms[index])


def best(runs: int, body, synchronise=lambda: None) -> dict:
    """Seconds of the runs after one that counts for nothing."""
    seconds = []
    for index in range(runs + 1):
        synchronise()
        begin = time.perf_counter()
        body()
        if index:
            seconds.append(time.perf_counter() - begin)
    seconds.sort()
    return {"runs": runs, "best": seconds[0], "median": seconds[len(seconds) // 2], "worst": seconds[-1]}


def scaled(seconds: dict, count: int) -> dict:
    return {key: value if key == "runs" else value / count for key, value in seconds.items()}


def stack(args: argparse.Namespace, rank: int) -> dict:
    """Seconds of one layer."""
    torch.manual_seed(rank)
    dtype = getattr(torch, args.dtype)
    parts = args.processes
    blocks = [Block(args.width, args.mlp, args.head, parts, dtype) for _ in range(args.layers)]
    x = torch.randn(2, args.tokens, args.width).to(dtype)
    shape = (2, args.width // args.head // parts, args.text, args.head)
    keys, values = torch.randn(shape).to(dtype), torch.randn(shape).to(dtype)

    def reduce(partial: torch.Tensor) -> torch.Tensor:
        if parts > 1:
            dist.all_reduce(partial)
        return partial

    def run() -> None:
        y = x
        for block in blocks:
            y = block(y, keys, values, reduce)

    return scaled(best(args.runs, run, dist.barrier if parts > 1 else lambda: None), args.layers)


def allreduce(args: argparse.Namespace, rank: int) -> dict:
    """Seconds by payload, f32 and bf16."""
    result: dict = {}
    for name in ("float32", "bfloat16"):
        dtype = getattr(torch, name)
        for payload in args.payload:
            value = torch.zeros(payload // dtype.itemsize, dtype=dtype)
            runs = 200 if payload <= 1 << 16 else 40
            result.setdefault(name, {})[str(payload)] = best(runs, lambda: dist.all_reduce(value), dist.barrier)
    return result


def amused(args: argparse.Namespace, rank: int) -> dict:
    """Seconds of a guided step of the transformer, and of the pixel decoder, of one picture."""
    from diffusers import UVit2DModel, VQModel

    dtype = getattr(torch, args.dtype)
    # The rest is as published: the class's own defaults.
    transformer = UVit2DModel(cond_embed_dim=768, encoder_hidden_size=768, sample_size=16).to(dtype).eval()
    tokenizer = VQModel(
        in_channels=3, out_channels=3, act_fn="silu", sample_size=32, lookup_from_codebook=True,
        mid_block_add_attention=False, block_out_channels=[128, 256, 256, 512, 768], latent_channels=64,
        layers_per_block=2, norm_num_groups=32, num_vq_embeddings=8192, down_block_types=["DownEncoderBlock2D"] * 5,
        up_block_types=["UpDecoderBlock2D"] * 5).to(dtype).eval()
    ids = torch.full((2, 16, 16), 8255)
    text, pooled = torch.randn(2, 77, 768).to(dtype), torch.randn(2, 768).to(dtype)
    micro = torch.tensor([[256, 256, 0, 0, 6.0]] * 2)
    codes = torch.randint(0, 8192, (1, 16, 16))

    def step() -> None:
        unconditional, conditional = transformer(
            ids, micro_conds=micro, pooled_text_emb=pooled, encoder_hidden_states=text).chunk(2)
        logits = unconditional + 10 * (conditional - unconditional)
        logits.permute(0, 2, 3, 1).reshape(256, -1).float().softmax(-1).multinomial(1)

    def decode() -> None:
        tokenizer.decode(codes, force_not_quantize=True, shape=(1, 16, 16, 64))

    return {"step": best(args.runs, step), "decode": best(args.runs, decode)}


def worker(rank: int, args: argparse.Namespace, port: int, queue) -> None:
    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    if args.processes > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        dist.init_process_group("gloo", rank=rank, world_size=args.processes)
    result = {"stack": stack, "allreduce": allreduce, "amused": amused}[args.what](args, rank)
    if args.processes > 1:
        dist.destroy_process_group()
    queue.put((rank, result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["stack", "allreduce", "amused"])
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--mlp", type=int, default=8192)
    parser.add_argument("--head", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--text", type=int, default=128)
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--payload", type=int, nargs="+", default=[8192, 2 << 20])
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    if args.what == "allreduce":
        args.processes = max(2, args.processes)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = mp.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=worker, args=(rank, args, port, queue)) for rank in range(args.processes)]
    for process in processes:
        process.start()
    results = dict(queue.get(timeout=3600) for _ in processes)
    for process in processes:
        process.join()
    json.dump(
        {"what": args.what, "torch": torch.__version__, "dtype": args.dtype, "processes": args.processes,
         "threads": args.threads, "layers": args.layers, "result": results[0]}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
