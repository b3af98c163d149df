#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when an object compiled for one instruction set could leak into code for every CPU.

The linker keeps one copy of each weak symbol (an inline function or template that was not inlined)
and may keep the one made with AVX-512: an illegal instruction on an older CPU, far from its cause.
So such objects may define nothing weak, and export nothing but their table.

Usage: check_isa_objects.py [--nm NM] OBJECT...
"""
import argparse
import subprocess
import sys

WEAK = set("VWvwu")
EXPORTED = set("TDRBGSC")
TABLE = "vila::kernels::tables::"


def defined_symbols(nm, path):
    """(type letter, demangled name) of each symbol that the object defines."""
    output = subprocess.run([nm, "--demangle", "--defined-only", path],
                            check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        _, kind, name = line.split(maxsplit=2)
        yield kind, name


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nm", default="nm")
    parser.add_argument("objects", nargs="+", metavar="OBJECT")
    options = parser.parse_args()
    faults = []
    for path in options.objects:
        for kind, name in defined_symbols(options.nm, path):
            if kind in WEAK:
                faults.append(f"{path}: weak symbol {name}: put it into an anonymous namespace")
            elif kind in EXPORTED and not name.startswith(TABLE):
                faults.append(f"{path}: exported symbol {name}: only {TABLE}* may be")
    print("\n".join(faults) or f"{len(options.objects)} object(s): nothing weak, nothing exported")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
