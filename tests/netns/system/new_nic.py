#!/usr/bin/env python3
"""docs/new-nic.md: the commands of its `#` lines, in their order, as root and in a folder with the
layout that its spec makes. They see namespaces and processes of their own, which go with them.
QSPLIT_UPDATE_GOLDEN=1 writes into the page what they print now.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

from world import BIN, SOURCE, check, finish, need_root, need_tools

sys.path.insert(0, SOURCE + "/tests/support")
import page_commands  # noqa: E402

need_root()
need_tools("ping", "setpriv", "unshare")

SETUP = """mount --make-rprivate / && mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns
"""


def script_of(commands):
    """What a person would type, waiting for what is started to say that it is ready."""
    lines = [SETUP]
    for number, command in enumerate(commands):
        lines.append(f"echo '@{number}'")
        if command.text.endswith(" &"):
            log = f"log.{number}"
            lines.append(f"{command.text[:-2]} >{log} 2>&1 &")
            lines.append(f"for i in $(seq 100); do grep -q ready {log} && break; sleep 0.1; done; cat {log}")
        else:
            lines.append(command.text)
        lines.append(f"echo '={number}' $?")
    return "\n".join(lines)


def shape(line):
    """Without what differs from run to run; a loss is no such thing."""
    if "packets transmitted" in line:
        return line.split(", time")[0]
    line = re.sub(r", pipe [0-9]+", "", line)  # ping's, where a reply was late
    return re.sub(r"\s+", " ", re.sub(r"[0-9][0-9.:TZ-]*", "0", line)).strip()


with open(SOURCE + "/docs/new-nic.md") as file:
    page = file.read()
commands = [command for command in page_commands.commands(page) if command.prompt == "#"]
check("the page has commands", len(commands) >= 8, len(commands))
folder = tempfile.mkdtemp(prefix="qsplit-page.", dir="/tmp")
try:
    os.chmod(folder, 0o755)
    os.mkdir(folder + "/layouts")
    made = subprocess.run([BIN + "/qdlc", SOURCE + "/docs/examples/acme.ax100.qdl", "-o", folder + "/layouts/"])
    check("qdlc compiles the spec", made.returncode == 0)
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", script_of(commands)], cwd=folder, text=True,
                          env={**os.environ, "PATH": BIN + ":" + os.environ["PATH"]}, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    ran = []
    for number, command in enumerate(commands):
        part = re.search(rf"^@{number}\n(.*?)^={number} (\d+)$", done.stdout, re.S | re.M)
        check(command.text.split("\n")[0], part is not None and part.group(2) == "0")
        if not part:
            continue
        ran.append((command, part.group(1).rstrip().replace(folder, "/tmp/acme").split("\n") if part.group(1) else []))
        printed = [shape(line) for line in ran[-1][1] if line.strip()]
        said = [shape(line) for line in command.output if line.strip()]
        check("  prints what the page says", printed == said, "" if printed == said else f"{printed} {said}")
    if os.environ.get("QSPLIT_UPDATE_GOLDEN"):
        with open(SOURCE + "/docs/new-nic.md", "w") as file:
            file.write(page_commands.with_outputs(page, ran))
finally:
    shutil.rmtree(folder)
finish()
