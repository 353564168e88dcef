"""common: what the checks share: finding files, printing findings, the exit status.

A check is a program scripts/checks/NAME. It takes --root DIR (default: this source tree), prints one
line for each finding as file:line: text, and exits 0 (nothing found), 1 (found) or 2 (usage, or a
tool is missing).
"""

import argparse
import os
import subprocess
import sys

SKIP_DIRS = {".git", "build", "out", "node_modules", "__pycache__"}


def arguments(doc, extra=None):
    """Parses --root and what `extra(parser)` adds."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser.add_argument("--root", default=here, help="the tree to check (default: this one)")
    if extra:
        extra(parser)
    args = parser.parse_args()
    args.root = os.path.abspath(args.root)
    if not os.path.isdir(args.root):
        parser.error(f"--root {args.root}: no such folder")
    return args


def files(root, suffixes=()):
    """Paths, relative to root, of the files of the tree: what git tracks or would track; without git,
    everything but build folders. Sorted."""
    found = None
    if os.path.exists(os.path.join(root, ".git")):
        git = subprocess.run(
            ["git", "-C", root, "-c", "safe.directory=*", "ls-files", "-zco", "--exclude-standard"],
            capture_output=True,
            check=False,
        )
        if git.returncode == 0:
            found = [f for f in git.stdout.decode().split("\0") if f]
    if found is None:
        found = []
        for folder, dirs, names in os.walk(root):
            dirs[:] = [d for d in dirs if d not in SKIP_DIRS]
            found += [os.path.relpath(os.path.join(folder, n), root) for n in names]
    return sorted(
        {
            f
            for f in found
            if (not suffixes or f.endswith(tuple(suffixes)))
            and os.path.isfile(os.path.join(root, f))
            and not os.path.islink(os.path.join(root, f))
        }
    )


def lines(root, path):
    """The lines of a text file; none for a binary file."""
    with open(os.path.join(root, path), "rb") as f:
        data = f.read()
    if b"\0" in data[:8192]:
        return []
    return data.decode("utf-8", "replace").splitlines()


class Findings:
    """Collects findings and ends the program with the right status."""

    def __init__(self, name):
        self.name = name
        self.found = 0

    def add(self, path, line, text):
        self.found += 1
        print(f"{path}:{line}: {text}")

    def warn(self, path, line, text):
        print(f"{path}:{line}: warning: {text}")

    def exit(self, checked):
        if self.found:
            print(f"{self.name}: {self.found} finding{'s' if self.found > 1 else ''} in {checked}")
            sys.exit(1)
        print(f"{self.name}: {checked}: clean")
        sys.exit(0)


def fail(name, text):
    """A tool is missing or misused: not a finding, not clean either."""
    print(f"{name}: {text}", file=sys.stderr)
    sys.exit(2)
