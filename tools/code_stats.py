#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the figures by which we watch the shape of the code, and where each limit is passed.

Hard limits (exit 1): no TODO, no printing or exit or getenv below cli/, no line over 100 columns, no
function over 80 lines (kernels 120), an SPDX line in each file. The rest is printed so that drift is
seen: file lengths, comment share, #if density, documentation of headers, test ratio.

usage: tools/code_stats.py [ROOT]
"""
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

FILE_LIMIT, KERNEL_FILE_LIMIT = 400, 800
FUNCTION_LIMIT, KERNEL_FUNCTION_LIMIT = 80, 120
COLUMN_LIMIT = 100
IMPURE = re.compile(r"\b(?:printf|puts|std::cout|std::cerr|std::exit|exit|getenv|std::getenv|abort)\s*(?:\(|<<)")
MAY_BE_IMPURE = ("src/cli/", "src/train/main.cc", "tests/", "bench/")
CONDITIONALS_EXEMPT = ("src/kernels/", "src/base/cpu_info", "src/base/sanitizer.h")


class File:
    """One source file split into code and comment."""

    def __init__(self, path, root):
        self.name = path.relative_to(root).as_posix()
        self.text = path.read_text(encoding="utf-8")
        self.lines = self.text.splitlines()
        self.code = strip_comments_and_strings(self.text)
        self.is_test = self.name.startswith("tests/") or self.name.endswith("_test.cc")
        self.is_kernel = self.name.startswith("src/kernels/")

    def comment_lines(self):
        return sum(1 for line in self.lines if line.lstrip().startswith("//"))


def strip_comments_and_strings(text):
    """The text with the content of comments and string literals blanked; lines stay lines."""
    pattern = re.compile(
        r'R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
    return pattern.sub(lambda match: "\n" * match[0].count("\n") or '""', text)


def read_files(root):
    return [File(path, root)
            for folder in ("include", "src", "tests", "bench")
            for path in sorted((root / folder).rglob("*"))
            if path.suffix in (".h", ".cc", ".cu")]


def function_lengths(root, files):
    """(lines, name, file) of each function, by universal-ctags; None when that is not installed."""
    ctags = shutil.which("ctags")
    if not ctags or b"Universal" not in subprocess.run([ctags, "--version"], capture_output=True).stdout:
        return None
    names = [file.name for file in files if not file.name.startswith("tests/")]
    out = subprocess.run(
        [ctags, "-x", "--language-force=C++", "--c++-kinds=f", "--_xformat=%{end}\t%n\t%N\t%F", *names],
        capture_output=True, text=True, cwd=root, check=False).stdout
    rows = []
    for line in out.splitlines():
        end, start, name, file = line.split("\t")
        if end.isdigit() and name not in ("TEST", "TEST_P", "TEST_F", "INSTANTIATE_TEST_SUITE_P"):
            rows.append((int(end) - int(start) + 1, name, file))
    return rows


def undocumented(file):
    """Lines of a header that declare a type or a free function without a comment above.

    Only column 0 counts: members are read with their class. Implementation headers (.inl.h, and the
    SIMD wrappers, which are one intrinsic each) are read with their code."""
    if file.name.endswith(".inl.h") or file.name.startswith("src/kernels/isa/"):
        return []
    declaration = re.compile(r"^(?:struct|class|enum class|enum|template|[\w:<>,*& \[\]]+\()[^;{]*[;{(]?")
    skip = re.compile(r"^(?:namespace|using|#|extern|}|\)|VILA_|friend|static_assert|inline constexpr)")
    missing = []
    previous = ""
    for number, line in enumerate(file.lines, 1):
        starts = bool(line) and not line[0].isspace() and not line.startswith(("//", "/*"))
        forward = re.match(r"^(?:struct|class) \w+;$", line)
        if starts and declaration.match(line) and not skip.match(line) and not forward:
            overload = previous and not previous.startswith(("}", "#", "namespace"))
            if not overload:
                missing.append(f"{file.name}:{number}")
        previous = line
    return missing


def hard_breaches(root, files, functions):
    for file in files:
        if file.lines and "SPDX-License-Identifier" not in "".join(file.lines[:2]):
            yield f"{file.name}: no SPDX line"
        for number, line in enumerate(file.lines, 1):
            if len(line) > COLUMN_LIMIT:
                yield f"{file.name}:{number}: {len(line)} columns (limit {COLUMN_LIMIT})"
            if re.search(r"\b(?:TODO|FIXME|XXX)\b", line):
                yield f"{file.name}:{number}: {line.strip()[:60]}"
        if not file.name.startswith(MAY_BE_IMPURE) and not file.is_test:
            for match in IMPURE.finditer(file.code):
                number = file.code.count("\n", 0, match.start()) + 1
                yield f"{file.name}:{number}: '{match[0]}' belongs in cli/"
    for lines, name, file in functions or []:
        limit = KERNEL_FUNCTION_LIMIT if file.startswith("src/kernels/") else FUNCTION_LIMIT
        if lines > limit and not file.endswith("_test.cc"):
            yield f"{file}: {name} has {lines} lines (limit {limit})"


def long_files(files):
    for file in files:
        limit = KERNEL_FILE_LIMIT if file.is_kernel else FILE_LIMIT
        if len(file.lines) > limit:
            yield f"{file.name} ({len(file.lines)})"


def print_row(name, value, goal, places=()):
    print(f"  {name:<34}{value:<18}{goal}")
    for place in list(places)[:8]:
        print(f"      {place}")


def print_functions(functions):
    if functions is None:
        print_row("function lines", "not measured", "universal-ctags is not installed")
        return
    lengths = [row[0] for row in functions if not row[2].endswith("_test.cc")]
    if lengths:
        print_row("function lines, median / longest", f"{statistics.median(lengths):.0f} / {max(lengths)}",
                  "median <= 8, none > 80 (kernels 120)")


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1]).resolve()
    files = read_files(root)
    functions = function_lengths(root, files)
    sources = [file for file in files if not file.is_test]
    total = sum(len(file.lines) for file in sources)
    tests = sum(len(file.lines) for file in files if file.is_test)
    comments = sum(file.comment_lines() for file in sources)
    plain = [file for file in sources if not file.name.startswith(CONDITIONALS_EXEMPT)]
    conditionals = sum(len(re.findall(r"^\s*#\s*(?:if|ifdef|ifndef)\b", file.code, re.M)) for file in plain)
    # Kernels are documented where they are promised (kernels.h), vector operations in simd_scalar.h.
    headers = [file for file in sources if file.name.endswith(".h") and not file.name.endswith(".inl.h")
               and "/isa/" not in file.name]
    bare = [place for file in headers for place in undocumented(file)]
    longest = list(long_files(sources))

    print("code figures")
    print_row("source files / lines", f"{len(sources)} / {total}", "")
    print_row("files over their limit", str(len(longest)), "400 lines, kernels 800", longest)
    print_functions(functions)
    print_row("comment share", f"{100 * comments / max(total, 1):.0f} %", "15-25 %")
    print_row("#if per 1000 lines",
              f"{1000 * conditionals / max(sum(len(file.lines) for file in plain), 1):.2f}",
              "<= 1 outside kernels/ and base/cpu_info")
    print_row("undocumented in headers", str(len(bare)), "0", bare)
    print_row("test lines / source lines", f"{tests / max(total, 1):.2f}", ">= 0.6")
    breaches = list(hard_breaches(root, files, functions))
    print_row("hard limits passed", str(len(breaches)), "0", [])
    for breach in breaches:
        print(f"      {breach}")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
