#!/usr/bin/env python3
"""docs/new-nic.md: its spec is docs/examples/acme.ax100.qdl, line by line, and each command that needs
no privilege prints what the page says. QSPLIT_UPDATE_GOLDEN=1 writes into the page what they print now.
tests/netns/system/new_nic.py runs the others.
"""
import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ["QSPLIT_SOURCE_DIR"]
sys.path.insert(0, SOURCE + "/tests/support")
import page_commands  # noqa: E402

PAGE = SOURCE + "/docs/new-nic.md"
SPEC = SOURCE + "/docs/examples/acme.ax100.qdl"
failures = 0


def fail(*words):
    global failures
    failures += 1
    print(*words, sep="\n")


def plain(lines):
    return [line.split("//")[0].split() for line in lines if line.split("//")[0].strip()]


with open(PAGE) as file:
    page = file.read()
with open(SPEC) as file:
    spec = file.read()
if plain(page_commands.other_blocks(page)) != plain(spec.split("\n")):
    fail(f"the lines of {SPEC} and those on the page are not the same")

ran = []
with tempfile.TemporaryDirectory() as folder:
    shutil.copy(SPEC, folder)
    environment = {**os.environ, "PATH": os.environ["QSPLIT_BIN_DIR"] + ":" + os.environ["PATH"]}
    for command in page_commands.commands(page):
        if command.prompt != "$":
            continue
        done = subprocess.run(["bash", "-c", command.text], cwd=folder, env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        printed = done.stdout.rstrip("\n").split("\n") if done.stdout.strip() else []
        ran.append((command, printed))
        if [line.rstrip() for line in printed] != [line.rstrip() for line in command.output]:
            fail("$ " + command.text, "printed:", *printed, "but the page says:", *command.output)
if len(ran) < 5:
    fail(f"the page has {len(ran)} commands")
if os.environ.get("QSPLIT_UPDATE_GOLDEN"):
    with open(PAGE, "w") as file:
        file.write(page_commands.with_outputs(page, ran))
sys.exit(1 if failures else 0)
