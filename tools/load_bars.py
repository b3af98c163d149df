#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures how fast 4-bit models of 7B shape load and how much memory they take, in each container.

Writes a Llama-2-7B of random weights as an AWQ folder (gemm layout, groups of 128), as `.vila` (by
`vila convert`) and as GGUF (Q4_0), about 4 GB each, then asks each for a short answer: once to warm the
page cache, once to measure. Per container it prints load time, time to the first token, peak resident set
against file + keys and values, and against what `vila inspect --memory` had said. Nothing but the
standard library.

    tools/load_bars.py --vila build/release/bin/vila --folder /tmp/load_bars
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import time

WIDTH, INNER, LAYERS, HEADS, VOCABULARY, GROUP = 4096, 11008, 32, 32, 32000, 128
LINEARS = {"self_attn.q_proj": (WIDTH, WIDTH), "self_attn.k_proj": (WIDTH, WIDTH), "self_attn.v_proj": (WIDTH, WIDTH),
           "self_attn.o_proj": (WIDTH, WIDTH), "mlp.gate_proj": (INNER, WIDTH), "mlp.up_proj": (INNER, WIDTH),
           "mlp.down_proj": (WIDTH, INNER)}
GGUF_NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
              "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
              "mlp.down_proj": "ffn_down"}
NOISE = random.Random(1).randbytes(1 << 24)


def f16(value: float) -> bytes:
    return struct.pack("<e", value)


def repeated(pattern: bytes, size: int):
    """`size` bytes of a pattern, in pieces."""
    while size > 0:
        yield pattern[:size] if size < len(pattern) else pattern
        size -= len(pattern)


def awq_tensors():
    """(name, dtype, shape, pattern) of every tensor of the AWQ folder."""
    small = f16(0.002) * (1 << 16)
    for name in ("model.embed_tokens", "lm_head"):
        yield f"{name}.weight", "F16", [VOCABULARY, WIDTH], small
    yield "model.norm.weight", "F16", [WIDTH], f16(1) * WIDTH
    for layer in range(LAYERS):
        place = f"model.layers.{layer}."
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"{place}{name}.weight", "F16", [WIDTH], f16(1) * WIDTH
        for name, (out, inner) in LINEARS.items():
            yield f"{place}{name}.qweight", "I32", [inner, out // 8], NOISE
            yield f"{place}{name}.qzeros", "I32", [inner // GROUP, out // 8], b"\x88" * (1 << 16)
            yield f"{place}{name}.scales", "F16", [inner // GROUP, out], small


def write_awq(folder: pathlib.Path, tokenizer: pathlib.Path) -> None:
    folder.mkdir()
    config = {"model_type": "llama", "hidden_size": WIDTH, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
              "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "vocab_size": VOCABULARY,
              "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
              "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": GROUP}}
    (folder / "config.json").write_text(json.dumps(config))
    for name in ("tokenizer.model", "tokenizer_config.json"):
        shutil.copy(tokenizer / name, folder / name)
    header, offset, rows = {}, 0, sorted(awq_tensors(), key=lambda row: row[1] != "I32")
    for name, dtype, shape, _ in rows:
        size = shape[0] * (shape[1] if len(shape) > 1 else 1) * (4 if dtype == "I32" else 2)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 64)
    with (folder / "model.safetensors").open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name, _, _, pattern in rows:
            begin, end = header[name]["data_offsets"]
            out.writelines(repeated(pattern, end - begin))


def gguf_value(value) -> bytes:
    if isinstance(value, str):
        return struct.pack("<IQ", 8, len(value.encode())) + value.encode()
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    kinds = {str: 8, float: 6, int: 5}
    kind = kinds[type(value[0])]
    items = b"".join(struct.pack("<Q", len(item.encode())) + item.encode() if kind == 8 else
                     struct.pack("<f" if kind == 6 else "<i", item) for item in value)
    return struct.pack("<IIQ", 9, kind, len(value)) + items


def write_gguf(path: pathlib.Path) -> None:
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokens += [f"▁t{i}" for i in range(VOCABULARY - len(tokens))]
    kinds = [2, 3, 3] + [6] * 256 + [1] * (VOCABULARY - 259)
    keys = {"general.architecture": "llama", "llama.context_length": 4096, "llama.embedding_length": WIDTH,
            "llama.block_count": LAYERS, "llama.feed_forward_length": INNER, "llama.attention.head_count": HEADS,
            "llama.attention.head_count_kv": HEADS, "llama.attention.layer_norm_rms_epsilon": 1e-5,
            "llama.rope.dimension_count": WIDTH // HEADS, "tokenizer.ggml.model": "llama",
            "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.scores": [float(-i) for i in range(VOCABULARY)],
            "tokenizer.ggml.token_type": kinds, "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2}
    blocks = b"".join(f16(0.002) + NOISE[16 * i:16 * i + 16] for i in range(1 << 16))
    rows = [("token_embd.weight", VOCABULARY, WIDTH), ("output.weight", VOCABULARY, WIDTH), ("output_norm.weight", WIDTH, 0)]
    for layer in range(LAYERS):
        rows += [(f"blk.{layer}.attn_norm.weight", WIDTH, 0), (f"blk.{layer}.ffn_norm.weight", WIDTH, 0)]
        rows += [(f"blk.{layer}.{GGUF_NAMES[name]}.weight", out, inner) for name, (out, inner) in LINEARS.items()]
    sizes = [(out * inner // 32 * 18 if inner else out * 4) for _, out, inner in rows]
    text = b"GGUF" + struct.pack("<IQQ", 3, len(rows), len(keys))
    for key, value in keys.items():
        text += struct.pack("<Q", len(key)) + key.encode() + gguf_value(value)
    offset = 0
    for (name, out, inner), size in zip(rows, sizes):
        extents = (inner, out) if inner else (out,)
        text += struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", len(extents))
        text += b"".join(struct.pack("<Q", extent) for extent in extents) + struct.pack("<IQ", 2 if inner else 0, offset)
        offset += size + -size % 32
    with path.open("wb") as out:
        out.write(text + b"\0" * (-len(text) % 32))
        for (_, _, inner), size in zip(rows, sizes):
            out.writelines(repeated(blocks if inner else struct.pack("<f", 1) * WIDTH, size))
            out.write(b"\0" * (-size % 32))


def size_of(path: pathlib.Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*")) if path.is_dir() else path.stat().st_size


def measure(vila: str, path: pathlib.Path, threads: int) -> bool:
    """One row; whether the memory bars hold."""
    command = [vila, "run", "-m", str(path), "--raw", "--json", "--max-tokens", "4", "-t", str(threads), "abc"]
    subprocess.run(command, check=True, capture_output=True)
    start = time.monotonic()
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    wall = time.monotonic() - start
    usage = answer["usage"]
    context = usage["prompt_tokens"] + 4
    plan = json.loads(subprocess.run([vila, "inspect", str(path), "--memory", "--context", str(context), "--images", "0",
                                      "--json"], check=True, capture_output=True).stdout)["memory"]
    peak, times = answer["peak_rss_bytes"], answer["timings_ms"]
    limit = size_of(path) + plan["kv_cache"]
    print(f"{path.name:<12} file {size_of(path) / 1e6:7.0f} MB  load {times['load'] / 1e3:6.2f} s  prefill "
          f"{times['prefill'] / 1e3:5.2f} s  whole run {wall:6.2f} s  peak RSS {peak / 1e6:7.0f} MB = "
          f"{100 * peak / limit:5.1f} % of file + KV  planned {plan['total'] / 1e6:7.0f} MB, "
          f"{100 * (plan['total'] / peak - 1):+5.1f} %", flush=True)
    return peak <= 1.1 * limit and abs(plan["total"] / peak - 1) <= 0.05


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vila", default="build/release/bin/vila")
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="12 GB are written here, and kept")
    parser.add_argument("--tokenizer", type=pathlib.Path, default=pathlib.Path("models/nano"))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", choices=["awq", "m.vila", "m.gguf"], help="one container")
    parser.add_argument("--write", action="store_true", help="write the files and measure nothing")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    paths = {name: options.folder / name for name in ("awq", "m.vila", "m.gguf")}
    if not paths["awq"].exists():
        write_awq(paths["awq"], options.tokenizer)
    if not paths["m.gguf"].exists():
        write_gguf(paths["m.gguf"])
    if not paths["m.vila"].exists():
        subprocess.run([options.vila, "convert", str(paths["awq"]), str(paths["m.vila"])], check=True)
    if options.write:
        return 0
    wanted = [path for name, path in paths.items() if options.only in (None, name)]
    return 0 if all([measure(options.vila, path, options.threads) for path in wanted]) else 1


if __name__ == "__main__":
    sys.exit(main())
