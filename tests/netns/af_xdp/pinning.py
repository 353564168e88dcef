#!/usr/bin/env python3
"""A tenant that has the daemon pin 512 MiB again and again, as fast as it can, holds up nobody: another program's
queue can be bound within 100 ms of its SIGKILL all the same."""
import time

from bind_probe import milliseconds_until_free
from veth_world import TESTS, VethWorld, check, finish, need_root, need_tools

ROUNDS = 11
LIMIT_MS = 100
MEASUREMENTS = 3  # as in rebind.py: of a machine that does something else for a while
MIB = 512


class HogsWorld(VethWorld):
    tenant = VethWorld.tenant.replace("tx_queues = 4 }", f'tx_queues = 4, region_bytes = "{2 * MIB}MiB" }}')


def measure(w):
    took = []
    for _ in range(ROUNDS):
        holder = w.responder("holder", "10.88.0.10", 4242)
        held = [lease for lease in w.qsplit("lease", "list")["leases"] if lease["pid"] == holder.pid][0]["rx_queues"]
        time.sleep(0.05)
        took.append(milliseconds_until_free(w.host, w.dev, held, holder.kill))
        holder.wait(5)
    return sorted(took)


def good(took):
    """All but two: the kernel itself, for some 80 ms of each of the hog's rounds, binds nothing for others."""
    return took[-3] < LIMIT_MS


need_root()
need_tools("setpriv")
w = HogsWorld(queues=4)
hog = w.start_ready([TESTS + "/pin_hog", "--mib", str(MIB)], "hog", drop=True)
time.sleep(0.5)
for attempt in range(MEASUREMENTS):
    took = measure(w)
    text = " ".join(f"{ms:.0f}" for ms in took) + " ms"
    if good(took):
        break
    print(f"  measurement {attempt + 1} of {MEASUREMENTS}: {text}", flush=True)
check(f"a queue is bindable within {LIMIT_MS} ms of the SIGKILL, the median and all rounds but two", good(took), text)
check("the hog went on meanwhile", hog.poll() is None, w.log("hog"))
finish()
