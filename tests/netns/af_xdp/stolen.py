"""The AF_XDP socket of another process, its rings and its memory, as the process could itself use them: for tests that
are hostile. As root, which may take descriptors of others."""
import ctypes
import errno
import mmap
import os
import socket
import struct

PIDFD_GETFD = 438  # asm-generic/unistd.h
SO_DOMAIN, AF_XDP, SOL_XDP = 39, 44, 283
XDP_MMAP_OFFSETS = 1  # linux/if_xdp.h
PGOFF = {"rx": 0, "tx": 0x80000000, "fill": 0x100000000, "completion": 0x180000000}
SLOT_BYTES = {"rx": 16, "tx": 16, "fill": 8, "completion": 8}
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p


def socket_of(program):
    """Its AF_XDP socket; None: it has none."""
    pidfd = os.pidfd_open(program.pid)
    try:
        for name in os.listdir(f"/proc/{program.pid}/fd"):
            if not os.readlink(f"/proc/{program.pid}/fd/{name}").startswith("socket:"):
                continue
            taken = socket.socket(AF_XDP, socket.SOCK_RAW, 0, fileno=libc.syscall(PIDFD_GETFD, pidfd, int(name), 0))
            if taken.getsockopt(socket.SOL_SOCKET, SO_DOMAIN) == AF_XDP:
                return taken
            taken.close()
    finally:
        os.close(pidfd)
    return None


def memory_of(program):
    """The largest memfd that it has mapped: its region."""
    maps = []
    with open(f"/proc/{program.pid}/maps") as file:
        for line in file:
            words = line.split()
            if len(words) > 5 and words[5].startswith("/memfd:"):
                begin, end = (int(word, 16) for word in words[0].split("-"))
                maps.append((end - begin, words[0]))
    with open(f"/proc/{program.pid}/map_files/{max(maps)[1]}", "r+b") as file:
        return mmap.mmap(file.fileno(), 0)


class Ring:
    """One of the socket's rings: its cells and slots as they are."""

    def __init__(self, sock, name):
        offsets = struct.unpack("16Q", sock.getsockopt(SOL_XDP, XDP_MMAP_OFFSETS, 128))
        at = ("rx", "tx", "fill", "completion").index(name) * 4
        producer, consumer, slots, flags = offsets[at:at + 4]
        self.slot_bytes, self.name = SLOT_BYTES[name], name
        for power in range(20, 5, -1):
            self.slots, self.bytes = 1 << power, slots + (self.slot_bytes << power)
            self.base = libc.mmap(None, ctypes.c_size_t(self.bytes), mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED,
                                  sock.fileno(), ctypes.c_long(PGOFF[name]))
            if self.base not in (None, ctypes.c_void_p(-1).value):
                break
        else:
            raise OSError(ctypes.get_errno(), f"no {name} ring")
        self.cells = {cell: ctypes.c_uint32.from_address(self.base + offset)
                      for cell, offset in (("producer", producer), ("consumer", consumer), ("flags", flags))}
        self.first = self.base + slots

    def get(self, cell):
        return self.cells[cell].value

    def set(self, cell, value):
        self.cells[cell].value = value & 0xFFFFFFFF

    def write(self, index, content):
        ctypes.memmove(self.first + index % self.slots * self.slot_bytes, content, self.slot_bytes)

    def close(self):
        libc.munmap(ctypes.c_void_p(self.base), ctypes.c_size_t(self.bytes))


def told(sock):
    """sendto, as a program tells the kernel of what it has posted. The errno's name; "": none."""
    if libc.sendto(sock.fileno(), None, 0, socket.MSG_DONTWAIT, None, 0) >= 0:
        return ""
    return errno.errorcode[ctypes.get_errno()]
