"""case: a test case with a tree of its own, over which it runs one of scripts/checks."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Check(unittest.TestCase):
    """Gives each test a tree of its own and runs a check over it."""

    check = ""

    def setUp(self):
        self.tree = tempfile.mkdtemp(prefix="qsplit-checks-")
        self.addCleanup(shutil.rmtree, self.tree)

    def write(self, path, text):
        path = os.path.join(self.tree, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def run_check(self, *arguments, env=None):
        return subprocess.run(
            [sys.executable, "-B", os.path.join(ROOT, "scripts/checks", self.check), "--root", self.tree, *arguments],
            capture_output=True, text=True, check=False, env={**os.environ, **(env or {})},
        )

    def assert_clean(self, *arguments, **more):
        run = self.run_check(*arguments, **more)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout

    def assert_found(self, *texts, arguments=()):
        """The check fails, and some one line of its output holds all the texts."""
        run = self.run_check(*arguments)
        self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
        self.assertTrue(
            any(all(t in line for t in texts) for line in run.stdout.splitlines()),
            f"no line with {texts} in:\n{run.stdout}",
        )
