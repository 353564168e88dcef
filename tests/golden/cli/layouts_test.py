#!/usr/bin/env python3
"""layouts_test: what `qsplit layout` prints of the daemon's layout is what qdlc prints of its spec."""

import json
import os
import unittest

import system

SPEC = os.path.join(system.SOURCE, "descriptor-specs", system.LAYOUT + ".qdl")


class LayoutsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(system.System())

    def output(self, line):
        run = self.system.run(line)
        self.assertEqual((run.returncode, run.stderr), (0, ""), line)
        return run.stdout

    def test_text(self):
        expected = self.output(f"qdlc {SPEC} --emit text")
        self.assertIn("receive", expected)
        self.assertEqual(self.output(f"qsplit layout emit text {system.LAYOUT}"), expected)

    def test_show_has_the_diagrams_and_the_tables(self):
        shown = self.output(f"qsplit layout show {system.LAYOUT}")
        for line in self.output(f"qdlc {SPEC} --emit text").splitlines():
            self.assertIn(line, shown)
        form = json.loads(self.output(f"qdlc {SPEC} --emit json"))["forms"][0]
        for field in form["fields"]:
            self.assertIn(field["name"], shown)
        diagram = [line for line in self.output(f"qdlc {SPEC} --emit diagram").splitlines() if line.strip().endswith("|")]
        self.assertTrue(diagram)
        self.assertEqual([line for line in shown.splitlines() if line in diagram], diagram)
        self.assertLessEqual(max(map(len, diagram)), 80)

    def test_each_output_is_the_compilers(self):
        for name in ("diagram", "qdl", "format", "svg", "c++", "c", "bpf", "kaitai", "html"):
            expected = self.output(f"qdlc {SPEC} --emit {name}")
            self.assertEqual(self.output(f"qsplit layout emit {name} {system.LAYOUT}"), expected, name)

    def test_pages_and_their_index(self):
        run = self.system.run("qsplit layout emit html -o ./")
        self.assertEqual((run.returncode, run.stderr), (0, f"./{system.LAYOUT}.html\n"))
        with open(os.path.join(self.system.dir, "index.html"), encoding="utf-8") as index:
            self.assertIn(f'href="{system.LAYOUT}.html"', index.read())
        with open(os.path.join(self.system.dir, system.LAYOUT + ".html"), encoding="utf-8") as page:
            self.assertEqual(page.read(), self.output(f"qdlc {SPEC} --emit html"))

    def test_bytes_to_values_and_back(self):
        hexed = self.output(f"qsplit layout encode {system.LAYOUT} TxLegacy buffer_address=0x10000 buffer_length=60 eop=1")
        decoded = self.system.json(f"qsplit -j layout decode {system.LAYOUT} --form TxLegacy {hexed.strip()}")
        values = {field["name"]: field["value"] for field in decoded["fields"]}
        self.assertEqual((values["buffer_address"], values["buffer_length"], values["eop"]), ("65536", "60", "1"))
        text = self.output(f"qsplit layout decode {system.LAYOUT} --form TxLegacy {hexed.strip()}")
        self.assertRegex(text, r"buffer_length +60 +buffer.length")

    def test_json(self):
        expected = json.loads(self.output(f"qdlc {SPEC} --emit json"))
        self.assertTrue(expected)
        self.assertEqual(json.loads(self.output(f"qsplit layout emit json {system.LAYOUT}")), expected)
        self.assertEqual(self.system.json(f"qsplit -j layout show {system.LAYOUT}"), expected)

    def test_digests_agree(self):
        listed = self.output("qsplit -d layout list").splitlines()[1].split()[1]
        checked = self.output(f"qsplit layout check layouts/{system.LAYOUT}.layout").split()[-1]
        self.assertRegex(listed, "^[0-9a-f]{64}$")
        self.assertEqual(listed, checked)
        shown = self.output("qsplit device show nic0").split(f"{system.LAYOUT}@")[1].split()[0]
        self.assertTrue(listed.startswith(shown))


unittest.main()
