"""What a case has inside of the guest: its NICs, wires, a qsplitd, faults and canaries.

A Guest lives for one case. In the end its programs are gone, its namespaces too, and every NIC is back
with the kernel's driver. tests/support/system/system.py has what it shares with other tests: `check`,
starting programs and unprivileged ones, ping, UDP, `qsplit`.
"""
import contextlib
import ctypes
import fcntl
import json
import mmap
import os
import socket
import struct
import sys
import time

from where import SOURCE  # and tests/support/system is known

import faults
from host_wire import answered_file
from pci import Function, write
from system import System, check, wait_until

sys.path.insert(0, os.path.join(SOURCE, "tests/support"))
import udp_ping  # noqa: E402

SHARED = "/run/vm"  # guest.py's folder
CLONE_NEWNET = 0x40000000  # linux/sched.h
SECOND_PROCESSOR = "/sys/devices/system/cpu/cpu1/online"  # Documentation/core-api/cpu_hotplug.rst
SIOCGIFFLAGS, IFF_RUNNING = 0x8913, 0x40  # linux/sockios.h, linux/if.h


class Absent(Exception):
    """This machine's QEMU has no such NIC: the case is skipped."""


class Guest(System):
    def __init__(self):
        super().__init__()
        with open(f"{SHARED}/plan.json") as file:
            self.plan = json.load(file)
        self.namespaces = []
        self.netdevs = {}  # of kernel peers, by name
        self.second_processor(False)

    def facts(self, name):
        for nic in self.plan["nics"]:
            if nic["name"] == name:
                if nic["absent"]:
                    raise Absent(f"this QEMU has no {nic['model']}")
                return nic
        raise KeyError(f"no NIC {name} in this test's machine")

    def mac(self, name):
        return self.facts(name)["mac"]

    def nic(self, name):
        """The PCI function of a NIC."""
        port = f"/sys/bus/pci/devices/{self.facts(name)['root_port']}"
        return Function(next(f for f in sorted(os.listdir(port)) if f.startswith("0000:") and ":pcie" not in f))

    def kernel_peer(self, name, address):
        """Gives a kernel's NIC a namespace of its own, named like it, with this address. Returns the namespace."""
        dev = wait_until(self.nic(name).netdev)
        self.namespace(name)
        self.call("ip", "link", "set", dev, "netns", name)
        self.netdevs[name] = dev
        for words in ("link set lo up", f"addr add {address} dev {dev}", f"link set {dev} up"):
            self.call("ip", "-n", name, *words.split())
        return name

    def namespace(self, name):
        self.call("ip", "netns", "add", name)
        self.namespaces.append(name)

    def vlan(self, peer, vid, address):
        """Gives a kernel peer a VLAN with this address."""
        name = f"vlan{vid}"
        self.call("ip", "-n", peer, "link", "add", "link", self.netdevs[peer], "name", name, "type", "vlan", "id",
                  str(vid))
        self.call("ip", "-n", peer, "addr", "add", address, "dev", name)
        self.call("ip", "-n", peer, "link", "set", name, "up")

    def runs(self, peer):
        """Whether that kernel's NIC has a link."""
        with namespace(peer), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            request = struct.pack("16sH22x", self.netdevs[peer].encode(), 0)  # struct ifreq
            return struct.unpack_from("16sH", fcntl.ioctl(asked, SIOCGIFFLAGS, request))[1] & IFF_RUNNING

    def host_is_answered(self, what, wire, seconds=10):
        """Checks that the process on the host at that wire's end had its pings answered."""
        return check(what, wait_until(lambda: os.path.exists(answered_file(SHARED, wire)), seconds))

    def serve(self, devices, steer='"any"', more=""):
        """Starts qsplitd with these [[device]] sections. Raises NotReady, with its log, if it refuses."""
        self.configure(f"{devices}{self.tenant}steer = {steer}\n{more}")
        self.start_daemon()
        self.second_processor(True)

    def second_processor(self, on):
        """Of a machine whose processors run at the same time, one rests while functions change hands:
        machine.py says why."""
        if self.plan["parallel"]:
            write(SECOND_PROCESSOR, str(int(on)))

    def udp(self, what, address, port, netns, count=200, size=64):
        """System's, by this interpreter: to start another one takes long here."""
        return check(what, *udp_by_child(netns, [address, str(port), "--count", str(count), "--size", str(size),
                                                 "--interval", "0"]))

    def faults(self):
        return Expected(SHARED)

    def close(self):
        self.second_processor(False)
        super().close()
        for name in self.namespaces:
            self.call("ip", "netns", "delete", name)
        self.namespaces = []
        for nic in self.plan["nics"]:
            if not nic["absent"]:
                self.nic(nic["name"]).to_kernel()


@contextlib.contextmanager
def namespace(name):
    """Sockets made within belong to that network namespace; setns(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if libc.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        yield
    finally:
        libc.setns(here, CLONE_NEWNET)
        os.close(here)
        os.close(there)


def udp_by_child(netns, words):
    """udp_ping.py with these words, in a child that has entered the namespace; whether all was answered, and
    what it printed."""
    sys.stdout.flush()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.dup2(write, 1)
            namespace = os.open(f"/run/netns/{netns}", os.O_RDONLY)
            if ctypes.CDLL(None).setns(namespace, CLONE_NEWNET) == 0:
                sys.argv = ["udp_ping", *words]
                status = udp_ping.main()
            sys.stdout.flush()
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as printed:
        text = printed.read()
    return os.waitpid(child, 0)[1] == 0, text


class Expected:
    """Faults that a case provokes: `with guest.faults() as seen:`, afterwards `seen.all` are those of the
    block. Faults outside of such a block fail the case."""

    claimed = 0  # of all cases; the host compares it with the file when the guest is gone

    def __init__(self, folder, quiet_seconds=0.2):
        self.folder, self.quiet_seconds = folder, quiet_seconds
        self.all = []

    def __enter__(self):
        self.before = len(faults.read(self.folder))
        return self

    def __exit__(self, *_):
        count = -1
        while count != (count := len(faults.read(self.folder))):
            time.sleep(self.quiet_seconds)
        self.all = faults.read(self.folder)[self.before:]
        Expected.claimed += len(self.all)

    def of(self, function, write=None, address=None):
        """Those by this function; into (True) or from (False) memory; at this iova's page."""
        return [f for f in self.all if f.source == function.address and write in (None, f.write) and
                (address is None or f.address >> 12 == address >> 12)]


class Canary:
    """A page that nothing may write: locked memory of this process, and where it stands for a device that
    has no IOMMU before it."""

    SIZE = mmap.PAGESIZE

    def __init__(self, byte=0xC5):
        self.memory = mmap.mmap(-1, self.SIZE, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        self.pattern = bytes([byte]) * self.SIZE
        self.memory[:] = self.pattern
        self.virtual = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        ctypes.CDLL(None, use_errno=True).mlock(ctypes.c_void_p(self.virtual), ctypes.c_size_t(self.SIZE))

    def physical(self):
        """Its address on the memory bus: /proc/PID/pagemap, Documentation/admin-guide/mm/pagemap.rst."""
        with open("/proc/self/pagemap", "rb", buffering=0) as file:
            file.seek(self.virtual // mmap.PAGESIZE * 8)
            entry = struct.unpack("Q", file.read(8))[0]
        return (entry & (1 << 55) - 1) * mmap.PAGESIZE

    def check(self, what):
        return check(what, self.memory[:] == self.pattern, "a page that nothing may write")
