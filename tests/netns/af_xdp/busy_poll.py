#!/usr/bin/env python3
"""A device whose configuration asks for busy polling: the sockets of its leases have it, and a program that waits on
them answers as ever."""
import ctypes
import os
import signal
import socket

from veth_world import VethWorld, check, finish, need_root, need_tools

MICROSECONDS = 50
AF_XDP = 44
SO_DOMAIN, SO_BUSY_POLL, SO_INCOMING_NAPI_ID, SO_PREFER_BUSY_POLL = 39, 46, 56, 69  # asm-generic/socket.h
SYS_PIDFD_GETFD = 438


def xdp_sockets(pid):
    """Of another process: duplicates of its AF_XDP sockets."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    for name in os.listdir(f"/proc/{pid}/fd"):
        if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
            continue
        fd = libc.syscall(SYS_PIDFD_GETFD, process, int(name), 0)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        one = socket.socket(AF_XDP, socket.SOCK_RAW, 0, fileno=fd)
        if one.getsockopt(socket.SOL_SOCKET, SO_DOMAIN) == AF_XDP:
            yield one


need_root()
need_tools("ping", "setpriv", "taskset")
w = VethWorld(queues=1, keys=f"busy_poll = {MICROSECONDS}")
client = w.responder("client", "10.88.0.10", 4242)
has = [[one.getsockopt(socket.SOL_SOCKET, option) for option in (SO_PREFER_BUSY_POLL, SO_BUSY_POLL)]
       for one in xdp_sockets(client.pid)]
check("the lease's socket polls for as long as was asked for", has == [[1, MICROSECONDS]], has)
# Since Linux 6.14 a socket polls what the driver names for its queue, and veth names nothing.
why = {one["subject"]: one["finding"] for one in w.qsplit("queue", "why", "eth", "0")["checks"]}
polls = [one.getsockopt(socket.SOL_SOCKET, SO_INCOMING_NAPI_ID) != 0 for one in xdp_sockets(client.pid)]
check("`qsplit queue why` says whether calls poll anything",
      ("calls poll NAPI" if polls == [True] else "no NAPI") in why.get("busy polling", ""), (polls, why))
w.ping("ping to the program", "10.88.0.10")
w.udp("UDP to the program, every datagram", "10.88.0.10", 4242)
check("each ring is passed many times over", *w.try_in(w.world, "ping", "-q", "-f", "-c", "10000", "-W", "2",
                                                       "10.88.0.10"))
w.ping("ping to the kernel's own address", "10.88.0.2")
client.send_signal(signal.SIGTERM)
check("SIGTERM ends the program in status 0", client.wait(20) == 0, w.log("client"))
w.daemon.send_signal(signal.SIGTERM)
check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
finish()
