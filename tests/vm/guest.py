"""Boots a guest, runs one command in it, and has back what that said.

The command runs as the guest's root, by chroot in the host's own tree, read only, so that programs built
on the host are there, with fresh /tmp, /run and /dev/shm. The folder `out` is /run/vm in the guest:

    command      a shell script, from the host
    plan.json    the machine's NICs, from the host
    kept         folders of the host's tree that the fresh ones would hide, from the host
    output       what the command printed, as it prints it
    status       its exit status; not there if the guest did not end by itself
    kernel.log   the guest kernel's log
    console      what the kernel said before; a panic is here, and what QEMU complains of
    hang.txt     what is known of a guest that hung: hang.py
    faults.txt   a line for each DMA that the IOMMU refused, from QEMU: faults.py
"""
import dataclasses
import json
import os
import shlex
import subprocess
import sys
import time

import hang
import kernel
from host_wire import HostWire
from where import BINARY, ENVIRONMENT, SOURCE

HIDDEN = ("/tmp", "/run", "/dev")
# No case is silent for so long: a guest that is has hung.
SILENCE_SECONDS = 120


@dataclasses.dataclass
class Ended:
    status: int | None  # None: it did not end by itself
    out: str
    seconds: float
    why: str = ""  # it did not end by itself
    broken: bool = False  # the machine is to blame: it hung and was killed, or QEMU crashed

    def text(self, name):
        try:
            with open(os.path.join(self.out, name), errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""


def boot(machine, argv, out, seconds, environment=None):
    """Runs argv in a guest of this machine; it is killed after that many seconds. Raises Missing."""
    vmlinux, initramfs = kernel.prepared(machine.newer_kernel)
    write(out, machine, argv, environment or {})
    command = machine.command(vmlinux, initramfs, out)
    began = time.monotonic()
    hosts = [HostWire(out, wire, address) for wire, address in machine.host_wires]
    with open(f"{out}/console", "ab") as console, open(f"{out}/output", "ab"):
        # The kernel ends the guest if this process is killed.
        qemu = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL,
                                stdout=console, stderr=subprocess.STDOUT)
        why, broken = "", False
        try:
            why, broken = watch(qemu, out, seconds)
        finally:
            qemu.kill()
            qemu.wait()
            for host in hosts:
                host.close()
    ended = Ended(None, out, time.monotonic() - began, why, broken)
    status = ended.text("status").strip()
    if not why and status:
        ended.status = int(status)
    elif not why:
        ended.why = "the guest went down before the command had ended"
    return ended


def watch(qemu, out, seconds):
    """Waits for a guest to end: why it did not by itself, and whether the machine is to blame."""
    began = heard = time.monotonic()
    said = 0
    while True:
        try:
            status = qemu.wait(1)
            return (f"QEMU ended with status {status}" if status else "", status < 0)
        except subprocess.TimeoutExpired:
            pass
        now = time.monotonic()
        length = sum(os.path.getsize(f"{out}/{name}") for name in ("console", "output"))
        if length != said:
            heard, said = now, length
        why = (f"the guest did not end within {seconds} s" if now - began > seconds else
               f"the guest has been silent for {SILENCE_SECONDS} s" if now - heard > SILENCE_SECONDS else "")
        if why:
            return f"{why}; {hang.take(out, qemu.pid)}", True


def write(out, machine, argv, environment):
    variables = {**ENVIRONMENT, "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                 "HOME": "/tmp", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", **environment}
    with open(f"{out}/command", "w") as file:
        for name, value in variables.items():
            file.write(f"export {name}={shlex.quote(value)}\n")
        file.write(f"cd {shlex.quote(SOURCE)} && exec {shlex.join(argv)}\n")
    with open(f"{out}/plan.json", "w") as file:
        json.dump(machine.plan(), file)
    with open(f"{out}/kept", "w") as file:
        for folder in sorted({os.path.realpath(SOURCE), os.path.realpath(BINARY)}):
            if folder.startswith(HIDDEN):
                file.write(folder + "\n")


def python(*argv):
    return [sys.executable, "-B", *argv]
