#!/usr/bin/env python3
"""SIGKILL of a program that holds queues: another one that starts then has them within 100 ms."""
import signal
import time

from veth_world import VethWorld, check, finish, need_root, need_tools

ROUNDS = 11
QUEUES = 2

need_root()
need_tools("ping", "setpriv", "taskset")
w = VethWorld(queues=QUEUES)
took = []
for number in range(ROUNDS):
    holder = w.responder(f"holder{number}", "10.88.0.10", 4242, "--queues", str(QUEUES))
    time.sleep(0.1)
    begin = time.monotonic()
    holder.kill()
    next_one = w.responder(f"next{number}", "10.88.0.10", 4242, "--queues", str(QUEUES))
    took.append(1000 * (time.monotonic() - begin))
    lease = w.qsplit("lease", "list")["leases"][-1]
    check(f"round {number}: the next program has the same queues", lease["rx_queues"] == list(range(QUEUES)), lease)
    next_one.send_signal(signal.SIGTERM)
    next_one.wait(5)
    holder.wait(5)
# The least of them: what daemon and kernel need with the start of a program, not what a busy machine adds.
check("within 100 ms of the SIGKILL", min(took) < 100, " ".join(f"{ms:.0f}" for ms in sorted(took)) + " ms")
finish()
