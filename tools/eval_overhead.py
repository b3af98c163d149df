#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `vila eval` costs over bare generation: the same questions by `vila eval pope` and by
`vila run --batch`, in turn, so that a change of the machine's speed meets both.

    tools/eval_overhead.py --vila build/release/bin/vila --model models/nano
"""
import argparse
import json
import os
import random
import resource
import shutil
import statistics
import struct
import subprocess
import tempfile
import time
import zlib

SUFFIX = "\nAnswer the question using a single word or phrase."
OBJECTS = "dog cat car circle square star tree apple chair boat".split()


def png(width, height, rng):
    """A disc on a background, as the bytes of a PNG file."""
    ink, paper = ([rng.randrange(256) for _ in range(3)] for _ in range(2))
    raw = b""
    for y in range(height):
        row = (ink if (x - width / 2) ** 2 + (y - height / 2) ** 2 < (height / 3) ** 2 else paper
               for x in range(width))
        raw += b"\0" + bytes(value for pixel in row for value in pixel)

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) +
            chunk(b"IEND", b""))


def write_data(folder, questions, pictures):
    """POPE's files for `vila eval`, and the same prompts for `vila run --batch`."""
    rng = random.Random(1)
    data = os.path.join(folder, "data")
    os.makedirs(data)
    for i in range(pictures):
        with open(os.path.join(data, f"{i}.png"), "wb") as file:
            file.write(png(320, 240, rng))
    with open(os.path.join(data, "llava_pope_test.jsonl"), "w") as asked, \
            open(os.path.join(folder, "batch.jsonl"), "w") as batch:
        for number, category in enumerate(["adversarial", "popular", "random"]):
            with open(os.path.join(data, f"coco_pope_{category}.json"), "w") as labels:
                for i in range(questions // 3):
                    text = f"Is there a {rng.choice(OBJECTS)} in the image?"
                    image = f"{i * pictures // (questions // 3)}.png"
                    row = {"question_id": number * 10_000_000 + i + 1, "image": image,
                           "text": text + SUFFIX, "category": category}
                    asked.write(json.dumps(row) + "\n")
                    labels.write(json.dumps({"question_id": i + 1, "image": image, "text": text,
                                             "label": "yes" if i % 2 else "no"}) + "\n")
                    batch.write(json.dumps({"id": row["question_id"], "prompt": text + SUFFIX,
                                            "images": [os.path.join(data, image)],
                                            "max_tokens": 128, "temperature": 0}) + "\n")


def measure(command):
    """Seconds of processor time and on the wall of a command that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--vila", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--pictures", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", default="1")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_data(folder, args.questions, args.pictures)
        common = ["-m", args.model, "-t", args.threads]
        out = os.path.join(folder, "out")
        results = {"eval": [], "eval, no features kept": [], "run": []}
        inside = []
        for _ in range(args.rounds):
            for name, extra in (("eval", []), ("eval, no features kept", ["--features", "none"])):
                shutil.rmtree(out, ignore_errors=True)
                results[name].append(measure([args.vila, "eval", "pope", *common, "--data",
                                              os.path.join(folder, "data"), "--out", out, *extra]))
            with open(os.path.join(out, "pope", "timing.json")) as file:
                inside.append(json.load(file)["overhead"])
            answers = os.path.join(folder, "answers.jsonl")
            if os.path.exists(answers):
                os.remove(answers)
            results["run"].append(measure([args.vila, "run", *common, "--batch",
                                           os.path.join(folder, "batch.jsonl"), "--out", answers]))
        bare = [statistics.median(column) for column in zip(*results["run"])]
        for name, rows in results.items():
            processor, wall = (statistics.median(column) for column in zip(*rows))
            print(f"{name:24} processor {processor:6.2f} s ({100 * (processor / bare[0] - 1):+.1f} %)"
                  f"   wall {wall:6.2f} s ({100 * (wall / bare[1] - 1):+.1f} %)")
        print(f"outside model and pictures, by eval's own timing.json: "
              f"{100 * statistics.median(inside):.1f} %")


if __name__ == "__main__":
    main()
