"""The scripts' own words: help, usage errors, and a set-up that is asked twice."""

import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(script, *arguments):
    return subprocess.run(
        [os.path.join(ROOT, "scripts", script), *arguments], capture_output=True, text=True, check=False
    )


class Scripts(unittest.TestCase):
    def test_help_has_examples(self):
        for script in ("setup", "test", "check", "bench"):
            shown = run(script, "--help")
            self.assertEqual(shown.returncode, 0)
            self.assertIn(f"scripts/{script} --help", shown.stdout)

    def test_unknown_option_names_it(self):
        for script in ("setup", "test", "check", "bench"):
            shown = run(script, "--frobnicate")
            self.assertEqual(shown.returncode, 2)
            self.assertIn("--frobnicate", shown.stderr)
            self.assertEqual(shown.stdout, "")

    def test_what_failed_is_shown_at_the_end(self):
        with tempfile.TemporaryDirectory() as folder:  # a tree of nothing but scripts: no step of it can pass
            shutil.copytree(os.path.join(ROOT, "scripts"), folder + "/scripts")
            with open(folder + "/scripts/checks/walls", "w", encoding="utf-8") as check:
                check.write("#!/bin/sh\necho first; seq 100; echo last words; exit 1\n")
            shown = subprocess.run(
                [folder + "/scripts/test", "--no-setup", "--quick"], capture_output=True, text=True, check=False
            )
            self.assertEqual(shown.returncode, 1, shown.stdout)
            failed = shown.stdout[shown.stdout.index("\nFAILED:") :]
            self.assertRegex(failed, r"check walls: \d+ s; log: build/log/check-walls.log\n( +\| \d+\n)+ +\| last words\n")
            self.assertNotIn("first", failed)

    def test_bad_values_name_the_good_ones(self):
        shown = run("test", "--label", "unti")
        self.assertEqual(shown.returncode, 2)
        self.assertIn("fuzz-replay", shown.stderr)
        self.assertIn("'unti'", shown.stderr)
        shown = run("test", "--fuzz", "soon")
        self.assertEqual(shown.returncode, 2)
        self.assertIn("'soon'", shown.stderr)
        shown = run("check", "wals")
        self.assertEqual(shown.returncode, 2)
        self.assertIn("walls", shown.stderr)

    def test_set_up_machine_needs_nothing(self):
        shown = run("setup", "--check")
        self.assertEqual(shown.returncode, 0, shown.stdout)
        self.assertIn("nothing to do", shown.stdout)

    def test_optional_packages_are_missed_loudly(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(os.path.join(ROOT, "scripts"), folder + "/scripts")
            os.mkdir(folder + "/none")
            with open(folder + "/apt.conf", "w", encoding="utf-8") as conf:
                conf.write(f'Dir::Etc::sourceparts "{folder}/none"; Dir::Etc::sourcelist "/dev/null";\n')
            shown = subprocess.run(
                [folder + "/scripts/setup"],
                env={**os.environ, "APT_CONFIG": folder + "/apt.conf"},
                capture_output=True, text=True, check=False,
            )
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertIn("no linux-image-6.12-amd64 can be had here", shown.stderr)
            self.assertIn("will skip", shown.stderr)


if __name__ == "__main__":
    unittest.main()
