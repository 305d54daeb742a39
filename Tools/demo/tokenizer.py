"""The text vocabulary: byte-level byte-pair encoding trained on captions, in CLIPTokenizer's files."""

import json
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from captions import sample_caption
from scenes import sample_scene

LENGTH = 32
MERGES = 220
START, END = "<|startoftext|>", "<|endoftext|>"
_WORDS = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
_SUFFIX = "</w>"


def train(folder, seed, captions=20_000):
    """Trains on sampled captions, writes the folder and returns the tokenizer read back from it."""
    rng = np.random.default_rng(seed)
    texts = [sample_caption(rng, sample_scene(rng)) for _ in range(captions)]
    merges = _learn_merges(texts)
    alphabet = _byte_alphabet()
    entries = alphabet + [letter + _SUFFIX for letter in alphabet]
    entries += ["".join(pair) for pair in merges] + [START, END]
    vocabulary = {entry: index for index, entry in enumerate(entries)}
    assert len(vocabulary) == len(entries), "every entry of the vocabulary is unique"
    _write(Path(folder), vocabulary, merges)
    return CLIPTokenizer.from_pretrained(str(folder))


def encode(tokenizer, texts):
    """Token ids as AmusedPipeline makes them: int64 [n, 32]."""
    return tokenizer(
        texts,
        return_tensors="pt",
        padding="max_length",
        truncation=True,
        max_length=tokenizer.model_max_length,
    ).input_ids


def _learn_merges(texts):
    bpe = Tokenizer(models.BPE(end_of_word_suffix=_SUFFIX))
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=512 + MERGES,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix=_SUFFIX,
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    merges = json.loads(bpe.to_str())["model"]["merges"]
    return [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in merges]


def _byte_alphabet():
    """The printable stand-ins of the 256 byte values, in CLIP's order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(0x100 + index) for index in range(len(others))]


def _write(folder, vocabulary, merges):
    folder.mkdir(parents=True, exist_ok=True)
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LENGTH, **special)
    tokenizer.save_pretrained(str(folder))
    settings = {
        "add_prefix_space": False,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": LENGTH,
        "tokenizer_class": "CLIPTokenizer",
        **special,
    }
    _dump(folder / "tokenizer_config.json", settings)
    _dump(folder / "special_tokens_map.json", special)
    _dump(folder / "vocab.json", vocabulary, indent=None)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _dump(path, value, indent=1):
    path.write_text(json.dumps(value, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")
