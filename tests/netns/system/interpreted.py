#!/usr/bin/env python3
"""QSPLIT_JIT=0 for everybody: the daemon and its client interpret layouts, in processes that have no
machine code of their own making, and the same traffic passes as with it. Both say which it is, and why.

Two layouts: rings that are completed in place, and a ring with a phase and a prefix.
"""
import os
import re
import signal

from world import World, check, finish, need_root, need_tools

WHY = "QSPLIT_JIT=0 in the environment"
DATAGRAMS = 1500  # each ring of 512 slots is passed several times


def made_code(pid):
    """Whether the process has executable memory that is no file's."""
    with open(f"/proc/{pid}/maps") as file:
        return any(re.search(r" r-xp 00000000 00:00 0 +$", line) for line in file)


def says(what, text, words, compiled):
    """Whether the line that has these words says machine code, or else the reason for its lack."""
    line = next((line for line in text.splitlines() if words in line), "")
    check(what, ("by machine code" if compiled else WHY) in line, line)


def carries(layout, compiled):
    print(f"layout {layout}, " + ("machine code" if compiled else "QSPLIT_JIT=0"))
    os.environ["QSPLIT_JIT"] = "1" if compiled else "0"
    w = World(layout=layout)
    a = w.responder("a", "10.99.0.10", 4242)
    w.ping("ping", "10.99.0.10")
    w.ping("ping with 1400 bytes", "10.99.0.10", size=1400)
    w.udp("every datagram is answered", "10.99.0.10", 4242, count=DATAGRAMS)

    says("the daemon's log says how", w.log("qsplitd"), " descriptors taken=", compiled)
    says("the client says how it receives", w.log("a"), "receive descriptors: ", compiled)
    says("and how it transmits", w.log("a"), "transmit descriptors: ", compiled)
    number = w.qsplit("lease", "list")["leases"][0]["rx_queues"][0]
    says("queue why says how the daemon receives", w.qsplit_text("queue", "why", "nic0", str(number)),
         "descriptors ", compiled)
    check("the daemon's process has made code" if compiled else "the daemon's process has made no code",
          made_code(w.daemon.pid) == compiled)
    check("so has the client's" if compiled else "nor has the client's", made_code(a.pid) == compiled)
    stats = w.qsplit("stats", "show", "nic0")["stats"]["queues"]
    check("no packet was lost and no queue faulted", not any(
        int(queue.get(name, 0)) for queue in stats for name in queue
        if name.startswith("drops") or name == "faults"))
    a.send_signal(signal.SIGTERM)
    check("the client ends in status 0", a.wait(10) == 0, w.log("a"))
    answered = re.search(r"answered: (\d+) udp, (\d+) echo", w.log("a"))
    w.close()
    return answered.groups() if answered else None


need_root()
need_tools("ip", "ping", "setpriv")
for layout in ("intel.ixgbe.advanced", "virtio.packed"):
    without = carries(layout, compiled=False)
    check("as many packets as with machine code", without == carries(layout, compiled=True), without)
finish()
