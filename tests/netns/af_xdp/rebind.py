#!/usr/bin/env python3
"""SIGKILL of a program that holds queues: they can be bound again within 100 ms, whether it had one or as many as the
default quota gives; and another program that starts then has the same."""
import time

from bind_probe import milliseconds_until_free
from veth_world import VethWorld, check, finish, need_root, need_tools

ROUNDS = 11
MOST_QUEUES = 16  # qsplitd's default quota
LIMIT_MS = 100
# A machine that does something else for a while is measured again; one that always does, is too slow for this.
MEASUREMENTS = 3


class WideWorld(VethWorld):
    tenant = VethWorld.tenant.replace("rx_queues = 4, tx_queues = 4", "rx_queues = 16, tx_queues = 16")


def measure(w, queues):
    """Milliseconds of each round, ascending."""
    took = []
    for _ in range(ROUNDS):
        holder = w.responder("holder", "10.88.0.10", 4242, "--queues", str(queues))
        held = [lease for lease in w.qsplit("lease", "list")["leases"] if lease["pid"] == holder.pid][0]["rx_queues"]
        time.sleep(0.02)
        took.append(milliseconds_until_free(w.host, w.dev, held, holder.kill))
        holder.wait(20)
    return sorted(took)


def good(took):
    """All rounds but one."""
    return took[-2] < LIMIT_MS


need_root()
need_tools("ping", "setpriv")
w = WideWorld(queues=MOST_QUEUES)
for queues in (1, MOST_QUEUES):
    for attempt in range(MEASUREMENTS):
        took = measure(w, queues)
        text = " ".join(f"{ms:.0f}" for ms in took) + " ms"
        if good(took):
            break
        print(f"  measurement {attempt + 1} of {MEASUREMENTS}, {queues} queues: {text}", flush=True)
    check(f"{queues} queues: bindable within {LIMIT_MS} ms of the SIGKILL, the median and all rounds but one", good(took),
          text)
holder = w.responder("last", "10.88.0.10", 4242, "--queues", "2")
queues = w.qsplit("lease", "list")["leases"][-1]["rx_queues"]
holder.kill()
w.responder("next", "10.88.0.10", 4242, "--queues", "2")
lease = w.qsplit("lease", "list")["leases"][-1]
check("the next program has the same queues", lease["rx_queues"] == queues, lease)
finish()
