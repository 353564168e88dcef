#!/usr/bin/env python3
"""A hostile program with an AF_XDP socket of a lease that only receives: it makes no transmit ring of it and sends
nothing, and what it writes into its rings harms nobody but itself."""
import ctypes
import os
import socket
import struct

from veth_world import BIN, VethWorld, check, finish, need_root, need_tools

PIDFD_GETFD = 438  # asm-generic/unistd.h
SO_DOMAIN, AF_XDP, SOL_XDP = 39, 44, 283
XDP_MMAP_OFFSETS, XDP_TX_RING = 1, 3  # linux/if_xdp.h
XDP_UMEM_PGOFF_FILL_RING = 0x100000000
SLOTS = 2048
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p


class Receiving(VethWorld):
    tenant = """
[[tenant]]
name = "nobody"
uids = [65534]
"""


def stolen(program):
    """The AF_XDP socket of a program, as it could itself use it."""
    pidfd = os.pidfd_open(program.pid)
    for name in os.listdir(f"/proc/{program.pid}/fd"):
        if not os.readlink(f"/proc/{program.pid}/fd/{name}").startswith("socket:"):
            continue
        taken = socket.socket(AF_XDP, socket.SOCK_RAW, 0, fileno=libc.syscall(PIDFD_GETFD, pidfd, int(name), 0))
        if taken.getsockopt(socket.SOL_SOCKET, SO_DOMAIN) == AF_XDP:
            return taken
        taken.close()
    return None


def refused(call):
    try:
        call()
    except OSError:
        return True
    return False


def fill_ring(rogue):
    offsets = struct.unpack("16Q", rogue.getsockopt(SOL_XDP, XDP_MMAP_OFFSETS, 128))
    producer, _, descriptors, _ = offsets[8:12]
    at = libc.mmap(None, ctypes.c_size_t((descriptors + SLOTS * 8 + 4095) // 4096 * 4096), 3, 1, rogue.fileno(),
                   ctypes.c_long(XDP_UMEM_PGOFF_FILL_RING))
    check("it has its fill ring mapped", at not in (None, ctypes.c_void_p(-1).value))
    return at + producer, at + descriptors


need_root()
need_tools("ping", "setpriv", "taskset")
w = Receiving(queues=2)
capture = w.start_ready([BIN + "/qsplit-capture", "--device", "eth", "--write", "/dev/null", "--rule",
                         "flow-type udp4 dst-port 4242 action 0"], "capture", drop=True)
other = w.start_ready([BIN + "/qsplit-capture", "--device", "eth", "--write", "/dev/null", "--rule",
                       "flow-type udp4 dst-port 4343 action 0"], "other", drop=True)
rogue = stolen(capture)
check("a program's AF_XDP socket is had", rogue is not None)
check("no transmit ring can be made for a socket that has none",
      refused(lambda: rogue.setsockopt(SOL_XDP, XDP_TX_RING, struct.pack("I", 64))))
check("nor anything be sent with it", refused(lambda: rogue.sendto(b"x" * 64, 0, b"")) or
      libc.sendto(rogue.fileno(), None, 0, socket.MSG_DONTWAIT, None, 0) < 0)
producer, descriptors = fill_ring(rogue)
for address in range(SLOTS):
    ctypes.c_uint64.from_address(descriptors + 8 * address).value = 0xFFFFFFFFFFFFF000 + address
for garbage in (0xDEADBEEF, 0, 0xFFFFFFFF, 0x80000000):
    ctypes.c_uint32.from_address(producer).value = garbage
    w.try_in(w.world, "python3", "-c", """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(300): s.sendto(bytes(64), ("10.88.0.2", 4242))
""")
    for command in (("queue", "why", "eth", "0"), ("queue", "dump", "eth", "0", "--slots", "0-1"),
                    ("stats", "show", "eth")):
        check(f"`qsplit {command[0]} {command[1]}` with index {garbage:#x}", bool(w.qsplit_text(*command)))
ctypes.c_uint32.from_address(producer).value = 0xDEADBEEF
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
