#!/usr/bin/env python3
"""help_test: what every --help promises: examples that parse, lines that fit, one answer on stdout."""

import re
import shlex
import unittest

import system
from verbs import OBJECTS, VERBS

COLUMNS = 100


class HelpTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(system.System(daemon=False))

    def help_of(self, command):
        run = self.system.run(f"{command} --help")
        self.assertEqual((run.returncode, run.stderr), (0, ""), command)
        return run.stdout

    def listed(self, command):
        text = self.help_of(command)
        return re.findall(r"^  (\w+) ", text.split("Subcommands:")[1].split("\n\n")[0], re.M)

    def test_every_object_and_verb_is_known_here(self):
        self.assertEqual(self.listed("qsplit"), list(OBJECTS))
        for name, verbs in OBJECTS.items():
            if verbs:
                self.assertEqual(self.listed("qsplit " + name), verbs)

    def test_verbs_have_examples_of_themselves(self):
        for verb in VERBS:
            with self.subTest(verb):
                examples = self.help_of("qsplit " + verb).split("Examples:\n")[1].split("\n\n")[0]
                self.assertTrue([line for line in examples.splitlines() if verb in line], examples)

    def test_examples_are_words_that_qsplit_takes(self):
        for command in [""] + VERBS:
            examples = self.help_of("qsplit " + command).split("Examples:\n")[1].split("\n\n")[0]
            for line in examples.splitlines():
                words = shlex.split(line.strip().split(" | ")[0].split(" > ")[0], comments=True)
                if words[0] != "qsplit" or "6d:5a:56:da:…" in words:
                    continue
                with self.subTest(line):
                    # No daemon runs: right words end with 1, wrong ones with 2.
                    run = self.system.run(f"{shlex.join(words)} --runtime-dir {self.system.run_dir}"
                                          if "rule add" not in line and "--runtime-dir" not in line
                                          else shlex.join(words))
                    self.assertEqual(run.returncode, 1, run.stderr)

    def test_lines_fit(self):
        commands = ["qsplit", "qsplitd", "qdlc"] + [f"qsplit {c}" for c in [*OBJECTS, *VERBS]]
        for command in commands:
            for line in self.help_of(command).splitlines():
                self.assertLessEqual(len(line), COLUMNS, f"{command}: {line}")
                self.assertEqual(line, line.rstrip(), command)

    def test_long_and_short_help_are_the_same(self):
        for command in ["qsplit", "qsplit rule add", "qsplitd", "qdlc"]:
            self.assertEqual(self.help_of(command), self.system.run(f"{command} -h").stdout)


unittest.main()
