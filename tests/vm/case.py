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
import watchdog
from inside import SHARED, Absent, Expected, Guest
from system import check, failures, wait_until  # noqa: F401: wait_until is for tests
from where import BUILD, Missing

INSIDE = "QSPLIT_VM_INSIDE"
LOUD = "NOT SHOWN TO WORK BY THIS RUN."


def run(script, machine, cases, seconds=120):
    run_each(script, [(machine, cases)], seconds)


def run_each(script, boots, seconds=120):
    """For tests that want several machines: each of `boots` is one, with its cases."""
    inside = os.environ.get(INSIDE)
    if inside:
        sys.exit(run_inside(boots[int(inside)][1]))
    statuses = [run_on_host(script, i, machine, seconds, tries=2) for i, (machine, _) in enumerate(boots)]
    sys.exit(next((status for status in statuses if status not in (0, 77)), max(statuses)))


def run_on_host(script, boot, machine, seconds, tries):
    """A guest that hangs, or whose QEMU crashes, is booted once more: machine.py says why that may be. Both
    boots are told of."""
    name = os.path.basename(script).removesuffix(".py")
    os.makedirs(os.path.join(BUILD, "vm"), exist_ok=True)
    out = tempfile.mkdtemp(prefix=f"{name}-", dir=os.path.join(BUILD, "vm"))
    try:
        ended = host_guest.boot(machine, host_guest.python(script), out, seconds, {INSIDE: str(boot)})
    except Missing as missing:
        shutil.rmtree(out)
        print(f"SKIPPED: {missing}. {LOUD}", file=sys.stderr)
        return 77
    sys.stdout.write(ended.text("output"))
    print(f"the guest ran for {ended.seconds:.1f} s")
    status = verdict(ended)
    if ended.broken and tries > 1:
        print(*ended.text("console").splitlines()[-15:], sep="\n")
        keep(out, f"{name}-broken")
        shutil.rmtree(out, ignore_errors=True)
        print(f"THE GUEST'S MACHINE BROKE ({ended.why}); IT IS BOOTED ONCE MORE", flush=True)
        return run_on_host(script, boot, machine, seconds, tries - 1)
    if status not in (0, 77):
        keep(out, name)
    shutil.rmtree(out, ignore_errors=True)
    return status


def verdict(ended):
    if ended.status is None:
        print(f"FAILED: {ended.why}; the kernel said:\n{ended.text('console')}")
        return 1
    if ended.status not in (0, 77):
        print(f"FAILED: the cases ended with status {ended.status}; the end of the kernel's log:")
        print(*ended.text("kernel.log").splitlines()[-15:], sep="\n")
        return 1
    claimed = json.loads(ended.text("claimed.json"))
    found = faults.read(ended.out)
    if len(found) != claimed:
        print(f"FAILED: {len(found)} faults at the IOMMU, {claimed} were expected:", *found[-20:], sep="\n  ")
        return 1
    return ended.status


def keep(out, name):
    kept = os.path.join(BUILD, "log", f"vm-{name}")
    shutil.rmtree(kept, ignore_errors=True)
    os.makedirs(os.path.dirname(kept), exist_ok=True)
    shutil.copytree(out, kept, ignore=shutil.ignore_patterns("wire*.qemu", "wire*.host", hang.MONITOR, hang.SERIAL))
    print(f"this, the kernel's log and the rest are kept in {kept}")


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
