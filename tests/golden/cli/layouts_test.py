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
        self.assertEqual(self.output(f"qsplit layout show {system.LAYOUT}"), expected)
        self.assertEqual(self.output(f"qsplit layout emit text {system.LAYOUT}"), expected)

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
