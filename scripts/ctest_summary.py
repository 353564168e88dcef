"""ctest_summary: what one run of ctest found, label by label, out of its JUnit file.

  ctest_summary.py RUN-NAME JUNIT.xml      one line for each label: run|label|passed|failed|skipped
  ctest_summary.py --skips JUNIT.xml       the skipped tests with the reason that each gave
  ctest_summary.py --failures JUNIT.xml    the names of the failed tests
"""

import re
import sys
import xml.etree.ElementTree as tree


def reason(text):
    """A skipped test's own words: GoogleTest's message, or a script's last line."""
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    for i, line in enumerate(lines):
        if re.search(r": Skipped$|^Skipped$", line) and i + 1 < len(lines):
            return lines[i + 1]
    useful = [l for l in lines if not re.match(r"^(\[|Note: Google|Running main)", l)]
    return useful[-1] if useful else "no reason given"


def label_of(case):
    for prop in case.iter("property"):
        if prop.get("name") == "cmake_labels":
            return (prop.get("value") or "").split(";")[0]
    return "other"


def main():
    what, path = sys.argv[1], sys.argv[2]
    counts = {}
    for case in tree.parse(path).getroot().iter("testcase"):
        skipped = case.find("skipped") is not None or case.get("status") in ("notrun", "disabled")
        failed = case.find("failure") is not None or case.get("status") == "fail"
        output = case.findtext("system-out")
        kind = 1 if failed else 2 if skipped else 0
        counts.setdefault(label_of(case), [0, 0, 0])[kind] += 1
        if what == "--skips" and kind == 2:
            print(f"{case.get('name')}: {reason(output)}")
        elif what == "--failures" and kind == 1:
            print(case.get("name"))
    if not what.startswith("--"):
        for label, (passed, failed, skipped) in sorted(counts.items()):
            print(f"{what}|{label}|{passed}|{failed}|{skipped}")


main()
