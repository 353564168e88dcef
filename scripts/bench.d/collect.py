"""Runs the programs of programs.py, and writes their rows as a table, as JSON, as a picture, into the README.

Options: see scripts/bench, which builds first and hands its options on.
"""

import argparse
import datetime
import json
import os
import platform
import re
import shlex
import subprocess
import sys

import picture
import table
from programs import PROGRAMS, TARGETS, TARGETS_OF_BUILD

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RELEASE = os.path.join(ROOT, "build", "release")
CANNOT_RUN_HERE = 77


def first_match(file, pattern, otherwise):
    try:
        with open(file, encoding="utf-8") as text:
            found = re.search(pattern, text.read(), re.M)
    except OSError:
        found = None
    return found[1] if found else otherwise


def version_of(root):
    """The commit that is checked out; "-dirty" behind it where a file of it is not as it is there."""
    return subprocess.run(["git", "-C", root, "describe", "--always", "--dirty", "--exclude=*"], capture_output=True,
                          text=True, check=False).stdout.strip() or "no version"


def facts_of_machine(quick, only):
    return {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
            "cpu": first_match("/proc/cpuinfo", r"^model name[^:]*: *(.*)$", platform.machine()),
            "cpus": os.cpu_count(), "kernel": platform.release(), "load": round(os.getloadavg()[0], 2),
            "version": version_of(ROOT), "interpreted": os.environ.get("QSPLIT_JIT") == "0", "quick": quick,
            "only": only, "left_out": [], "not_built": [], "failed": []}


def run(program, quick, env):
    """Its processes, one after the other: the first status that is not 0, and what they printed."""
    status, text = 0, ""
    for words in program.processes:
        command = program.command.format(bench=RELEASE + "/bench", source=ROOT, **words)
        argv = shlex.split(f"{command} {program.quick if quick else program.full}")
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, env=env, cwd=ROOT, check=False)
        status, text = status or done.returncode, text + done.stdout
    return status, text


def chosen(only):
    return [program for program in PROGRAMS if only in program.target]


def measure(quick, only):
    facts, rows = facts_of_machine(quick, only), []
    env = {**os.environ, "QSPLIT_SOURCE_DIR": ROOT, "QSPLIT_BINARY_DIR": RELEASE, "QSPLIT_BIN_DIR": RELEASE + "/bin",
           "QSPLIT_LAYOUT_DIR": RELEASE + "/share/qsplit/layouts"}
    for program in chosen(only):
        print(f"bench: {program.target}", file=sys.stderr)
        try:
            status, text = run(program, quick, env)
        except OSError as error:
            print(f"bench: {error.filename}: {error.strerror}; run without --no-build", file=sys.stderr)
            facts["not_built"].append(program.target)
            continue
        found = list(table.rows_of(program.read(text), TARGETS))
        rows += found
        if status == CANNOT_RUN_HERE:
            facts["left_out"].append(program.target)
        elif status or not found:
            print(f"bench: {program.target} ended in status {status} with {len(found)} rows", file=sys.stderr)
            facts["failed"].append(program.target)
    return facts, rows


def write(file, text):
    with open(file, "w", encoding="utf-8") as out:
        out.write(text)


def put(file, text):
    """Puts it between the marks of a page."""
    with open(file, encoding="utf-8") as page:
        old = page.read()
    new, times = re.subn(r"(<!-- bench: [^>]*-->\n).*?(<!-- /bench -->\n)", lambda m: m[1] + text + m[2], old,
                         flags=re.S)
    if times != 1:
        sys.exit(f"bench: {file} has {times} blocks between <!-- bench: … --> and <!-- /bench -->; it needs one")
    write(file, new)


def why_no_pages(facts):
    """Pages are of a whole run, or they would lose rows that nobody misses; "": they can be written."""
    if facts.get("only"):
        return f"only {facts['only']} was measured"
    for what, how in (("failed", "failed"), ("not_built", "not built")):
        if facts.get(what):
            return f"{', '.join(facts[what])}: {how}"
    return ""


def put_into_pages(root, facts, rows):
    """Into the tree: what was measured as JSON, and what is made of it."""
    with_target = [row for row in rows if row.bound()]
    line = table.machine(facts)
    write(os.path.join(root, "docs/bench.json"), table.json_text(facts, rows))
    write(os.path.join(root, "docs/images/bench.svg"), picture.draw(rows, line))
    put(os.path.join(root, "README.md"),
        f"![What was to be reached, and what is](docs/images/bench.svg)\n\n{table.markdown(with_target)}\n\n{line}.\n")
    put(os.path.join(root, "docs/bench.md"), f"{table.markdown(rows)}\n\n{line}.\n")


def why_not_writable(file):
    """Asked before minutes are spent; "": nothing speaks against it."""
    folder = os.path.dirname(file) or "."
    if not os.path.isdir(folder):
        return f"there is no folder {folder}"
    if os.path.isdir(file) or not os.access(file if os.path.exists(file) else folder, os.W_OK):
        return f"{file} cannot be written"
    return ""


def read_old(file):
    try:
        with open(file, encoding="utf-8") as text:
            return table.from_json(json.load(text))
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"bench: --from {file}: not what --json writes: {error}")


def main():
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--json")
    parser.add_argument("--svg")
    parser.add_argument("--readme", action="store_true")
    parser.add_argument("--from", dest="old")
    parser.add_argument("--root", default=ROOT, help="the tree whose pages --readme writes")
    parser.add_argument("--targets", action="store_true", help="what is to be built")
    options = parser.parse_args()
    if options.readme and options.only:  # before minutes are spent
        parser.error("--readme is for all programs; --only leaves rows out of the pages")
    if not chosen(options.only):
        parser.error(f"--only {options.only}: no program's name has that; there are "
                     + ", ".join(program.target for program in PROGRAMS))
    for file in filter(None, (options.json, options.svg)):
        if why := why_not_writable(file):
            parser.error(why)
    if options.targets:
        print(*[program.target for program in chosen(options.only)], *TARGETS_OF_BUILD)
        return 0
    facts, rows = read_old(options.old) if options.old else measure(options.quick, options.only)
    print(f"\n{table.markdown(rows)}\n\n{table.machine(facts)}")
    if options.json:
        write(options.json, table.json_text(facts, rows))
    if options.svg:
        write(options.svg, picture.draw(rows, table.machine(facts)))
    if options.readme and (why := why_no_pages(facts)):
        sys.exit(f"bench: the pages stay as they are: {why}")
    if options.readme:
        put_into_pages(options.root, facts, rows)
    return 1 if facts.get("failed") else 0


if __name__ == "__main__":
    sys.exit(main())
