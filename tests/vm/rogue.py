"""What the cases of rogue_direct.py, rogue_guarded.py and two_clients.py share: the program that points a
device at memory that is not its own, its victims, and the wire's other end.

The rogue and its victim are tests/hostile/dma_rogue.cc, as uid 65534. A victim's memory, the pages of Kernel
and what the rogue gave for reading only are the canaries: whatever happens, they stay as they are, and no
frame on the wire holds bytes of them.
"""
import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import threading
import time

import faults
from case import check, wait_until
from host_wire import with_checksum
from inside import SHARED, Absent, Canary, Expected, namespace
from system import TESTS

MINE = 512 << 10  # bytes of a rogue's own region
CANARY = 1 << 20  # and of a victim's
PAGE = 4096
PATIENCE_SECONDS = 60
BUFFER = 2048
FRAME = 128  # bytes of a frame that the wire sends; e1000e is refused each 4 of them
NOWHERE = 0xDEAD0000  # nothing has this address, in no address space
SECRET = b"the victim's own"  # its pattern
KERNEL_BYTE = 0xC5
# What each device of these tests lets its client write.
LAYOUTS = {"e1000e": "intel.e1000.extended", "split": "virtio.split", "packed": "virtio.packed",
           **dict.fromkeys(("igb", "pf", "vf"), "intel.igb.advanced")}


class Died(Exception):
    """The rogue has ended: what it did was too much."""


class Rogue:
    """A client that does what it is told, and says what came of it."""

    def __init__(self, guest, name, device, mode, canary_bytes=0, pattern="a rogue's memory"):
        self.name = name
        self.program = guest.start_ready(
            [TESTS + "/dma_rogue", "--device", device, "--mode", mode, "--canary-bytes", str(canary_bytes),
             "--pattern", pattern], name, drop=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def tell(self, *words):
        """Lets it do a deed."""
        try:
            self.program.stdin.write((" ".join(map(str, words)) + "\n").encode())
            self.program.stdin.flush()
        except BrokenPipeError:
            pass  # hear() says it

    def hear(self):
        """What came of it; nothing that it does takes long."""
        if not select.select([self.program.stdout], [], [], PATIENCE_SECONDS)[0]:
            raise RuntimeError(f"{self.name} has not answered for {PATIENCE_SECONDS} s")
        line = self.program.stdout.readline()
        if not line:
            raise Died(f"{self.name} ended with status {self.program.wait()}")
        return json.loads(line)

    def try_do(self, *words):
        self.tell(*words)
        return self.hear()

    def do(self, *words):
        answer = self.try_do(*words)
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {' '.join(map(str, words))}: {answer['error']}")
        return answer

    def mac(self):
        """The device's address, when its link is up."""
        state = wait_until(lambda: (now := self.do("device"))["link"] and now)
        if not state:
            raise RuntimeError(f"no link: {self.do('device')}")
        return bytes.fromhex(state["mac"])

    def close(self):
        self.program.stdin.close()
        self.program.wait()


def victim(guest, device, mode):
    """Another client with memory in a lease of its own."""
    made = Rogue(guest, "victim", device, mode, CANARY, SECRET.decode())
    made.lease = made.do("lease")
    return made


class Kernel:
    """Memory of the kernel's, or as good as that: a locked page of this process (uid 0), and where the
    kernel's own code stands."""

    def __init__(self):
        self.canary = Canary(KERNEL_BYTE)
        with open("/proc/iomem") as file:
            code = next(line for line in file if "Kernel code" in line)
        self.addresses = (self.canary.physical(), int(code.split("-")[0], 16))


class Wire:
    """The other end of the wire: the kernel's NIC, in a namespace of its own, and raw frames through it."""

    ADDRESS = "10.77.0.1"
    FROM, TO = socket.inet_aton("10.77.0.3"), socket.inet_aton("10.77.0.4")

    def __init__(self, guest, nic="kernel"):
        self.dev = wait_until(guest.nic(nic).netdev)
        self.netns = guest.kernel_peer(nic, self.ADDRESS + "/24")
        self.mac = bytes.fromhex(guest.mac(nic).replace(":", ""))
        with namespace(self.netns):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.socket.bind((self.dev, 0))
            # packet(7): everybody's frames, but not our own.
            self.socket.setsockopt(263, 1, struct.pack("iHH8s", socket.if_nametoindex(self.dev), 1, 0, b""))
            self.socket.setsockopt(263, 23, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.setblocking(False)
        self.flow = 0

    def flood(self, mac, count):
        """So many datagrams, each of another flow."""
        for _ in range(count):
            self.flow = (self.flow + 1) % 1024
            udp = struct.pack("!HHHH", 1024 + self.flow, 9, FRAME - 34, 0).ljust(FRAME - 34, b"w")
            header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + self.FROM + self.TO
            with contextlib.suppress(BlockingIOError):
                self.socket.send(mac + self.mac + b"\x08\0" + with_checksum(header, 10) + udp)

    def received(self):
        """All frames since the last look."""
        frames = []
        with contextlib.suppress(BlockingIOError):
            while True:
                frames.append(self.socket.recv(65536))
        return frames

    def neighbour(self, guest, address, mac):
        guest.call("ip", "-n", self.netns, "neigh", "replace", address, "lladdr", mac, "nud", "permanent", "dev",
                   self.dev)


class Stream(threading.Thread):
    """Numbered datagrams to somebody who answers each, at a bounded rate; every one must come back."""

    WINDOW = 64

    def __init__(self, wire, address, port, per_second, local_port=0):
        super().__init__()
        with namespace(wire.netns):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((Wire.ADDRESS, local_port))
        self.socket.connect((address, port))
        self.pause = 1 / per_second
        self.sent, self.missing, self.over = 0, set(), False
        self.start()

    def run(self):
        due = time.monotonic()
        while not self.over:
            self.socket.settimeout(5)
            self.missing.add(self.sent)
            self.socket.send(struct.pack("!Q", self.sent).ljust(64, b"s"))
            self.sent += 1
            # A loaded machine makes it slower, never faster; what is on its way is bounded too.
            due = max(due, time.monotonic()) + self.pause
            while self.collect(due) or len(self.missing) >= self.WINDOW and not self.over:
                due = max(due, time.monotonic() + self.pause)

    def collect(self, until):
        """Takes answers until then."""
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            with contextlib.suppress(TimeoutError):
                self.missing.discard(struct.unpack("!Q", self.socket.recv(2048)[:8])[0])

    def ended(self, seconds=5.0):
        """Ends it; whether all came back."""
        self.over = True
        self.join()
        end = time.monotonic() + seconds
        while self.missing and time.monotonic() < end:
            self.collect(time.monotonic() + 0.05)
        self.socket.close()
        return not self.missing

    def check(self, what):
        whole = self.ended()
        return check(what, self.sent and whole, f"{self.sent - len(self.missing)} of {self.sent} came back" +
                     (f"; lost: {sorted(self.missing)[:10]}" if self.missing else ""))


class FaultsSoon(Expected):
    """A block whose faults are expected, without much waiting behind it; reads what is new alone."""

    def __init__(self):
        super().__init__(SHARED)
        self.path = f"{SHARED}/{faults.FILE}"

    def __enter__(self):
        self.before = os.path.getsize(self.path) if os.path.exists(self.path) else 0
        return self

    def __exit__(self, *_):
        count = -1
        while count != (count := len(self.now())):
            time.sleep(0.03)
        self.all = self.now()
        Expected.claimed += len(self.all)

    def now(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path) as file:
            file.seek(self.before)
            return [faults.parse(match) for match in faults.LINE.finditer(file.read())]


def leaks(frames):
    """Those that hold what nobody has sent."""
    return [f for f in frames if SECRET in f or bytes([KERNEL_BYTE]) * 16 in f]


def receive_until(rogue, wire, mac, done, seconds=5.0):
    """Sends frames, a few at a time, until done() or all that was posted is used up."""
    end = time.monotonic() + seconds
    while not (result := done()) and time.monotonic() < end:
        wire.flood(mac, 4)
        time.sleep(0.01)
        rogue.do("poll")
    return result


def broken(kernel, *clients):
    """Whose canaries are not what they were."""
    names = [c.name for c in clients if not c.do("whole")["whole"]]
    return names if kernel.canary.memory[:] == kernel.canary.pattern else [*names, "the kernel's page"]


def answers_again(guest, wire, device, mac, *more):
    """A fresh client on the same queue."""
    address = "10.77.0.10"
    responder = guest.responder(f"next-of-{device}", address, 4242, *more, device=device)
    wire.neighbour(guest, address, mac.hex(":"))
    guest.ping(f"{device}: the next client answers ping", address, wire.netns, count=10)
    responder.terminate()
    responder.wait()


def section(device, function, mode, more=""):
    return (f'[[device]]\nname = "{device}"\nbackend = "vfio"\nfunction = "{function}"\nmode = "{mode}"\n'
            f'{more}\n')


def present(guest, *names):
    """Those NICs that this QEMU has, and why others are not there."""
    found, why = [], []
    for name in names:
        try:
            guest.nic(name)
            found.append(name)
        except Absent as absent:
            why.append(str(absent))
    return found, why
