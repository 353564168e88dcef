"""Where the tree, its build and its programs are. CTest says so; by hand it is the release build."""
import os
import sys

SOURCE = os.environ.get("QSPLIT_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.path.join(SOURCE, "build")  # of all presets
BINARY = os.environ.get("QSPLIT_BINARY_DIR") or os.path.join(BUILD, "release")
ENVIRONMENT = {
    "QSPLIT_SOURCE_DIR": SOURCE,
    "QSPLIT_BINARY_DIR": BINARY,
    "QSPLIT_BIN_DIR": os.environ.get("QSPLIT_BIN_DIR") or os.path.join(BINARY, "bin"),
    "QSPLIT_LAYOUT_DIR": os.environ.get("QSPLIT_LAYOUT_DIR") or os.path.join(BINARY, "share/qsplit/layouts"),
}
for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)
sys.path.insert(0, os.path.join(SOURCE, "tests/support/system"))


class Missing(Exception):
    """Something that a guest needs is not on this machine: the reason to skip."""
