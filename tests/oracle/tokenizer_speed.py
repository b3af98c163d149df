#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Encoding speed of `vila tokenize` against Hugging Face `tokenizers` and `sentencepiece`, one thread, the same texts, the same run.

    tests/oracle/tokenizer_speed.py --vila build/release/bin/vila --tokenizer FOLDER --texts FILE.jsonl

FILE has lines {"text": "…"}. Of the libraries only encoding is timed; of vila the whole process, its start, the reading of the
tokenizer and JSON in and out included. Both give user + system time of the processor. The ids of the libraries' and ours are compared
where they follow the same rules (byte-level BPE); SentencePiece's are the fast tokenizer's and differ by design after special tokens.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"


def processor_time(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def timed(body, who=resource.RUSAGE_SELF):
    before, start = processor_time(who), time.perf_counter()
    result = body()
    return result, processor_time(who) - before, time.perf_counter() - start


def by_vila(options, lines):
    command = [options.vila, "tokenize", "--tokenizer", str(options.tokenizer), "--special", "text", "--no-bos"]
    run = lambda: subprocess.run(command, input=lines, capture_output=True, check=True).stdout
    out, used, wall = timed(run, resource.RUSAGE_CHILDREN)
    return [json.loads(line)["ids"] for line in out.splitlines()], used, wall


def by_tokenizers(options, texts):
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(options.tokenizer / "tokenizer.json"))
    tokenizer.encode("warm up")
    return timed(lambda: [tokenizer.encode(text, add_special_tokens=False).ids for text in texts])


def by_sentencepiece(options, texts):
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=str(options.tokenizer / "tokenizer.model"))
    return timed(lambda: [processor.encode(text) for text in texts])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vila", required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--texts", required=True)
    options = parser.parse_args()
    lines = pathlib.Path(options.texts).read_bytes()
    texts = [json.loads(line)["text"] for line in lines.splitlines()]
    size = sum(len(text.encode()) for text in texts)
    ours, used, wall = by_vila(options, lines)
    print(f"{options.tokenizer.name}: {size / 1e6:.1f} MB in {len(texts)} texts; vila {used:.2f} s ({wall:.2f} s wall, whole process)")
    others = {"tokenizers": by_tokenizers}
    if (options.tokenizer / "tokenizer.model").exists():
        others["sentencepiece"] = by_sentencepiece
    for name, encode in others.items():
        theirs, their_time, wall = encode(options, texts)
        equal = sum(a == b for a, b in zip(ours, theirs))
        print(f"  {name}: {their_time:.2f} s ({wall:.2f} s wall), {their_time / used:.1f} times vila's; ids of {equal} of {len(texts)} texts equal")


if __name__ == "__main__":
    main()
