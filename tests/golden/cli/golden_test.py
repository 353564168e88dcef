#!/usr/bin/env python3
"""golden_test: runs the commands of a case against a daemon of its own and compares all that they print.

    golden_test.py CASE.txt ...            exit status 1 and a diff where something else is printed
    golden_test.py --update CASE.txt ...   writes what is printed now into the files

A case is a text file:

    # a comment
    @ reader                       first line: the daemon's tenants let us only read (else: operators)
    @ nodaemon                     first line: no daemon
    @ layout NAME                  first line: what the devices offer (else: system.LAYOUT)
    @ sh LINE                      a line of shell, which must succeed
    @ responder NAME ARGUMENTS     starts qsplit-responder, until it is ready
    @ kill NAME                    SIGKILL, until the daemon has taken its leases back
    @ start NAME LINE              starts a program in the background
    @ until NAME TEXT              until TEXT stands in its output
    @ stop NAME TEXT               SIGINT, or its own end; what it printed on lines that hold TEXT follows
    $ LINE                         a line of shell; what it prints follows:
    text on stdout
    ! text on stderr
    ? 2                            the exit status, where it is not 0

JSON (`qsplit -j`, `qsplit -p`) is compared by its keys and values. What differs from run to run is
masked: masks.py.
"""

import difflib
import signal
import sys

import masks
import system


def shown(out, err):
    lines = out.split("\n")
    if lines[-1] == "":
        lines.pop()
    else:
        lines[-1] += "\\"  # no end of line
    return [line + "\n" for line in lines] + ["! " + line + "\n" for line in err.splitlines()]


def run_line(qsplit, line):
    run = qsplit.run(line)
    words = line.split()
    out = run.stdout
    if words[0] == "qsplit" and out and "|" not in words and {"-j", "-p"} & set(words):
        out = masks.json_text(out, one_a_line="-j" in words and "-p" not in words)
    lines = shown(masks.text(out, qsplit.dir), masks.text(run.stderr, qsplit.dir))
    return lines + ([f"? {run.returncode}\n"] if run.returncode else [])


def step(qsplit, words):
    kind, rest = words[0], " ".join(words[1:])
    if kind == "sh":
        run = qsplit.run(rest)
        if run.returncode != 0:
            raise AssertionError(f"{rest}: {run.stdout}{run.stderr}")
    elif kind == "responder":
        qsplit.responder(words[1], " ".join(words[2:]))
    elif kind == "kill":
        qsplit.kill(words[1])
    elif kind == "start":
        qsplit.start(words[1], " ".join(words[2:]))
    elif kind == "until":
        text = " ".join(words[2:])
        qsplit.wait_for(lambda: text in qsplit.read(words[1]) + qsplit.read(words[1], "err"), f"{words[1]} says '{text}'")
    elif kind == "stop":
        status = qsplit.end(words[1], signal.SIGINT)
        out = "".join(line + "\n" for line in qsplit.read(words[1]).splitlines() if " ".join(words[2:]) in line)
        lines = shown(masks.text(out, qsplit.dir), masks.text(qsplit.read(words[1], "err"), qsplit.dir))
        return lines + ([f"? {status}\n"] if status else [])
    else:
        raise AssertionError(f"unknown step '{kind}'")
    return []


def replay(lines):
    """What the case's file would be if what is printed now were right."""
    commands = [line for line in lines if line.startswith(("$ ", "@ ", "#"))]
    how = commands[0].split()[1:] if commands and commands[0].startswith("@ ") else []
    first = how[:1] in (["reader"], ["nodaemon"], ["layout"])
    out = []
    with system.System(tenants="reader" if how == ["reader"] else "admin", daemon=how != ["nodaemon"],
                       layout=how[1] if how[:1] == ["layout"] else system.LAYOUT) as qsplit:
        for number, line in enumerate(commands):
            out.append(line)
            if line.startswith("$ "):
                out += run_line(qsplit, line[2:].rstrip("\n"))
            elif line.startswith("@ ") and not (first and number == 0):
                out += step(qsplit, line[2:].split())
    return out


def main():
    files = sys.argv[1:]
    update = "--update" in files
    files = [name for name in files if name != "--update"]
    different = 0
    for name in files:
        with open(name, encoding="utf-8") as f:
            expected = f.readlines()
        now = replay(expected)
        if now == expected:
            continue
        if update:
            with open(name, "w", encoding="utf-8") as f:
                f.writelines(now)
            continue
        different += 1
        sys.stdout.writelines(difflib.unified_diff(expected, now, name, "printed now"))
    if different:
        print(f"If that is right: {sys.argv[0]} --update {' '.join(files)}")
    return 1 if different or not files else 0


sys.exit(main())
