#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the real program with llama.cpp (the Python package llama-cpp-python) on one GGUF text model.

Four questions, one row each:

    tokens      do both cut and render the same prompts into the same ids?
    greedy      do both continue ten raw and ten chat prompts by the same 48 tokens?
    perplexity  do both find the same loss on a text, window by window?
    export      does llama.cpp load what `vila convert` writes, and continue as the program does?

Which arithmetic is compared matters. Of packed weights llama.cpp rounds the activations to 8 bits for each
32 columns. A difference in the last bit of a sum flips such a rounding, the flip moves the next layer's
activations, and after thirty layers the logits have moved by a tenth: its answers depend on its own settings.
With the cache in f16 and in f32 it answers most of the prompts differently, and the tool prints how many, as
the measure of what agreement can mean there. The weights as floats (`vila convert --dtype f32`) take that
rounding away: there both programs compute the same sums in another order, and every answer has to be equal.

So equality is asked for on the floats. Where an answer of the packed file parts from llama.cpp's, the tool
says how far apart the two candidates are in exact arithmetic and how wide llama.cpp's rounding scatters the
logits of that position (standard deviation over the 100 likeliest tokens, of its logits less the exact ones).
A difference of two logits scatters by 1.4 of that; a gap above four of those is a fault.

    tools/gguf_agreement.py --vila build/release/bin/vila --model SmolLM2-135M-Instruct.Q4_1.gguf \\
        --ids ../shared/conformance/awq/tokens.safetensors --windows 10
"""

import argparse
import functools
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy
from llama_cpp import GGML_TYPE_F16, GGML_TYPE_F32, Llama
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

print = functools.partial(print, flush=True)  # rows appear as they are measured

RAW_PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a village by the sea, there lived",
    "Water boils at 100 degrees because",
    "def fibonacci(n):\n    ",
    "The three primary colours are",
    "In 1969, the first people",
    "To bake bread you need flour,",
    "Photosynthesis is the process by which",
    "Dear Sir or Madam,\n\nI am writing to",
    "The difference between a lake and a river is",
]
CHAT_PROMPTS = [
    "What is the capital of France?",
    "Write a short poem about the sea.",
    "Explain gravity to a child.",
    "List three uses of a paper clip.",
    "What is 12 times 7?",
    "Translate 'good morning' into Spanish.",
    "Why is the sky blue?",
    "Give me a recipe for pancakes.",
    "Who wrote Romeo and Juliet?",
    "What should I pack for a week in the mountains?",
]


class Reference:
    """llama.cpp on one file: ids, greedy continuations, logits."""

    def __init__(self, path: pathlib.Path, threads: int, exact: bool):
        cache = GGML_TYPE_F32 if exact else GGML_TYPE_F16
        self.model = Llama(str(path), n_ctx=2048, n_batch=512, n_threads=threads, n_threads_batch=threads,
                           logits_all=True, type_k=cache, type_v=cache, verbose=False)

    def ids(self, text: str) -> list[int]:
        return self.model.tokenize(text.encode(), add_bos=True, special=True)

    def rendered(self, question: str) -> str:
        names = {key: self.model.detokenize([token], special=True).decode()
                 for key, token in (("eos_token", self.model.token_eos()), ("bos_token", self.model.token_bos()))}
        formatter = Jinja2ChatFormatter(template=self.model.metadata["tokenizer.chat_template"], **names)
        return formatter(messages=[{"role": "user", "content": question}]).prompt

    def logits(self, ids: list[int]) -> numpy.ndarray:
        """Of every position: [len(ids), vocabulary]."""
        self.model.reset()
        self.model.eval(ids)
        return self.model.scores[:len(ids)]

    def last_logits(self, prompt: list[int], answer: list[int]) -> numpy.ndarray:
        """After the answer, which is read token by token: [vocabulary]."""
        self.model.reset()
        self.model.eval(prompt)
        for token in answer:
            self.model.eval([token])
        return self.model.scores[self.model.n_tokens - 1].copy()

    def greedy(self, ids: list[int], count: int) -> list[int]:
        """Up to `count` tokens, or up to the end of the answer, which is not among them."""
        self.model.reset()
        self.model.eval(ids)
        answer: list[int] = []
        while len(answer) < count:
            token = int(numpy.argmax(self.model.scores[self.model.n_tokens - 1]))
            if token == self.model.token_eos():
                break
            answer.append(token)
            self.model.eval([token])
        return answer


class Program:
    """`vila` on one file, all in float."""

    def __init__(self, vila: str, threads: int, scratch: pathlib.Path, activations: str = "f32"):
        self.vila, self.scratch = vila, scratch
        self.options = ["--threads", str(threads), "--activations", activations, "--kv", "f32"]

    def call(self, *arguments: str, text: str | None = None) -> str:
        done = subprocess.run([self.vila, *arguments], input=text, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            sys.exit(f"vila {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def rows(self, command: str, model: pathlib.Path, rows: list[dict], *options: str) -> list[dict]:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        return [json.loads(line) for line in
                self.call(command, "-m", str(model), *options, text=lines).splitlines()]

    def greedy(self, model: pathlib.Path, prompts: list[str], count: int, eos: int) -> list[list[int]]:
        requests = self.scratch / "requests.jsonl"
        requests.write_text("".join(json.dumps({"prompt": text, "raw": True, "max_tokens": count,
                                                "temperature": 0}) + "\n" for text in prompts))
        replies = [json.loads(line) for line in
                   self.call("run", "-m", str(model), "--batch", str(requests), *self.options).splitlines()]
        replies.sort(key=lambda reply: reply["id"])
        return [[token for token in reply["token_ids"] if token != eos] for reply in replies]

    def convert(self, source: pathlib.Path, target: pathlib.Path, dtype: str) -> pathlib.Path:
        self.call("convert", str(source), str(target), "--dtype", dtype)
        return target


def parting(reference: list[int], ours: list[int]) -> int | None:
    """The first position at which two answers differ."""
    for position, (one, other) in enumerate(zip(reference, ours)):
        if one != other:
            return position
    return None if len(reference) == len(ours) else min(len(reference), len(ours))


def explain(exact: Reference, packed: Reference, prompt: list[int], answer: list[int], others: tuple[int, int]
            ) -> tuple[float, float]:
    """The gap of two candidates' logits in exact arithmetic, and the scatter of llama.cpp's rounding there.

    Both read the prompt at once and the answer one by one, as when it was made: rounded sums differ between the two ways.
    """
    truth, rounded = (reference.last_logits(prompt, answer) for reference in (exact, packed))
    likely = numpy.argsort(truth)[-100:]
    return abs(float(truth[others[0]] - truth[others[1]])), float(numpy.std((rounded - truth)[likely]))


def check_tokens(program: Program, model: pathlib.Path, reference: Reference) -> tuple[bool, list[str]]:
    """Whether ids and prompts agree, and the prompts; none where the file has no chat template."""
    has_template = "tokenizer.chat_template" in reference.model.metadata
    rendered = [] if not has_template else [row["prompt"] for row in program.rows(
        "render", model, [{"messages": [{"role": "user", "content": text}], "add_generation_prompt": True}
                          for text in CHAT_PROMPTS])]
    right = sum(ours == reference.rendered(text) for ours, text in zip(rendered, CHAT_PROMPTS))
    texts = RAW_PROMPTS + rendered + ["naïve café — 東京 🙂 \t  tabs", "x  =  3.14159;\r\n\r\n", "I'll we've DON'T 2024-01-31"]
    ids = [row["ids"] for row in program.rows("tokenize", model, [{"text": text} for text in texts])]
    same = sum(ours == reference.ids(text) for ours, text in zip(ids, texts))
    print(f"tokens      {same}/{len(texts)} texts to equal ids, {right}/{len(rendered)} chat prompts rendered equal")
    return same == len(texts) and right == len(rendered), rendered


def check_greedy(program: Program, model: pathlib.Path, references: dict, prompts: list[str], count: int,
                 label: str) -> bool:
    """`references`: llama.cpp on the file ("packed"), with its cache in f32 ("wide") and on floats ("exact")."""
    packed, exact, wide = (references[name] for name in ("packed", "exact", "wide"))
    eos = packed.model.token_eos()
    answers = program.greedy(model, prompts, count, eos)
    equal = {"exact": 0, "packed": 0, "itself": 0}
    faults = 0
    for text, answer in zip(prompts, answers):
        ids = packed.ids(text)
        floats, rounded = exact.greedy(ids, count), packed.greedy(ids, count)
        equal["exact"] += floats == answer
        equal["packed"] += rounded == answer
        equal["itself"] += rounded == wide.greedy(ids, count)
        faults += floats != answer
        at = parting(rounded, answer)
        if at is None:
            continue
        candidates = tuple(row[at] if at < len(row) else eos for row in (answer, rounded))
        gap, scatter = explain(exact, packed, ids, answer[:at], candidates)
        is_near = gap < 4 * 2**0.5 * scatter
        faults += not is_near
        print(f"            {text[-40:]!r}: parts at token {at}; gap {gap:.3f} in exact arithmetic, llama.cpp's "
              f"8-bit activations scatter logits by {scatter:.3f}{'' if is_near else '  FAULT'}")
    print(f"greedy {label:<5}equal answers of {count} tokens: {equal['exact']}/{len(prompts)} on the weights as floats; "
          f"{equal['packed']}/{len(prompts)} on the file itself, where llama.cpp's caches in f16 and f32 agree on "
          f"{equal['itself']}/{len(prompts)}; {faults} faults")
    return faults == 0


def read_ids(path: pathlib.Path) -> list[int]:
    """Token ids of the text, from a safetensors file with an I32 tensor "test_ids"."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    row = json.loads(content[8:8 + size])["test_ids"]
    begin, end = row["data_offsets"]
    return numpy.frombuffer(content[8 + size + begin:8 + size + end], numpy.int32).tolist()


def window_losses(reference: Reference, ids: list[int], context: int, windows: int) -> list[float]:
    """Mean loss in nats of the predictions of each window, the first token of which is only read."""
    losses = []
    for begin in range(0, context * windows, context):
        window = ids[begin:begin + context]
        logits = reference.logits(window)[:-1].astype(numpy.float64)
        logits -= logits.max(axis=1, keepdims=True)
        totals = numpy.log(numpy.exp(logits).sum(axis=1))
        losses.append(float(numpy.mean(totals - logits[numpy.arange(len(window) - 1), window[1:]])))
    return losses


def check_perplexity(program: Program, model: pathlib.Path, references: dict, ids: list[int], windows: int) -> bool:
    """Against llama.cpp on the file within 0.5 %, and on the weights as floats within 1e-4 a window."""
    context = 2048
    text = program.scratch / "text.txt"
    text.write_text(program.rows("detokenize", model, [{"ids": ids}])[0]["text"], newline="")
    ours = json.loads(program.call("perplexity", "-m", str(model), "--text", str(text), "--context", str(context),
                                   "--windows", str(windows), "--json", *program.options))["windows"]
    right = True
    for name, tolerance in (("packed", 5e-3), ("exact", 2e-4)):
        losses = window_losses(references[name], ids, context, windows)
        mine, theirs = (float(numpy.exp(numpy.mean(row))) for row in (ours, losses))
        worst = max(abs(a - b) / b for a, b in zip(ours, losses))
        right = right and abs(mine / theirs - 1) < tolerance
        print(f"perplexity  {mine:.4f}, llama.cpp {name} {theirs:.4f}: {100 * (mine / theirs - 1):+.4f} %, "
              f"worst window's loss {worst:.2e} relative ({windows} windows of {context})")
    return right


def check_export(program: Program, model: pathlib.Path, source: Reference, prompts: list[str], threads: int,
                 count: int) -> bool:
    """Every type that `convert` writes: loaded, same ids, same template, same answers on its weights as floats.

    llama.cpp rounds activations to 16 bits for bf16 and to 8 for packed types, so answers on the file itself
    only have to be near: its logits scatter by less than 0.5 about those on the floats.
    """
    right = True
    for dtype in ("f32", "f16", "bf16", "q8_0", "q4_1", "q4_0"):
        path = program.convert(model, program.scratch / f"{dtype}.gguf", dtype)
        floats = program.convert(path, program.scratch / "floats.gguf", "f32")
        theirs, exact = (Reference(file, threads, exact=True) for file in (path, floats))
        is_kept = (theirs.model.metadata.get("tokenizer.chat_template") ==
                   source.model.metadata.get("tokenizer.chat_template"))
        ids = [theirs.ids(text) for text in prompts]
        same_ids = sum(own == source.ids(text) for own, text in zip(ids, prompts))
        ours = program.greedy(path, prompts, count, theirs.model.token_eos())
        equal, on_floats = (sum(one == reference.greedy(row, count) for one, row in zip(ours, ids))
                            for reference in (theirs, exact))
        scatter = max(explain(exact, theirs, row, [], (0, 0))[1] for row in ids)
        right &= is_kept and same_ids == on_floats == len(prompts) and scatter < 0.5
        print(f"export {dtype:<5}loaded, {same_ids}/{len(prompts)} prompts to equal ids, template "
              f"{'kept' if is_kept else 'LOST'}, answers equal: {on_floats}/{len(prompts)} on its weights as floats, "
              f"{equal}/{len(prompts)} on the file, whose logits scatter by at most {scatter:.3f}")
        path.unlink()
    return right


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vila", default="build/release/bin/vila")
    parser.add_argument("--model", required=True, type=pathlib.Path, help="a GGUF text model")
    parser.add_argument("--ids", type=pathlib.Path, help='safetensors with "test_ids": measures perplexity as well')
    parser.add_argument("--windows", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=48, help="length of the answers")
    parser.add_argument("--prompts", type=int, default=10, help="how many of each kind")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = Program(options.vila, options.threads, pathlib.Path(folder))
        floats = program.convert(options.model, program.scratch / "exact.gguf", "f32")
        references = {"packed": Reference(options.model, options.threads, exact=False),
                      "wide": Reference(options.model, options.threads, exact=True),
                      "exact": Reference(floats, options.threads, exact=True)}
        right, chat = check_tokens(program, options.model, references["packed"])
        raw, chat = RAW_PROMPTS[:options.prompts], chat[:options.prompts]
        for label, prompts in (("raw", raw), ("chat", chat)):
            if not prompts:
                continue
            right &= check_greedy(program, options.model, references, prompts, options.tokens, label)
        right &= check_export(program, options.model, references["packed"], raw, options.threads, options.tokens)
        if options.ids:
            right &= check_perplexity(program, options.model, references, read_ids(options.ids), options.windows)
    print("all agree" if right else "NOT all agree")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
