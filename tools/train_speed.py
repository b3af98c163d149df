#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tokens/s of the nano language model in eager PyTorch, to hold against vila-train's own figure.

Same shapes, same number of rows, AdamW and clipping included. Rows are 64-token samples in a batch, so
eager PyTorch pays nothing for packing. Needs torch.
"""
import argparse
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

HIDDEN, LAYERS, HEADS, FFN, VOCAB = 320, 8, 5, 864, 4096


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(HIDDEN, HIDDEN, bias=False) for _ in range(4))
        self.gate, self.up = (nn.Linear(HIDDEN, FFN, bias=False) for _ in range(2))
        self.down = nn.Linear(FFN, HIDDEN, bias=False)
        self.norm1, self.norm2 = (nn.Parameter(torch.ones(HIDDEN)) for _ in range(2))

    def forward(self, x, cos, sin):
        def split(t):
            return t.view(*t.shape[:2], HEADS, -1).transpose(1, 2)

        def turn(t):
            low, high = t.chunk(2, -1)
            return t * cos + torch.cat((-high, low), -1) * sin

        y = rms(x, self.norm1)
        mixed = F.scaled_dot_product_attention(
            turn(split(self.q(y))), turn(split(self.k(y))), split(self.v(y)), is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).reshape(x.shape))
        y = rms(x, self.norm2)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


def rms(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * weight


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, HIDDEN)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = nn.Parameter(torch.ones(HIDDEN))
        self.head = nn.Linear(HIDDEN, VOCAB, bias=False)

    def forward(self, ids):
        angle = torch.outer(torch.arange(ids.shape[1]), 1e4 ** (-torch.arange(0, 64, 2) / 64))
        angle = torch.cat((angle, angle), -1)
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x, angle.cos(), angle.sin())
        return self.head(rms(x, self.norm))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=16384)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for name, dtype in (("f32", None), ("bf16", torch.bfloat16)):
        model = Model()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        ids = torch.randint(0, VOCAB, (args.rows // args.length, args.length + 1))
        for step in range(args.steps + 1):
            if step == 1:
                start = time.time()
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype is not None):
                logits = model(ids[:, :-1])
            F.cross_entropy(logits.float().view(-1, VOCAB), ids[:, 1:].reshape(-1)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        seconds = (time.time() - start) / args.steps
        print(f"eager PyTorch {torch.__version__} {name}: {ids[:, 1:].numel() / seconds:.0f} tokens/s")


if __name__ == "__main__":
    main()
