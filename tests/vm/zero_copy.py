#!/usr/bin/env python3
"""vm.zero_copy: AF_XDP without copies, by drivers of a newer kernel that have it. The kernel itself says of each
socket whether it copies; the program is unchanged and without any privilege, and the kernel's stack goes on with the
rest of what arrives at the same queues."""
import ctypes
import json
import os
import signal
import socket
import subprocess

import served
from case import check, run, wait_until
from inside import namespace
from machine import Machine, igb, peer, virtio
from system import NOBODY, TESTS, NotReady

MACHINE = Machine((igb("igb", wire=1), peer("peer1", wire=1), virtio("virtio", wire=2), peer("peer2", wire=2)),
                  newer_kernel=True)
TENANT = """
[[tenant]]
name = "nobody"
uids = [65534]
may_transmit = ["eth"]
"""
SLOTS = 64
SYS_PIDFD_GETFD = 438  # asm/unistd_64.h
AF_XDP, SOL_XDP, XDP_OPTIONS, SO_DOMAIN = 44, 283, 8, 39  # linux/socket.h, linux/if_xdp.h, asm-generic/socket.h
ZERO_COPY = [1, 0, 0, 0]  # XDP_OPTIONS_ZEROCOPY in struct xdp_options


def options(program):
    """XDP_OPTIONS of each AF_XDP socket that this program holds: copies of its descriptors are asked."""
    found, pid = [], os.pidfd_open(program.pid)
    for fd in os.listdir(f"/proc/{program.pid}/fd"):
        copy = ctypes.CDLL(None).syscall(SYS_PIDFD_GETFD, pid, int(fd), 0)
        if copy >= 0 and os.readlink(f"/proc/self/fd/{copy}").startswith("socket:"):
            with socket.socket(AF_XDP, socket.SOCK_RAW, 0, fileno=copy) as one:
                if one.getsockopt(socket.SOL_SOCKET, SO_DOMAIN) == AF_XDP:
                    found.append(list(one.getsockopt(SOL_XDP, XDP_OPTIONS, 4)))
        elif copy >= 0:
            os.close(copy)
    os.close(pid)
    return found


def briefly(what, held, detail):
    """check, with what is long to read only where it did not hold."""
    return check(what, held, "" if held else detail)


def said_by_kernel(dev):
    """Of the netdev: what may not be other than before when the daemon has gone."""
    link = json.loads(subprocess.run(["ip", "-j", "-d", "link", "show", dev], capture_output=True, text=True).stdout)[0]
    tables = [subprocess.run(["ethtool", word, dev], capture_output=True, text=True) for word in ("-l", "-x", "-n")]
    return [link.get("xdp"), link["promiscuity"], *(table.stdout for table in tables)]


class Shared:
    """A NIC with its kernel driver, of which a qsplitd leases queues, and the kernel at the wire's other end."""

    def __init__(self, guest, name, other, wire, queues=1):
        self.guest, self.name, self.wire, self.queues = guest, name, wire, queues
        self.nic, self.netns = guest.nic(name), served.peer(guest, other)
        self.dev = wait_until(self.nic.netdev)
        for words in (f"addr add 10.77.{wire}.2/24 dev {self.dev}", f"link set {self.dev} up",
                      f"-n {self.netns} neigh add 10.77.{wire}.10 lladdr {guest.mac(name)} dev "
                      f"{guest.netdevs[self.netns]}"):
            guest.call("ip", *words.split())
        self.before = said_by_kernel(self.dev)
        guest.tenant = TENANT
        self.serve()

    def serve(self):
        self.guest.serve(f'[[device]]\nname = "eth"\nbackend = "af_xdp"\nnetdev = "{self.dev}"\nslots = {SLOTS}\n'
                         'zero_copy = "always"\n')
        self.facts = served.with_link(self.guest, "eth")["netdev"]
        briefly(f"{self.name}: the netdev has zero copy, in the driver",
                self.facts["zero_copy"] and not self.facts["copy_reason"] and self.facts["xdp_mode"] == "native",
                self.facts)
        self.to_queue(0)
        wait_until(self.pinged, 10)

    def to_queue(self, queue):
        """All that comes arrives at that queue."""
        if self.queues > 1:
            self.guest.call("ethtool", "-X", self.dev, "weight", *(str(int(i == queue)) for i in range(self.queues)))

    def pinged(self, count=1, size=56):
        words = f"ping -q -c {count} -i 0.01 -W 1 -s {size} 10.77.{self.wire}.2"
        return self.guest.try_in(self.netns, *words.split())[0]

    def echo(self, name, feature):
        return self.guest.start_ready([TESTS + "/choosing_echo", "--rule", "flow-type udp4 dst-port 4242 action 0",
                                       "--feature", feature], name, drop=True)

    def why(self, queue=0):
        return self.guest.qsplit_text("queue", "why", "eth", str(queue))


def zero_copy(guest, name, other, wire, queues):
    here = Shared(guest, name, other, wire, queues)
    address = f"10.77.{wire}.10"
    other_leases(here)
    program = served.answered(guest, name, "eth", wire, here.netns, "--queues", str(queues))
    check(f"{name}: the kernel says that it copies for no queue", options(program) == [ZERO_COPY] * queues,
          options(program))
    guest.ping(f"{name}: frames as long as the MTU", address, here.netns, count=10, size=1472)
    check(f"{name}: the kernel answers beside it, on the same queues", here.pinged(10) and here.pinged(10, 1472))
    if queues > 1:
        several(here, address)
    why = here.why()
    briefly(f"{name}: nothing is wrong with an idle queue", "WRONG" not in why and "zero copy" in why, why)
    if queues == 1:
        hangs(here, address, program)
    program.kill()
    program.wait(10)
    program = next_lease(here, address)
    if queues > 1:
        daemon_killed(here, program)
    served.stop(guest, {})
    briefly(f"{name}: nothing is left of it", wait_until(lambda: said_by_kernel(here.dev) == here.before, 5),
            said_by_kernel(here.dev))
    check(f"{name}: and its kernel's traffic goes on", wait_until(here.pinged, 10))


def several(here, address):
    """Each of the queues carries packets when the NIC's table sends them there."""
    for queue in reversed(range(here.queues)):
        here.to_queue(queue)
        here.guest.udp(f"{here.name}: UDP by queue {queue}", address, 4242 + queue, here.netns, count=20)
    counted = [int(queue["packets"]) for queue in here.guest.qsplit("stats", "show", "eth")["stats"]["queues"]]
    check(f"{here.name}: each queue had packets, both ways", min(counted) >= 20, counted)


def hangs(here, address, program):
    """Who takes no packets has all the buffers in the end, and the kernel gets none at that queue."""
    program.send_signal(signal.SIGSTOP)
    with namespace(here.netns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(SLOTS + 16):
            sender.sendto(b"nobody takes this", (address, 4242))
    told = wait_until(lambda: "nothing arrives at this queue, neither for the lease nor the kernel" in here.why(), 20)
    briefly(f"{here.name}: a program that hangs stops the queue, and `qsplit queue why` says so",
            told and not here.pinged(), here.why())


def next_lease(here, address):
    """A program whose queue was another's, who has just been killed."""
    program = here.echo("unaligned", "Chunks=unaligned")
    check(f"{here.name}: another program has the queue, without copies", options(program) == [ZERO_COPY],
          options(program))
    here.guest.udp(f"{here.name}: chunks that begin anywhere", address, 4242, here.netns, count=50)
    check(f"{here.name}: and the kernel answers", here.pinged(10))
    return program


def other_leases(here):
    """What the driver cannot do without a copy is refused by name, or copied for."""
    guest, name = here.guest, here.name
    lacks = "transmit metadata with zero copy" in here.facts.get("missing", [])
    try:
        program = here.echo("metadata", "Metadata=on")
        guest.udp(f"{name}: sums by the NIC", f"10.77.{here.wire}.10", 4242, here.netns, count=50)
        check(f"{name}: transmit metadata are there", not lacks and options(program) == [ZERO_COPY], here.facts)
        program.kill()
        program.wait(10)
    except NotReady as refused:
        check(f"{name}: without transmit metadata, they are refused by name", lacks and
              "NETDEV_XSK_FLAGS_TX_CHECKSUM" in refused.log, refused.log.strip())
    sent = subprocess.run([*NOBODY, TESTS + "/timed_sender", "--runtime-dir", guest.run, "--dst-mac",
                           guest.mac(here.netns), "--clock", "tai", "--count", "3"], capture_output=True, text=True)
    briefly(f"{name}: who only sends is copied for, and has the kernel's times", sent.returncode == 0 and
            "kernel" in here.facts["transmit_times"], sent.stdout + sent.stderr)


def daemon_killed(here, program):
    """The XDP program goes at once, the sockets when the client lets go; the next daemon has all of it."""
    here.guest.daemon.kill()
    here.guest.daemon.wait(10)
    check(f"{here.name}: without qsplitd, the program ends and the kernel's traffic goes on",
          wait_until(lambda: program.poll() is not None, 10) and wait_until(here.pinged, 10))
    here.serve()
    program = served.answered(here.guest, f"{here.name}, the next qsplitd", "eth", here.wire, here.netns, datagrams=10)
    check(f"{here.name}: without copies again", options(program) == [ZERO_COPY], options(program))


def of_igb(guest):
    """igb, two queues over one memory"""
    zero_copy(guest, "igb", "peer1", 1, queues=2)


def of_virtio(guest):
    """virtio-net"""
    zero_copy(guest, "virtio", "peer2", 2, queues=1)


def refused(guest):
    """a driver that has it and refuses this NIC: its leases are copied for, and hear why"""
    here = Shared(guest, "peer2", "virtio", 2)
    program = served.answered(guest, "peer2", "eth", 2, here.netns)
    check("the kernel says that it copies", options(program) == [[0, 0, 0, 0]], options(program))
    why = here.why()
    briefly("`qsplit queue why` says why", "packets copied: " in why, why)


if __name__ == "__main__":
    run(__file__, MACHINE, [of_igb, of_virtio, refused], seconds=240)
