"""A real language model server: llama.cpp with a tiny model of random weights.

Its text is nonsense, but its tokens are counted by a tokenizer, its schemas constrain by a
grammar, its context can overflow and its generation can be cancelled: everything else is true.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import free_port, running, unavailable

MODEL = "tiny"
_CHILD = Path(__file__).with_name("llama_child.py")
_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """A running server. `url` is what goes into `base_url`."""

    root: str

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    def generated_tokens(self) -> int:
        """Return how many tokens have been generated since the server started."""
        with urllib.request.urlopen(f"{self.root}/metrics", timeout=5) as answer:
            name = "llamacpp:tokens_predicted_total "
            lines = answer.read().decode().splitlines()
            return next(int(line.removeprefix(name)) for line in lines if line.startswith(name))

    def busy_slots(self) -> int:
        """Return how many generations are going on now."""
        with urllib.request.urlopen(f"{self.root}/slots", timeout=5) as answer:
            return sum(bool(slot["is_processing"]) for slot in json.load(answer))


@contextmanager
def llama_server(folder: Path) -> Iterator[LlamaServer]:
    """Serve the tiny model, written to `folder`, until the end of the block."""
    try:
        import gguf
        import numpy as np
        import xllamacpp
    except ImportError as error:
        unavailable(f"{error} (install the dependency group 'services')")
    del gguf, np, xllamacpp
    model, port = folder / "tiny.gguf", free_port()
    write_tiny_model(model)
    root = f"http://127.0.0.1:{port}"
    command = [sys.executable, str(_CHILD), str(model), str(port)]
    with running(command, health=f"{root}/health", log=folder / "llama.log"):
        yield LlamaServer(root)


def write_tiny_model(path: Path) -> None:
    """Write a llama of two layers and about 270 tokens with seeded random weights: 0.5 MB."""
    import gguf

    writer = gguf.GGUFWriter(str(path), "llama")
    size = _write_tokenizer(writer)
    _write_shape(writer, size)
    _write_weights(writer, size)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


_WIDTH, _LAYERS, _HEADS, _INNER, _CONTEXT = 64, 2, 4, 128, 4096


def _write_tokenizer(writer) -> int:
    # Byte-level BPE: with a SentencePiece-style byte vocabulary the grammars cannot start.
    tokens, merges = [_byte_symbol(byte) for byte in range(256)], []
    for left, right in (
        "th",
        ("th", "e"),
        "in",
        ("in", "g"),
        "Ġa",
        ("Ġ", "the"),
        "is",
        ("Ġ", "is"),
    ):
        if left + right not in tokens:
            merges.append(f"{left} {right}")
            tokens.append(left + right)
    base = len(tokens)
    tokens += ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * base + [3] * 3)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(base)
    writer.add_eos_token_id(base + 2)
    writer.add_pad_token_id(base)
    writer.add_add_bos_token(False)
    writer.add_chat_template(_TEMPLATE)
    return len(tokens)


def _byte_symbol(byte: int) -> str:
    """Return the character that stands for a byte in a byte-level BPE vocabulary (GPT-2)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    if byte in printable:
        return chr(byte)
    return chr(256 + [each for each in range(256) if each not in printable].index(byte))


def _write_shape(writer, vocabulary: int) -> None:
    writer.add_name("tiny-random")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_vocab_size(vocabulary)
    writer.add_file_type(0)


def _write_weights(writer, vocabulary: int) -> None:
    import numpy as np

    random = np.random.default_rng(7)

    def add(name: str, *shape: int, scale: float = 0.05) -> None:
        values = (random.standard_normal(shape) * scale).astype(np.float32)
        if name == "output.weight":
            values[128:256] *= 0.01  # bytes above ASCII are rare, so that the text is readable
        writer.add_tensor(name, values)

    ones = np.ones(_WIDTH, np.float32)
    add("token_embd.weight", vocabulary, _WIDTH, scale=1.0)
    add("output.weight", vocabulary, _WIDTH, scale=0.5)
    writer.add_tensor("output_norm.weight", ones)
    for layer in range(_LAYERS):
        block = f"blk.{layer}."
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"{block}{part}.weight", _WIDTH, _WIDTH)
        add(f"{block}ffn_gate.weight", _INNER, _WIDTH)
        add(f"{block}ffn_up.weight", _INNER, _WIDTH)
        add(f"{block}ffn_down.weight", _WIDTH, _INNER)
        writer.add_tensor(f"{block}attn_norm.weight", ones)
        writer.add_tensor(f"{block}ffn_norm.weight", ones)
