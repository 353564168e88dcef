"""A test that boots one guest and runs some cases in it; one script is both ends of it.

    from case import check, run
    from machine import Machine, e1000e, peer

    MACHINE = Machine((e1000e("nic", wire=1), peer("kernel", wire=1)))

    def answers(guest):
        '''a client answers ping'''
        check(...)

    run(__file__, MACHINE, [answers], seconds=60)

On the host run() boots the guest, which runs the same script: there run() calls the cases, one after
the other, each with an inside.Guest of its own. A case whose NIC this QEMU lacks is skipped, loudly, and
so is the test if the machine has no QEMU or no kernel package: exit status 77.
"""
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

import faults
import guest as host_guest
import hang
import kernel
import watchdog
from inside import SHARED, Absent, Expected, Guest
from machine import models
from system import check, failures, wait_until  # noqa: F401: wait_until is for tests
from where import BUILD, Missing

INSIDE = "QSPLIT_VM_INSIDE"
CONSOLE_LINES = 40
LOUD = "NOT SHOWN TO WORK BY THIS RUN."


def run(script, machine, cases, seconds=120):
    run_each(script, [(machine, cases)], seconds)


def run_each(script, boots, seconds=120):
    """For tests that want several machines: each of `boots` is one, with its cases. They run side by side, for
    a guest waits more than it works."""
    inside = os.environ.get(INSIDE)
    if inside:
        sys.exit(run_inside(boots[int(inside)][1]))
    try:
        models()
        for machine, _ in boots:
            kernel.prepared(machine.newer_kernel)
    except Missing as missing:
        print(f"SKIPPED: {missing}. {LOUD}", file=sys.stderr)
        sys.exit(77)
    statuses = []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for status, said in pool.map(lambda i: run_on_host(script, i, boots[i][0], seconds), range(len(boots))):
            print(*said, sep="\n", flush=True)
            statuses.append(status)
    sys.exit(next((status for status in statuses if status not in (0, 77)), max(statuses)))


def run_on_host(script, boot, machine, seconds, tries=2):
    """The status, and what is to be said. A guest that hangs, or whose QEMU crashes, is booted once more:
    machine.py says why that may be. Both boots are told of."""
    name = os.path.basename(script).removesuffix(".py")
    out = tempfile.mkdtemp(prefix=f"{name}-", dir=os.path.join(BUILD, "vm"))
    ended = host_guest.boot(machine, host_guest.python(script), out, seconds, {INSIDE: str(boot)})
    status, why = verdict(ended)
    said = [ended.text("output") + f"the guest ran for {ended.seconds:.1f} s", *why]
    again = ended.broken and tries > 1
    if status not in (0, 77):
        said.append(keep(out, f"{name}-{boot}{'-broken' if again else ''}"))
    shutil.rmtree(out, ignore_errors=True)
    if again:
        said.append(f"THE GUEST'S MACHINE BROKE ({ended.why}); IT IS BOOTED ONCE MORE")
        status, more = run_on_host(script, boot, machine, seconds, tries - 1)
        said += more
    return status, said


def verdict(ended):
    """A test's status, and why it is that."""
    if ended.status is None:
        return 1, [f"FAILED: {ended.why}; the end of what the kernel said:",
                   *ended.text("console").splitlines()[-CONSOLE_LINES:]]
    if ended.status not in (0, 77):
        return 1, [f"FAILED: the cases ended with status {ended.status}; the end of the kernel's log:",
                   *ended.text("kernel.log").splitlines()[-15:]]
    claimed = json.loads(ended.text("claimed.json"))
    found = faults.read(ended.out)
    if len(found) != claimed:
        return 1, [f"FAILED: {len(found)} faults at the IOMMU, {claimed} were expected:", *map(str, found[-20:])]
    return ended.status, []


def keep(out, name):
    kept = os.path.join(BUILD, "log", f"vm-{name}")
    shutil.rmtree(kept, ignore_errors=True)
    os.makedirs(os.path.dirname(kept), exist_ok=True)
    shutil.copytree(out, kept, ignore=shutil.ignore_patterns("wire*.qemu", "wire*.host", hang.MONITOR, hang.SERIAL))
    return f"this, the kernel's log and the rest are kept in {kept}"


def run_inside(cases):
    skipped = []
    watchdog.start()
    for case in cases:
        what = (case.__doc__ or case.__name__).strip()
        print(f"{what}:", flush=True)
        began, faults_before, claimed_before = time.monotonic(), len(faults.read(SHARED)), Expected.claimed
        guest = Guest()
        try:
            case(guest)
        except Absent as absent:
            skipped.append(what)
            print(f"  SKIPPED: {absent}. {LOUD}")
        except Exception:
            check("no exception", False, "\n" + traceback.format_exc())
        finally:
            guest.close()
        unexpected = faults.read(SHARED)[faults_before + Expected.claimed - claimed_before:]
        if unexpected:
            check("no fault that was not provoked", False, "; ".join(map(str, unexpected[:10])))
            Expected.claimed += len(unexpected)
        print(f"  {time.monotonic() - began:.1f} s", flush=True)
    with open(f"{SHARED}/claimed.json", "w") as file:
        json.dump(Expected.claimed, file)
    if failures:
        with open(f"{SHARED}/lspci", "w") as file:
            subprocess.run(["lspci", "-nnvk"], stdout=file, stderr=subprocess.STDOUT)
        print(f"{len(failures)} did not hold:", *failures, sep="\n  ")
        return 1
    return 77 if skipped else 0
