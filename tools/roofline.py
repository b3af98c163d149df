#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the roofline of a machine from the JSON of `vila bench`.

usage: roofline.py BENCH.json… > picture.svg

The roofs are the limits that the bench measured (the highest of all files); each file adds its decode, prefill and,
with --image, its tower: operations per byte of weights read, and operations per second. Needs no library.
"""
import json
import math
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 520, 74, 24, 46, 58
X_RANGE, Y_RANGE = (1.0, 4096.0), (10.0, 2000.0)  # operations per byte; Gop/s
COLOURS = ("#2a6fbb", "#c2572b", "#3d8b53", "#8256a8")


def place(x, y):
    """Position of a point on two logarithmic axes."""
    across = math.log(x / X_RANGE[0]) / math.log(X_RANGE[1] / X_RANGE[0])
    up = math.log(y / Y_RANGE[0]) / math.log(Y_RANGE[1] / Y_RANGE[0])
    return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


def text(x, y, words, anchor="start", size=13, colour="#333"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


def line(a, b, colour, width=1.0, dash=""):
    style = f' stroke-dasharray="{dash}"' if dash else ""
    return (f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"{style}/>')


def grid():
    """Decades and powers of two, with their numbers."""
    parts = []
    x = X_RANGE[0]
    while x <= X_RANGE[1]:
        parts.append(line(place(x, Y_RANGE[0]), place(x, Y_RANGE[1]), "#e8e8e8"))
        at = place(x, Y_RANGE[0])
        parts.append(text(at[0], at[1] + 18, f"{x:g}", "middle", 11, "#666"))
        x *= 4
    for y in (10, 20, 50, 100, 200, 500, 1000, 2000):
        parts.append(line(place(X_RANGE[0], y), place(X_RANGE[1], y), "#e8e8e8"))
        at = place(X_RANGE[0], y)
        parts.append(text(at[0] - 8, at[1] + 4, f"{y}", "end", 11, "#666"))
    return parts


def roof(bandwidth, peak, name, colour):
    """The slope of the memory up to the peak, then the peak. Gbyte/s and Gop/s."""
    knee = min(max(peak / bandwidth, X_RANGE[0]), X_RANGE[1])
    foot = max(X_RANGE[0], Y_RANGE[0] / bandwidth)
    end = place(X_RANGE[1], peak)
    return [line(place(foot, bandwidth * foot), place(knee, peak), "#888", 1.5),
            line(place(knee, peak), end, colour, 1.5),
            text(end[0], end[1] - 7, f"{name} {peak:.0f} Gop/s", "end", 12, colour)]


def points(report):
    """(name, operations per byte, Gop/s) of one bench."""
    speed, work = report["text"], report["work"]
    per_token, per_answer = work["operations_per_token"] / 1e9, work["bytes_per_token"] / 1e9
    tokens = speed["prompt_tokens"]
    found = [("decode", per_token / per_answer, per_token * speed["decode_tok_s"]),
             (f"prefill {tokens}", per_token * tokens / per_answer, per_token * speed["prefill_tok_s"])]
    return [(f"{report['model']} {name}", min(x, X_RANGE[1]), y) for name, x, y in found]


def draw(reports):
    most = {key: max(r["limits"][key] for r in reports) for key in ("f32_gflops", "int8_gops", "read_gb_s")}
    parts = grid() + roof(most["read_gb_s"], most["int8_gops"], "int8", "#444")
    parts += roof(most["read_gb_s"], most["f32_gflops"], "f32", "#999")
    at = place(1.3, most["read_gb_s"] * 1.3)
    parts.append(text(at[0] + 10, at[1] + 22, f"read {most['read_gb_s']:.1f} GB/s", size=12, colour="#666"))
    for number, report in enumerate(reports):
        colour = COLOURS[number % len(COLOURS)]
        for name, x, y in points(report):
            at = place(x, y)
            parts.append(f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="5" fill="{colour}"/>')
            side, shift = ("end", -10) if x > 256 else ("start", 10)
            parts.append(text(at[0] + shift, at[1] + 16, f"{name}: {y:.0f} Gop/s", side, 12, colour))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(text(middle, 26, f"{reports[0]['cpu']}, {reports[0]['threads']} threads, {reports[0]['isa']}", "middle", 15))
    parts.append(text(middle, HEIGHT - 16, "operations per byte of weights", "middle"))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>' + "\n".join(parts) + "</svg>")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    print(draw([json.load(open(path, encoding="utf-8")) for path in sys.argv[1:]]))
