"""ctest_summary: what one run of ctest found, label by label, out of its JUnit file.

  ctest_summary.py RUN-NAME JUNIT.xml TESTS.json
                                           one line for each label:
                                           run|label|passed|failed|skipped|seconds of all its tests;
                                           TESTS.json is what ctest --show-only=json-v1 prints
  ctest_summary.py --skips JUNIT.xml       the skipped tests with the reason that each gave
  ctest_summary.py --failures JUNIT.xml    the names of the failed tests
"""

import json
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


def parts(text):
    """What a GoogleTest program says that ran as one test of ctest: (number passed, names failed,
    {name skipped: reason}). None: something else, or it did not come to its end."""
    text = text or ""
    if not re.search(r"^\[==========\] [0-9]+ tests? from .* ran\.", text, re.MULTILINE):
        return None
    passed = re.search(r"^\[  PASSED  \] ([0-9]+) tests?\.", text, re.MULTILINE)
    end = text[text.rindex("[==========]"):]
    failed = re.findall(r"^\[  FAILED  \] ([^\s,]+\.[^\s,]+)", end, re.MULTILINE)
    skipped = {}
    for found in re.finditer(r"^\[ RUN      \] (\S+)\n((?:(?!\[ RUN ).*\n)*?)\[  SKIPPED \] \1", text, re.MULTILINE):
        skipped[found[1]] = reason(found[2])
    return int(passed[1]) if passed else 0, failed, skipped


def labels_of(path):
    """{test name: its kind}: ctest's JUnit file says nothing of labels."""
    found = {}
    with open(path, encoding="utf-8") as f:
        for test in json.load(f)["tests"]:
            for prop in test.get("properties", []):
                if prop["name"] == "LABELS":
                    kinds = [label for label in prop["value"] if label != "hostile"]
                    found[test["name"]] = (kinds or prop["value"])[0]
    return found


def main():
    what, path = sys.argv[1], sys.argv[2]
    labels = labels_of(sys.argv[3]) if len(sys.argv) > 3 else {}
    counts = {}
    for case in tree.parse(path).getroot().iter("testcase"):
        skipped = case.find("skipped") is not None or case.get("status") in ("notrun", "disabled")
        failed = case.find("failure") is not None or case.get("status") == "fail"
        output = case.findtext("system-out")
        kind = 1 if failed else 2 if skipped else 0
        name, inside = case.get("name"), parts(output)
        count = counts.setdefault(labels.get(case.get("name"), "other"), [0, 0, 0, 0.0])
        count[3] += float(case.get("time") or 0)
        if inside and not skipped and inside[0] + len(inside[1]) + len(inside[2]) > 1:
            count[0] += inside[0]
            # It may say that all is well, and end badly.
            count[1] += len(inside[1]) or kind
            count[2] += len(inside[2])
            skips = {f"{name}.{test}": why for test, why in inside[2].items()}
            failures = [f"{name}.{test}" for test in inside[1]] or [name] * kind
        else:
            count[kind] += 1
            skips = {name: reason(output)} if kind == 2 else {}
            failures = [name] if kind == 1 else []
        if what == "--skips":
            for test, why in skips.items():
                print(f"{test}: {why}")
        elif what == "--failures":
            print("\n".join(failures), end="\n" if failures else "")
    if not what.startswith("--"):
        for label, (passed, failed, skipped, seconds) in sorted(counts.items()):
            print(f"{what}|{label}|{passed}|{failed}|{skipped}|{seconds:.0f}")


main()
