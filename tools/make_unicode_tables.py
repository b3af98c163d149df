#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/eval/unicode_tables.cc: str.lower() and the digits of this Python, as ranges.

usage: tools/make_unicode_tables.py > src/eval/unicode_tables.cc
"""
import unicodedata


def lower_ranges():
    """[first, last, step, delta] of the code points past ASCII that str.lower() moves."""
    rows = []
    for code in range(0x80, 0x110000):
        low = chr(code).lower()
        if len(low) != 1 or ord(low) == code:
            continue
        delta = ord(low) - code
        if rows and rows[-1][3] == delta:
            first, last, step, _ = rows[-1]
            gap = code - last
            if gap == step or (first == last and gap in (1, 2)):
                rows[-1] = [first, code, gap, delta]
                continue
        rows.append([code, code, 1, delta])
    return rows


def digit_zeros():
    """The first of each run of ten decimal digits."""
    return [c for c in range(0x110000)
            if unicodedata.category(chr(c)) == "Nd" and unicodedata.digit(chr(c)) == 0]


def print_rows(rows, per_line):
    for begin in range(0, len(rows), per_line):
        print("    " + " ".join(rows[begin:begin + per_line]))


print("// SPDX-License-Identifier: Apache-2.0")
print(f"// Unicode {unicodedata.unidata_version}, written by tools/make_unicode_tables.py.")
print('#include "eval/unicode_tables.h"\n\nnamespace vila::eval {\nnamespace {\n')
print("// clang-format off")
print("constexpr LowerRange kLower[] = {")
print_rows([f"{{{a:#x}, {b:#x}, {s}, {d}}}," for a, b, s, d in lower_ranges()], 3)
print("};\n\nconstexpr char32_t kDigitZeros[] = {")
print_rows([f"{zero:#x}," for zero in digit_zeros()], 9)
print("};")
print("// clang-format on\n\n}  // namespace\n")
print("std::span<const LowerRange> lower_ranges() {\n  return kLower;\n}\n")
print("std::span<const char32_t> digit_zeros() {\n  return kDigitZeros;\n}\n")
print("}  // namespace vila::eval")
