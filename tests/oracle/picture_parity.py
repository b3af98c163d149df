#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of random sizes, kinds and modes through `vila explain` and through Pillow with the rules of the reference.

    tests/oracle/picture_parity.py --vila build/release/bin/vila [--count 200] [--seed 0]
    tests/oracle/picture_parity.py --record tests/data/picture-sizes.jsonl

The first compares every tile of every mode by SHA-256 and prints what differs (exit 1). The second writes the hashes of plain RGB
pictures whose pixels a test can make itself (see pixels()), so that the test of every day needs no Python. Pillow before 12.3: later
ones resize some tall pictures vertically first. The recorded hashes are of Pillow 10.2.0.
"""

import argparse
import hashlib
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import PIL
from PIL import Image

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
HALF = (0.5, 0.5, 0.5)


def pad(image, mean):
    """Centred on a square of the mean colour."""
    width, height = image.size
    side = max(width, height)
    square = Image.new("RGB", (side, side), tuple(int(value * 255) for value in mean))
    square.paste(image, ((side - width) // 2, (side - height) // 2))
    return square


def crop(image, side):
    """Shortest side to `side`, then the middle."""
    width, height = image.size
    short, long = min(width, height), max(width, height)
    longer = int(side * long / short)
    image = image.resize((side, longer) if width <= height else (longer, side), Image.BICUBIC)
    left, top = (image.size[0] - side) // 2, (image.size[1] - side) // 2
    return image.crop((left, top, left + side, top + side))


def closest_grid(width, height, least, most, tile):
    grids = sorted({(c, r) for c in range(1, most + 1) for r in range(1, most + 1) if least <= c * r <= most}, key=lambda g: g[0] * g[1])
    best, smallest = (1, 1), float("inf")
    for columns, rows in grids:
        distance = abs(width / height - columns / rows)
        if distance < smallest:
            best, smallest = (columns, rows), distance
        elif distance == smallest and width * height > 0.5 * tile * tile * columns * rows:
            best = (columns, rows)
    return best


def cut(image, columns, rows, tile):
    image = image.resize((columns * tile, rows * tile), Image.BICUBIC)
    return [image.crop((c * tile, r * tile, (c + 1) * tile, (r + 1) * tile)) for r in range(rows) for c in range(columns)]


def dynamic(image, tile, most):
    columns, rows = closest_grid(*image.size, 1, most, tile)
    tiles = cut(image, columns, rows, tile)
    return tiles + ([image.resize((tile, tile), Image.BICUBIC)] if len(tiles) > 1 else [])


def dynamic_s2(image, scales, most):
    tiles = []
    for scale in scales[:-1]:
        tiles += cut(image, scale // scales[0], scale // scales[0], scales[0])
    least = (scales[-1] // scales[0]) ** 2
    return tiles + cut(image, *closest_grid(*image.size, least, max(least, most), scales[0]), scales[0])


def resize(image, side):
    return [image.resize((side, side), Image.BICUBIC)]


MODES = {
    "pad-clip336": lambda image: resize(pad(image, CLIP_MEAN), 336),
    "crop-clip336": lambda image: [crop(image, 336)],
    "pad-siglip384": lambda image: resize(pad(image, HALF), 384),
    "resize-siglip384": lambda image: resize(image, 384),
    "resize-siglip768": lambda image: resize(image, 768),
    "dynamic-siglip448": lambda image: dynamic(image, 448, 12),
    "dynamic6-siglip448": lambda image: dynamic(image, 448, 6),
    "dynamic_s2-siglip448": lambda image: dynamic_s2(image, [448, 896, 1344], 12),
}


def digest(tiles):
    return hashlib.sha256(b"".join(tile.tobytes() for tile in tiles)).hexdigest()


def pixels(width, height, seed):
    """Bytes of a linear congruential generator (a 1664525, c 1013904223, modulo 2^32; the upper byte of each state)."""
    state, data = seed, bytearray()
    for _ in range(width * height * 3):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        data.append(state >> 24)
    return bytes(data)


def draw_size(source):
    """Mostly small, some long and thin, a few large."""
    kind = source.random()
    if kind < 0.15:
        size = source.randint(1, 6), source.randint(200, 2500)
    elif kind < 0.8:
        size = source.randint(1, 500), source.randint(1, 500)
    else:
        size = source.randint(300, 1700), source.randint(300, 1700)
    return size if source.random() < 0.5 else size[::-1]


def draw_picture(source):
    """A picture of smooth and noisy parts in one of Pillow's modes."""
    width, height = draw_size(source)
    small = Image.frombytes("RGB", (7, 5), source.randbytes(105)).resize((width, height), source.choice([Image.BILINEAR, Image.NEAREST]))
    noise = Image.frombytes("RGB", (width, height), source.randbytes(width * height * 3))
    picture = Image.blend(small, noise, source.choice([0.0, 0.1, 1.0]))
    mode = source.choice(["RGB", "RGB", "L", "LA", "RGBA", "P", "1", "CMYK"])
    if mode in ("LA", "RGBA"):
        picture.putalpha(Image.frombytes("L", (width, height), source.randbytes(width * height)))
    return picture.convert(mode)


def draw_file(source, folder, number):
    """Writes a picture in a format that its mode has; returns the path."""
    picture = draw_picture(source)
    formats = {"RGB": ["png", "jpg", "jpg", "webp", "bmp", "gif"], "L": ["png", "jpg", "gif"], "CMYK": ["jpg"], "RGBA": ["png", "webp"]}
    kind = source.choice(formats.get(picture.mode, ["png"]))
    path = folder / f"{number}-{picture.mode}-{picture.size[0]}x{picture.size[1]}.{kind}"
    extra = {}
    if kind == "jpg":
        extra = {"quality": source.choice([5, 40, 75, 95, 100]), "progressive": source.random() < 0.3, "subsampling": source.choice([0, 1, 2])}
    if kind == "webp":
        extra = {"lossless": source.random() < 0.5}
    picture.save(path, **extra)
    return path


def seen_by(vila, mode, paths):
    command = [vila, "explain", "--mode", mode, "--json"]
    for path in paths:
        command += ["--image", str(path)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return [row["sha256"] for row in report["images"]]


def compare(options):
    source, faults = random.Random(options.seed), 0
    with tempfile.TemporaryDirectory() as name:
        paths = [draw_file(source, pathlib.Path(name), number) for number in range(options.count)]
        for mode, rule in MODES.items():
            for path, seen in zip(paths, seen_by(options.vila, mode, paths)):
                expected = digest(rule(Image.open(path).convert("RGB")))
                if seen != expected:
                    faults += 1
                    print(f"{path.name} {mode}: expected {expected[:16]}, found {seen[:16]}")
    print(f"{options.count} pictures, {len(MODES)} modes, {faults} differences")
    return 1 if faults else 0


def record(options):
    source = random.Random(options.seed)
    with open(options.record, "w") as file:
        for seed in range(40):
            width, height = draw_size(source)
            if width * height > 200_000:
                width, height = width // 4, height // 4
            image = Image.frombytes("RGB", (width, height), pixels(width, height, seed))
            row = {"width": width, "height": height, "seed": seed}
            row.update({mode: digest(rule(image)) for mode, rule in MODES.items()})
            file.write(json.dumps(row) + "\n")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vila")
    parser.add_argument("--record")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if tuple(int(part) for part in PIL.__version__.split(".")[:2]) >= (12, 3):
        sys.exit(f"Pillow: expected a version before 12.3, found {PIL.__version__}")
    sys.exit(record(options) if options.record else compare(options))


if __name__ == "__main__":
    main()
