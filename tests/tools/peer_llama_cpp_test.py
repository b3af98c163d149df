# SPDX-License-Identifier: Apache-2.0
"""llama.cpp loads what `vila convert` writes of the shipped model, and answers as the program does.

Runs where a Python with the packages of tools/peer_requirements.txt is at hand: this one, or the one that
VILA_PEER_PYTHON names. Elsewhere it ends with 77, which CTest counts as skipped.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
SKIPPED = 77


def peer_python() -> str | None:
    for python in (os.environ.get("VILA_PEER_PYTHON"), sys.executable):
        if python and subprocess.run([python, "-c", "import llama_cpp, transformers, safetensors, PIL"],
                                     capture_output=True, check=False).returncode == 0:
            return python
    return None


def main() -> int:
    vila = sys.argv[1]
    python = peer_python()
    if python is None:
        print("skipped: no Python with llama-cpp-python here; name one with VILA_PEER_PYTHON")
        return SKIPPED
    model = ROOT / "models/nano"
    with tempfile.TemporaryDirectory() as folder:
        text = pathlib.Path(folder) / "nano.gguf"
        subprocess.run([vila, "convert", str(model), str(text)], check=True)
        tools = [[python, str(ROOT / "tools/gguf_agreement.py"), "--model", str(text), "--prompts", "4", "--tokens", "24"],
                 [python, str(ROOT / "tools/mmproj_agreement.py"), "--model", str(model), "--pictures",
                  *(str(ROOT / "examples" / name) for name in ("cat.jpg", "penguin.png", "strawberry.png"))]]
        return max(subprocess.run([*tool, "--vila", vila], check=False).returncode for tool in tools)


if __name__ == "__main__":
    sys.exit(main())
