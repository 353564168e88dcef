"""How long a netdev's queues stay busy after something: measured by AF_XDP sockets that are there before it and try to
bind. No program starts meanwhile, so what is measured is the kernel's and the daemon's time."""
import ctypes
import mmap
import os
import struct
import time

libc = ctypes.CDLL(None, use_errno=True)
AF_XDP, SOL_XDP = 44, 283  # linux/socket.h
XDP_RX_RING, XDP_UMEM_REG, XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_COPY = 2, 4, 5, 6, 2  # linux/if_xdp.h
PAGE = mmap.PAGESIZE


class Socket:
    """All that it needs but the queue."""

    def __init__(self):
        self.fd = libc.socket(AF_XDP, 3, 0)
        self.memory = mmap.mmap(-1, 2 * PAGE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.set(XDP_UMEM_REG, struct.pack("QQII", address, 2 * PAGE, PAGE, 0) + bytes(8))
        for ring in (XDP_RX_RING, XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING):
            self.set(ring, struct.pack("I", 64))

    def set(self, option, value):
        if libc.setsockopt(self.fd, SOL_XDP, option, value, len(value)):
            raise OSError(ctypes.get_errno(), f"setsockopt {option} of an AF_XDP socket")

    def bind(self, ifindex, queue):
        address = struct.pack("HHIII", AF_XDP, XDP_COPY, ifindex, queue, 0)
        return libc.bind(self.fd, address, len(address)) == 0


def milliseconds_until_free(netns, netdev, queues, begin, patience_seconds=5):
    """`begin()` is called when the sockets are there; from then on, until the last of the queues is bound. The sockets
    are gone afterwards."""
    ready, tell_ready = os.pipe()
    told, tell = os.pipe()
    begun, tell_begun = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            namespace = os.open("/var/run/netns/" + netns, os.O_RDONLY)
            if libc.setns(namespace, 0):
                raise OSError(ctypes.get_errno(), "setns")
            ifindex = libc.if_nametoindex(netdev.encode())
            left = {queue: Socket() for queue in queues}
            os.write(tell_ready, b"r")
            os.read(begun, 1)
            start = time.monotonic()
            while left and time.monotonic() - start < patience_seconds:
                left = {queue: socket for queue, socket in left.items() if not socket.bind(ifindex, queue)}
                time.sleep(0.001)
            os.write(tell, struct.pack("d", 1000 * (time.monotonic() - start)))
        finally:
            os._exit(0)
    for end in (tell_ready, tell):
        os.close(end)
    try:
        if not os.read(ready, 1):
            raise RuntimeError("no AF_XDP sockets for the measurement")
        os.write(tell_begun, b"b")
        begin()
        return struct.unpack("d", os.read(told, 8))[0]
    finally:
        os.waitpid(pid, 0)
        for end in (ready, told, begun, tell_begun):
            os.close(end)
