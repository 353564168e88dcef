#!/usr/bin/env python3
"""A hostile program with an AF_XDP socket of a lease that only receives: it makes no transmit ring of it and sends
nothing, and what it writes into its rings harms nobody but itself."""
import struct

from stolen import SOL_XDP, Ring, socket_of, told
from veth_world import BIN, VethWorld, check, finish, need_root, need_tools

XDP_TX_RING = 3  # linux/if_xdp.h


class Receiving(VethWorld):
    tenant = """
[[tenant]]
name = "nobody"
uids = [65534]
"""


def refused(call):
    try:
        call()
    except OSError:
        return True
    return False


need_root()
need_tools("ping", "setpriv", "taskset")
w = Receiving(queues=2)
capture = w.start_ready([BIN + "/qsplit-capture", "--device", "eth", "--write", "/dev/null", "--rule",
                         "flow-type udp4 dst-port 4242 action 0"], "capture", drop=True)
other = w.start_ready([BIN + "/qsplit-capture", "--device", "eth", "--write", "/dev/null", "--rule",
                       "flow-type udp4 dst-port 4343 action 0"], "other", drop=True)
rogue = socket_of(capture)
check("a program's AF_XDP socket is had", rogue is not None)
check("no transmit ring can be made for a socket that has none",
      refused(lambda: rogue.setsockopt(SOL_XDP, XDP_TX_RING, struct.pack("I", 64))))
check("nor anything be sent with it", told(rogue) != "")
fill = Ring(rogue, "fill")
for slot in range(fill.slots):
    fill.write(slot, struct.pack("Q", 0xFFFFFFFFFFFFF000 + slot))
for garbage in (0xDEADBEEF, 0, 0xFFFFFFFF, 0x80000000):
    fill.set("producer", garbage)
    w.try_in(w.world, *w.pinned(0, "python3", "-c", """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(300): s.sendto(bytes(64), ("10.88.0.2", 4242))
"""))
    for command in (("queue", "why", "eth", "0"), ("queue", "dump", "eth", "0", "--slots", "0-1"),
                    ("stats", "show", "eth")):
        check(f"`qsplit {command[0]} {command[1]}` with index {garbage:#x}", bool(w.qsplit_text(*command)))
fill.set("producer", 0xDEADBEEF)
why = w.qsplit("queue", "why", "eth", "0")
torn = [one for one in why["checks"] if "further apart" in one["finding"]]
check("queue why says that the program writes its indices wrongly", torn, why)
check("the daemon lives", w.daemon.poll() is None)
w.try_in(w.world, *w.pinned(1, "python3", "-c", """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(100): s.sendto(bytes(64), ("10.88.0.2", 4343))
"""))
queues = {queue.get("queue", 0): int(queue.get("packets", 0))
          for queue in w.qsplit("stats", "show", "eth")["stats"]["queues"] if not queue.get("transmit")}
check("the other lease has all that is its", queues[1] == 100, queues)
w.ping("and so has the kernel's stack", "10.88.0.2", count=20)
finish()
