#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what a small VILA can do on the held-out sets of `vila data build nano`.

Runs the real program (`vila run --batch`) on every test/*.jsonl of the data folder and prints one
row per bar: share right, Wilson 95 % interval, chance, the bar. Nothing but the standard library.

    tools/nano_bars.py --vila build/release/bin/vila --model models/nano --data data/nano
"""

import argparse
import json
import math
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import zlib


def wilson(right: int, total: int) -> tuple[float, float]:
    """The Wilson score interval at 95 %."""
    if total == 0:
        return 0.0, 1.0
    z, p = 1.959964, right / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def black_png(path: pathlib.Path, side: int = 96) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (struct.pack(">I", len(body)) + kind + body +
                struct.pack(">I", zlib.crc32(kind + body)))

    rows = (b"\0" + b"\0" * (3 * side)) * side
    path.write_bytes(b"\x89PNG\r\n\x1a\n" +
                     chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def words(text: str) -> list[str]:
    return re.findall(r"[\w'-]+", text.lower())


def contains(answer: str, accepted: list[str], max_words: int = 16) -> bool:
    """Whether an accepted name stands, as whole words, in the first `max_words` of the answer."""
    said = words(answer)[:max_words]
    for name in accepted:
        wanted = words(name)
        if wanted and any(said[i:i + len(wanted)] == wanted for i in range(len(said))):
            return True
    return False


class Runner:
    def __init__(self, vila: str, model: str, scratch: pathlib.Path, limit: int):
        self.vila, self.model, self.scratch, self.limit = vila, model, scratch, limit

    def rows(self, path: pathlib.Path) -> list[dict]:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        return rows[:self.limit] if self.limit else rows

    def answers(self, rows: list[dict], folder: pathlib.Path, blind: bool = False) -> dict:
        """id -> answer text, greedy; with `blind` every picture is black."""
        black = self.scratch / "black.png"
        black_png(black)
        requests = self.scratch / "requests.jsonl"
        replies = self.scratch / "replies.jsonl"
        replies.unlink(missing_ok=True)
        with requests.open("w", encoding="utf-8") as out:
            for row in rows:
                request = {k: row[k] for k in ("id", "prompt", "max_tokens", "raw", "system") if k in row}
                request["images"] = [str(black) if blind else str((folder / name).resolve())
                                     for name in row.get("images", [])]
                request["temperature"] = 0
                out.write(json.dumps(request) + "\n")
        subprocess.run([self.vila, "run", "-m", self.model, "--batch", str(requests),
                        "--out", str(replies)], check=True, stdout=subprocess.DEVNULL)
        found = {}
        for line in replies.read_text(encoding="utf-8").splitlines():
            reply = json.loads(line)
            if "error" in reply:
                sys.exit(f"{reply['id']}: {reply['error']}")
            found[reply["id"]] = reply["text"]
        return found


def accuracy(rows: list[dict], answers: dict, is_right) -> tuple[int, int]:
    return sum(is_right(answers[row["id"]], row) for row in rows), len(rows)


def names_it(answer: str, row: dict) -> bool:
    return contains(answer, row["accept"])


def says_exactly(answer: str, row: dict) -> bool:
    return words(answer) == words(row["answer"])


def first_word(answer: str, row: dict) -> bool:
    said = words(answer)
    return bool(said) and said[0] == row["answer"].lower()


def swap_consistency(rows: list[dict], answers: dict) -> tuple[int, int]:
    """Of the pairs asked in both orders ("…-a", "…-b"): how often the answer swaps too."""
    flipped = total = 0
    for row in rows:
        if not row["id"].endswith("-a") or row["id"][:-1] + "b" not in answers:
            continue
        said = [set(words(answers[row["id"][:-1] + side])) & {"first", "second"} for side in "ab"]
        total += 1
        flipped += len(said[0]) == 1 and len(said[1]) == 1 and said[0] != said[1]
    return flipped, total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vila", default="build/release/bin/vila")
    parser.add_argument("--model", default="models/nano")
    parser.add_argument("--data", default="data/nano", type=pathlib.Path)
    parser.add_argument("--limit", type=int, default=0, help="at most this many rows of each set")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--json", type=pathlib.Path, help="write the figures here too")
    options = parser.parse_args()

    bars = [
        # name, file, judge, blind, bar
        ("names an unseen style", "fxemoji", names_it, False, 0.40),
        ("names an unseen style, black picture", "fxemoji", names_it, True, None),
        ("category of a held-out photograph", "stamps", names_it, False, 0.60),
        ("easy-vqa, official test", "easy-vqa", says_exactly, False, 0.93),
        ("easy-vqa, black picture", "easy-vqa", says_exactly, True, None),
        ("which of two pictures", "which-one", names_it, False, 0.85),
        ("which of two pictures, swapped", "which-one", None, False, 0.80),
        ("learns a word in context", "in-context", first_word, False, 0.70),
    ]
    figures = []
    with tempfile.TemporaryDirectory() as scratch:
        runner = Runner(options.vila, options.model, pathlib.Path(scratch), options.limit)
        print("| what | right | share | 95 % interval | bar |")
        print("|---|---|---|---|---|")
        for name, file, judge, blind, bar in bars:
            path = options.data / "test" / f"{file}.jsonl"
            if (options.only and file not in options.only) or not path.exists():
                continue
            rows = runner.rows(path)
            answers = runner.answers(rows, path.parent, blind)
            right, total = (accuracy(rows, answers, judge) if judge
                            else swap_consistency(rows, answers))
            low, high = wilson(right, total)
            share = right / total if total else 0.0
            figures.append({"name": name, "right": right, "total": total, "share": share,
                            "low": low, "high": high, "bar": bar})
            wanted = "" if bar is None else f">= {bar:.0%}"
            print(f"| {name} | {right}/{total} | {share:.1%} | {low:.1%} - {high:.1%} | {wanted} |",
                  flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
