#!/usr/bin/env python3
"""Queues that a tenant's programs keep after their leases, by the sockets, count to its quota: it cannot have one
queue after the other. When such a program ends, its queue is had again."""
import os
import signal
import time

from veth_world import BIN, NOBODY, NotReady, VethWorld, check, finish, need_root, need_tools

QUOTA = 2


class World(VethWorld):
    tenant = f"""
[[tenant]]
name = "other"
uids = [65533]
may_transmit = ["eth"]
steer = "any"

[[tenant]]
name = "nobody"
uids = [65534]
may_transmit = ["eth"]
quotas = {{ rx_queues = {QUOTA}, tx_queues = {QUOTA} }}
"""


def kept(w, name, queue):
    """A program whose lease is revoked and which keeps its socket."""
    program = w.responder(name, f"10.88.0.{10 + queue}", 4242)
    lease = w.qsplit("lease", "list")["leases"][-1]
    check(f"{name} has a queue", lease["rx_queues"] == [queue], lease)
    os.kill(program.pid, signal.SIGSTOP)
    w.qsplit("lease", "revoke", lease["lease_id"])
    return program


def tried(w, uid="65534", *more):
    """What a client says that is refused; empty: it had a lease."""
    argv = [*NOBODY, BIN + "/qsplit-responder", "--device", "eth", "--ip", "10.88.0.13", *more]
    argv[argv.index("65534")] = uid
    try:
        program = w.start_ready(argv, "tried")
    except NotReady as refused:
        return refused.log
    program.terminate()
    program.wait(20)
    return ""


def lived(w):
    """Whether a program had its lease, from its beginning to its end."""
    try:
        program = w.responder("again", "10.88.0.10", 4242)
    except NotReady:
        return False
    program.terminate()
    return program.wait(20) == 0


need_root()
need_tools("setpriv")
w = World(queues=4, steer='"any"')
keepers = [kept(w, "first", 0), kept(w, "second", 1)]
for _ in range(3):  # a machine that does something else for a while is asked again
    begin = time.monotonic()
    said = tried(w)
    seconds = time.monotonic() - begin
    if seconds < 1.5:
        break
check("who keeps as many queues as it may lease gets no other", f"{QUOTA} that programs keep after their leases" in said,
      said)
check("and hears it soon", seconds < 1.5, f"{seconds:.2f} s")
check("another tenant gets one", tried(w, "65533") == "")
keepers[0].kill()
keepers[0].wait()
check("when one of them has ended, it has a queue again", tried(w) == "")
# A program that releases its lease at its limit and asks for the next at once is not refused.
check("of programs that end and begin at once, each has its own", all(lived(w) for _ in range(4)), w.log("again"))
keepers[1].kill()
keepers[1].wait()
finish()
