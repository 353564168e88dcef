#!/usr/bin/env python3
"""kaitai_test: the .ksy of each spec, compiled by the kaitai-struct-compiler, reads the same values
out of the same bytes as our interpreter.

The compiler and its runtime come from the npm registry, pinned by package-lock.json, into the build
tree. Needs node and npm; says so and skips where they, or the registry, are not to be had. A .ksy
with a mistake put into it must fail, or nothing here says anything.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.environ.get("QSPLIT_SOURCE_DIR") or os.path.realpath(os.path.join(HERE, "../../../.."))
BIN = os.environ.get("QSPLIT_BIN_DIR") or os.path.join(SOURCE, "build/debug/bin")
BINARY = os.environ.get("QSPLIT_BINARY_DIR") or os.path.dirname(BIN)
LAYOUTS = os.environ.get("QSPLIT_LAYOUT_DIR") or os.path.join(BINARY, "share/qsplit/layouts")
FOLDER = os.path.join(BINARY, "tests/kaitai")
MISTAKES = [(r"type: u2le", "type: u2be"), (r" >> 1\)", " >> 2)"), (r" & 1\)", " & 0)"), (r"\* 4294967296", "* 65536")]


def skip(why):
    print(f"SKIPPED: {why}; so no .ksy was compiled and compared", file=sys.stderr)
    sys.exit(77)


def install():
    """The packages of the lock file in the build tree; kept until the lock changes."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            skip(f"no {program}; scripts/setup installs it")
    lock = open(os.path.join(HERE, "package-lock.json")).read()
    done = os.path.join(FOLDER, "installed")
    if os.path.exists(done) and open(done).read() == lock:
        return
    os.makedirs(FOLDER, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, name), FOLDER)
    run = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=FOLDER,
                         capture_output=True, text=True)
    if run.returncode != 0:
        skip(f"npm ci failed:\n{run.stdout}{run.stderr}")
    with open(done, "w") as file:
        file.write(lock)


def compare(names):
    """What compare.cjs says of NAME.ksy and NAME.json, for each name."""
    run = subprocess.run(["node", os.path.join(HERE, "compare.cjs"), FOLDER, *names], capture_output=True, text=True)
    results = [json.loads(line) for line in run.stdout.splitlines()]
    if run.returncode != 0 or len(results) != len(names):
        sys.exit(f"compare.cjs failed:\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
    return results


def write_files(name, folder):
    """NAME.ksy and NAME.json of one layout."""
    path = os.path.join(folder, name)
    spec = os.path.join(SOURCE, "descriptor-specs", name + ".qdl")
    subprocess.run([os.path.join(BIN, "qdlc"), spec, "--emit", "kaitai", "-o", path + ".ksy"], check=True)
    with open(path + ".json", "w") as file:
        subprocess.run([os.path.join(BINARY, "tests/kaitai_vectors"), os.path.join(LAYOUTS, name + ".layout")],
                       check=True, stdout=file)
    return path


def unnoticed_mistakes(paths, folder):
    """Each mistake, put into the first .ksy that has a place for it."""
    made = []
    for number, mistake in enumerate(MISTAKES):
        for path in paths:
            wrong, count = re.subn(*mistake, open(path + ".ksy").read(), count=1)
            if count == 0:
                continue
            target = os.path.join(folder, f"mistake{number}")
            shutil.copy(path + ".json", target + ".json")
            with open(target + ".ksy", "w") as file:
                file.write(wrong)
            made.append(target)
            break
        else:
            yield f"no .ksy has a place for the mistake {mistake}"
    for mistake, result in zip(MISTAKES, compare(made)):
        if result["values"] == 0 or not result["errors"]:
            yield f"the mistake {mistake} was not noticed"


def main():
    install()
    names = sorted(name.removesuffix(".layout") for name in os.listdir(LAYOUTS) if name.endswith(".layout"))
    with tempfile.TemporaryDirectory() as folder:
        paths = [write_files(name, folder) for name in names]
        results = compare(paths)
        failed = [f"{name}: {error}" for name, result in zip(names, results) for error in result["errors"]]
        failed += [f"{name}: nothing was compared" for name, result in zip(names, results) if not result["values"]]
        failed += unnoticed_mistakes(paths, folder)
    for message in failed[:50]:
        print(message, file=sys.stderr)
    forms, values = (sum(result[what] for result in results) for what in ("forms", "values"))
    print(f"kaitai: {len(names)} specs, {forms} descriptors, {values} values compared, {len(failed)} failures")
    return 1 if failed or not names else 0


sys.exit(main())
