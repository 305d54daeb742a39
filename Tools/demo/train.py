"""Retrains the demo checkpoint from nothing: tokenizer, VQ, then text encoder and transformer.

    python Tools/demo/train.py --out Models/shapes

Everything is seeded. What is finished is kept in the work folder, so that a stopped run goes on where it was.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch  # noqa: E402

import export  # noqa: E402
import tokenizer  # noqa: E402
import transformer  # noqa: E402
import vq  # noqa: E402
from progress import Log  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--work", type=Path, default=Path("demo-work"), help="folder for what is kept on the way")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=transformer.STEPS, help="steps of the transformer's training")
    arguments = parser.parse_args()
    work = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    log = Log(work / "log.txt")
    begin = time.monotonic()
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    if not (work / "tokenizer").exists():
        words = tokenizer.train(work / "tokenizer", arguments.seed)
        log(f"tokenizer: {len(words)} entries")
    if not (work / "vqvae").exists():
        torch.set_num_threads(2)
        net = vq.train(device, arguments.seed, log)
        net.cpu().save_pretrained(str(work / "vqvae"))
    transformer.train(work, arguments.seed, arguments.steps, work / "log.txt")
    size = export.export(work, arguments.out)
    log(f"{arguments.out}: {size / 1e6:.1f} MB after {(time.monotonic() - begin) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
