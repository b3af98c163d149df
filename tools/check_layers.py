#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that #include lines go only where tools/layers.toml lets them.

The table of layers must be acyclic, each folder of src/ must have a row, a file may include its own
layer and those its row lists, and third-party headers stay in the files named in CONFINED below.
Prints one line per breach and exits 1 when there is any.

usage: tools/check_layers.py [ROOT]
"""
import fnmatch
import pathlib
import re
import sys
import tomllib

# Third-party header pattern -> files (relative to the root) that may include it.
CONFINED = {
    "torch/*": ["src/train/*", "tests/parity/*"],
    "c10/*": ["src/train/*", "tests/parity/*"],
    "ATen/*": ["src/train/*", "tests/parity/*"],
    "jpeglib.h": ["src/media/decode*"],
    "jerror.h": ["src/media/decode*"],
    "zlib.h": ["src/formats/*", "tests/support/*", "tests/fuzz/*"],
    "png.h": ["src/media/decode*", "src/media/encode*"],
    "webp/*": ["src/media/decode*"],
    "libav*": ["src/media/video_ffmpeg.cc"],
    "libsw*": ["src/media/video_ffmpeg.cc"],
    "librsvg/*": ["src/data/nano/svg_render*"],
    "cairo*": ["src/data/nano/svg_render*"],
    "archive*.h": ["src/data/*", "src/eval/xlsx.cc", "tests/support/*"],
    "openssl/*": ["src/cli/*", "src/data/*", "src/hub/digest.cc", "tests/support/*"],
    "curl/*": ["src/cli/chat_client.cc", "src/hub/http_client.cc"],
    "sentencepiece*": ["src/text/sentencepiece.cc", "src/text/sentencepiece_merger_test.cc", "src/text/sentencepiece_words_test.cc", "src/data/nano/tokenizer_training.cc",
                       "tests/support/*"],
    "pcre2.h": ["src/text/text_splitter.cc"],
    "glib.h": ["src/text/text_splitter.cc"],
    "nlohmann/json.hpp": ["*.cc"],
    "nlohmann/json_fwd.hpp": ["*"],
    "CLI/*": ["src/cli/*", "src/train/main.cc"],
    "yaml-cpp/*": ["src/data/yaml_reader*", "src/train/*"],
    "gtest/*": ["*_test.cc", "tests/*"],
    "gmock/*": ["*_test.cc", "tests/*"],
    "benchmark/*": ["bench/*"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)


def find_cycle(layers):
    """One cycle of the table as a list of names, or an empty list."""
    state = {}

    def visit(layer, path):
        if state.get(layer) == "done":
            return []
        if layer in path:
            return path[path.index(layer):] + [layer]
        for below in layers.get(layer, []):
            cycle = visit(below, path + [layer])
            if cycle:
                return cycle
        state[layer] = "done"
        return []

    for layer in layers:
        cycle = visit(layer, [])
        if cycle:
            return cycle
    return []


def check_table(layers, root):
    for layer, allowed in layers.items():
        for below in allowed:
            if below not in layers:
                yield f"tools/layers.toml: {layer} lists '{below}', which has no row"
    cycle = find_cycle(layers)
    if cycle:
        yield "tools/layers.toml: cycle " + " -> ".join(cycle)
    for folder in sorted((root / "src").iterdir()):
        if folder.is_dir() and folder.name not in layers:
            yield f"src/{folder.name}: no row in tools/layers.toml"


def check_include(name, kind, header, layers):
    """The breach that this include is, or None."""
    layer = name.split("/")[1] if name.startswith("src/") else None
    target = header.split("/")[0] if "/" in header else None
    if kind == '"' and layer and target in layers and target != layer:
        if target not in layers.get(layer, []):
            return f"{layer} may not include {target} ({header})"
    for pattern, files in CONFINED.items():
        if fnmatch.fnmatchcase(header, pattern):
            if not any(fnmatch.fnmatchcase(name, allowed) for allowed in files):
                return f"<{header}> belongs only in {', '.join(files)}"
    return None


def sources(root):
    for folder in ("include", "src", "tests", "bench"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cc", ".cu", ".inl"):
                yield path


def check(root):
    layers = tomllib.loads((root / "tools/layers.toml").read_text())["layers"]
    breaches = list(check_table(layers, root))
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        for match in INCLUDE.finditer(text):
            breach = check_include(name, match[1], match[2], layers)
            if breach:
                line = text.count("\n", 0, match.start(2)) + 1
                breaches.append(f"{name}:{line}: {breach}")
    return breaches, len(layers)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])
    breaches, count = check(root)
    for breach in breaches:
        print(breach)
    print(f"layers: {count} in the table, {len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
