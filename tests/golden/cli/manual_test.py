#!/usr/bin/env python3
"""manual_test: the manual pages are well formed and leave out no command and no option of the programs."""

import os
import re
import shutil
import subprocess
import unittest

import system
from verbs import OBJECTS, VERBS

PAGES = {"qsplit": "qsplit.1", "qsplitd": "qsplitd.8", "qdlc": "qdlc.1"}
MAN = os.path.join(system.SOURCE, "docs/man")


def source(page):
    with open(os.path.join(MAN, page), encoding="utf-8") as f:
        return f.read()


def words(page):
    """The page's text with mdoc's macros for options spelled out: `.It Fl h , -help` has --help."""
    text = source(page).replace("\\-", "-")
    text = re.sub(r"\bFl (-[a-z-]+)", r"-\1", text)
    return re.sub(r"(?<=, )(-[a-z-]+)", r"-\1", text)


class ManualTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(system.System(daemon=False))

    def test_every_option_of_the_help_is_in_the_page(self):
        for program, page in PAGES.items():
            commands = [program] + ([f"{program} {c}" for c in [*OBJECTS, *VERBS]] if program == "qsplit" else [])
            for command in commands:
                options = set(re.findall(r"(?m)^  (?:-\w,)?(--[a-z][a-z-]+)", self.system.run(command + " --help").stdout))
                self.assertTrue(options)
                for option in options:
                    self.assertRegex(words(page), f"(?<![\\w-]){option}(?![\\w-])", f"{command}: {page}")

    def test_every_verb_is_in_the_page(self):
        for verb in VERBS:
            self.assertRegex(source("qsplit.1"), rf"(?m)^\.It Cm {verb}\b", verb)

    def test_the_page_has_no_verb_that_is_none(self):
        found = re.findall(r"(?m)^\.It Cm ([a-z]+(?: [a-z]+)?)\b", source("qsplit.1"))
        self.assertEqual(sorted(set(found)), sorted(VERBS))

    def test_no_page_names_an_option_that_is_none(self):
        for program, page in PAGES.items():
            helps = "".join(self.system.run(f"{c} --help").stdout for c in
                            [program] + ([f"qsplit {v}" for v in VERBS] if program == "qsplit" else []))
            for option in re.findall(r"\.It Fl (?:\w , )?(-[a-z-]+)", source(page)):
                if (program, option) != ("qdlc", "-output"):
                    self.assertIn("-" + option, helps, page)

    def test_pages_have_the_sections_that_people_look_for(self):
        for page in PAGES.values():
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]:
                self.assertIn(f"\n.Sh {section}\n", source(page), page)

    def test_the_formatters_find_nothing_wrong(self):
        checked = 0
        for page in PAGES.values():
            path = os.path.join(MAN, page)
            if shutil.which("man") and shutil.which("groff"):
                run = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path],
                                     capture_output=True, text=True, check=False, env={**os.environ, "MANROFFSEQ": ""})
                self.assertEqual((run.returncode, run.stderr), (0, ""), page)
                checked += 1
            if shutil.which("mandoc"):
                run = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path], capture_output=True, text=True, check=False)
                self.assertEqual(run.stdout, "", page)
                checked += 1
        if not checked:
            self.skipTest("neither groff nor mandoc is installed")


unittest.main()
