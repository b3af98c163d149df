# SPDX-License-Identifier: Apache-2.0
"""The checks in tools/ find what they are there to find."""
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools"))

import check_layers  # noqa: E402
import code_stats  # noqa: E402
import roofline  # noqa: E402


class Roofline(unittest.TestCase):
    REPORT = {"cpu": "a CPU", "isa": "avx2", "threads": 2, "model": "m",
              "limits": {"f32_gflops": 200.0, "int8_gops": 600.0, "read_gb_s": 30.0},
              "text": {"prompt_tokens": 100, "prefill_tok_s": 60.0, "decode_tok_s": 15.0},
              "work": {"operations_per_token": 5e9, "bytes_per_token": 1.6e9}}

    def test_points_follow_from_work_and_speed(self):
        decode, prefill = roofline.points(self.REPORT)
        self.assertEqual(decode[0], "m decode")
        self.assertAlmostEqual(decode[1], 5 / 1.6)
        self.assertAlmostEqual(decode[2], 75)
        self.assertAlmostEqual(prefill[1], 100 * 5 / 1.6)
        self.assertAlmostEqual(prefill[2], 300)

    def test_the_picture_is_xml_with_every_point(self):
        root = xml.etree.ElementTree.fromstring(roofline.draw([self.REPORT, self.REPORT]))
        circles = [e for e in root.iter() if e.tag.endswith("circle")]
        self.assertEqual(len(circles), 4)


class Tree(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.write("tools/layers.toml", '[layers]\nbase = []\ntensor = ["base"]\n')
        (self.root / "src").mkdir()

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


class CheckLayers(Tree):
    def test_accepts_an_include_that_the_table_lists(self):
        self.write("src/tensor/a.h", '#include "base/error.h"\n')
        self.assertEqual(check_layers.check(self.root)[0], [])

    def test_refuses_an_upward_include_and_names_file_and_line(self):
        self.write("src/base/a.h", '\n#include "tensor/tensor.h"\n')
        (breach,) = check_layers.check(self.root)[0]
        self.assertTrue(breach.startswith("src/base/a.h:2: base may not include tensor"))

    def test_refuses_a_confined_third_party_header_elsewhere(self):
        self.write("src/base/a.cc", "#include <torch/torch.h>\n")
        self.assertEqual(len(check_layers.check(self.root)[0]), 1)

    def test_refuses_the_json_library_in_a_header_but_not_in_a_source(self):
        self.write("src/base/a.cc", "#include <nlohmann/json.hpp>\n")
        self.assertEqual(check_layers.check(self.root)[0], [])
        self.write("src/base/a.h", "#include <nlohmann/json.hpp>\n")
        self.assertEqual(len(check_layers.check(self.root)[0]), 1)

    def test_refuses_a_folder_without_a_row(self):
        self.write("src/stray/a.cc", "")
        self.assertEqual(check_layers.check(self.root)[0], ["src/stray: no row in tools/layers.toml"])

    def test_finds_a_cycle_of_the_table(self):
        self.write("tools/layers.toml", '[layers]\na = ["b"]\nb = ["c"]\nc = ["a"]\n')
        (breach,) = check_layers.check(self.root)[0]
        self.assertEqual(breach, "tools/layers.toml: cycle a -> b -> c -> a")


class CodeStats(Tree):
    SPDX = "// SPDX-License-Identifier: Apache-2.0\n"

    def breaches(self):
        files = code_stats.read_files(self.root)
        return list(code_stats.hard_breaches(self.root, files, None))

    def test_accepts_a_plain_file(self):
        self.write("src/base/a.cc", self.SPDX + 'const char* text = "printf(";  // exit(1) is not called\n')
        self.assertEqual(self.breaches(), [])

    def test_finds_printing_below_cli(self):
        self.write("src/base/a.cc", self.SPDX + 'void f() { printf("x"); }\n')
        self.write("src/cli/b.cc", self.SPDX + 'void f() { printf("x"); }\n')
        self.assertEqual(self.breaches(), ["src/base/a.cc:2: 'printf(' belongs in cli/"])

    def test_finds_a_long_line_and_a_missing_licence(self):
        self.write("src/base/a.cc", "int " + "x" * 100 + ";\n")
        self.assertEqual(len(self.breaches()), 2)

    def test_finds_an_undocumented_declaration(self):
        self.write("src/base/a.h", self.SPDX + "#pragma once\n\nint documented_not();\n\n/// Said.\nint g();\n")
        (file,) = code_stats.read_files(self.root)
        self.assertEqual(code_stats.undocumented(file), ["src/base/a.h:4"])


if __name__ == "__main__":
    unittest.main()
