#!/usr/bin/env python3
"""vm.rogue_direct: functions leased whole to a program that points them at memory that is not its own. The
IOMMU refuses each such access, seen in its trace, by the function that was leased and no other; all canaries
stay whole."""
import time

from case import check, run
from inside import Absent
from machine import Machine, e1000e, igb, peer, virtio
from rogue import (BUFFER, CANARY, FRAME, LAYOUTS, MINE, NOWHERE, PAGE, Died, FaultsSoon, Kernel, Rogue, Wire,
                   answers_again, broken, leaks, present, receive_until, section, victim)

MACHINE = Machine((igb("pf", wire=1), igb("host", wire=1), e1000e("e1000e", wire=1), virtio("split", wire=1),
                   virtio("packed", wire=1, packed=True), peer("kernel", wire=1)))

FEW = 4  # buffers
CONFIG = 7  # VFIO's number of configuration space
COMMAND, BUS_MASTER = 4, 6


class Chip:
    """The registers that a rogue uses; it holds the function's descriptor, so that all are open to it."""
    parts = (("ring", None, False),)  # of a queue, what the device does there, whether it leaves it at that

    def __init__(self, rx_base, tx_base, again, next_client=()):
        self.rx_base, self.tx_base, self.again = rx_base, tx_base, again
        self.next_client = next_client  # how the responder has its packets
        self.lasts = True  # goes on after DMA that was refused

    def set_base(self, rogue, _, transmit, address, __="ring"):
        base = self.tx_base if transmit else self.rx_base
        rogue.do("poke", 0, base, 4, address & 0xFFFFFFFF)
        rogue.do("poke", 0, base + 4, 4, address >> 32)

    def enable(self, rogue, lease):
        """Does what a driver does after a reset, to have the queue of a lease that is over."""
        self.set_base(rogue, lease, True, lease["rings"][1]["iova"])
        for offset, value in self.again:
            rogue.try_do("poke", 0, offset, 4, value)


class Virtio:
    """Virtio 1.2, 4.1.4.3: the common configuration; QEMU has it at the beginning of BAR 4, the notifications
    at 0x3000, 4 bytes for each queue (4.1.4.4)."""
    parts = (*Chip.parts, ("device area", True, True))
    lasts = False
    next_client = ()

    def __init__(self, features, driver_areas):
        self.features = features  # bits 32 and more
        self.driver_areas = driver_areas  # where a lease has descriptors and driver area of a queue

    def set_base(self, rogue, lease, transmit, address, part="ring"):
        queue = int(transmit)
        areas = [address] * 3 if part == "ring" else [*self.driver_areas(lease, queue), address]
        halves = [(at + half, 4, area >> 8 * half & 0xFFFFFFFF) for at, area in zip((32, 40, 48), areas)
                  for half in (0, 4)]  # queue_desc, queue_driver, queue_device
        self.write(rogue, (
            (20, 1, 0), (20, 1, 1), (20, 1, 3),  # device_status: reset, acknowledged, driver
            (8, 4, 1), (12, 4, self.features), (20, 1, 11),  # driver_feature_select, driver_feature
            (22, 2, queue), (24, 2, 64),  # queue_select, queue_size
            *halves, (28, 2, 1), (20, 1, 15), (0x3000 + 4 * queue, 2, queue)))

    def enable(self, rogue, lease):
        self.set_base(rogue, lease, True, lease["rings"][0]["iova"])

    @staticmethod
    def write(rogue, registers):
        for offset, size, value in registers:
            rogue.try_do("poke", 4, offset, size, value)


# 82576 datasheet 8.1: RDBAL, TDBAL of queue 0; TDLEN, TXDCTL.ENABLE, TCTL.EN, TDT.
IGB = Chip(0xC000, 0xE000, ((0xE008, 4096), (0xE028, 1 << 25), (0x400, 2), (0xE018, 4)), ["--rss"])
# 82576 datasheet 8.28: those of a VF.
IGB_VF = Chip(0x2800, 0x3800, ((0x3808, 4096), (0x3828, 1 << 25), (0x3818, 4)))
# 82574 datasheet 10.2: the same, of queue 0.
E1000E = Chip(0x2800, 0x3800, ((0x3808, 4096), (0x3828, 1 << 25), (0x400, 2), (0x3818, 4)))

VERSION_1, ACCESS_PLATFORM, RING_PACKED = 1, 2, 4  # virtio 1.2, 6: feature bits 32 to 34
# 2.7: a queue has three rings; flags and index, 4 bytes, are in front of the second one.
SPLIT = Virtio(VERSION_1 | ACCESS_PLATFORM,
               lambda lease, queue: (lease["rings"][3 * queue]["iova"], lease["rings"][3 * queue + 1]["iova"] - 4))
# 2.8: it has one. The driver area says when to interrupt; any memory will do.
PACKED = Virtio(VERSION_1 | ACCESS_PLATFORM | RING_PACKED,
                lambda lease, queue: (lease["rings"][queue]["iova"], lease["mine"] + MINE // 2))


class Attack:
    """One rogue on one function."""

    def __init__(self, guest, wire, kernel, victim, device, function, chip):
        self.device, self.function, self.chip = device, function, chip
        self.kernel, self.wire, self.victim = kernel, wire, victim
        self.rogue = Rogue(guest, f"rogue-of-{device}", device, "direct")
        self.used = False  # the lease, for an attack
        self.take_lease()
        check(f"{device}: its rings are {LAYOUTS[device]}", self.lease["layout"] == LAYOUTS[device],
              self.lease["layout"])

    def take_lease(self):
        for deed in ("release", "drop"):  # of a former one
            self.rogue.try_do(deed)
        self.lease = self.rogue.do("lease")
        self.mac = self.rogue.mac()

    def refused(self, what, first, deed, write=None, pages=1, strict=True):
        """The deed, and what the IOMMU said: at least one refusal, all by this function and of these pages."""
        if not self.chip.lasts and self.used:
            self.take_lease()
        self.used = True
        inside = lambda fault: first // PAGE <= fault.address // PAGE < first // PAGE + pages  # noqa: E731
        with FaultsSoon() as seen:
            deed(lambda: any(inside(f) for f in seen.now()))
        mine = [f for f in seen.all if f.source == self.function.address and write in (None, f.write) and inside(f)]
        others = [f for f in seen.all if f.source != self.function.address or strict and not inside(f)]
        harmed = broken(self.kernel, self.rogue, self.victim)
        check(f"{self.device}: {what}", mine and not others and not harmed,
              f"{len(mine)} refused, {mine[0]}, memory is as it was" if mine and not others and not harmed else
              f"broken: {harmed}; {len(seen.all)} refused: {'; '.join(map(str, (others or seen.all)[:4]))}")

    def receive(self, what, address, first=None, pages=1):
        def deed(seen):
            self.rogue.do("receive", address, BUFFER, FEW)
            receive_until(self.rogue, self.wire, self.mac, seen)
            if self.chip.lasts:  # uses up what was posted, so that the next deed begins with nothing
                self.wire.flood(self.mac, 2 * FEW)
                self.rogue.do("poll")
        self.refused(f"receive into {what}", first or address, deed, True, pages)

    def send(self, what, address, size=FRAME, first=None, pages=1, before=()):
        def deed(seen):
            self.rogue.do("send", *before, address, size)
            receive_until(self.rogue, self.wire, self.mac, seen)
        self.refused(f"send from {what}", first or address, deed, False, pages)

    def targets(self):
        theirs = self.victim.lease["canary"] + CANARY // 2
        check(f"{self.device}: the victim's address is none of the rogue's",
              theirs > self.lease["readonly"] + (64 << 10))
        yield "an address that nothing has", NOWHERE
        yield "another client's region, by its address", theirs
        yield "a page of the kernel's", self.kernel.addresses[0]
        yield "the kernel's code", self.kernel.addresses[1]

    def all(self):
        for what, address in self.targets():
            self.receive(what, address)
            self.send(what, address)
        self.receive("memory for reading only", self.lease["readonly"], pages=16)
        end = self.lease["mine"] + MINE
        self.receive("a buffer that runs out of the region", end - 64, end)
        self.send("a buffer that runs out of the region", end - 64, first=end)
        self.send("a chain that runs out of the region", end - 64, first=end, before=(self.lease["mine"], 64))
        self.race()
        self.bases()
        self.unmapped()
        self.rogue.close()
        check(f"{self.device}: nothing of it went out", not leaks(self.wire.received()))

    def race(self):
        def deed(seen):
            self.rogue.tell("race", self.lease["mine"], NOWHERE, 64, 50)
            for _ in range(16):
                self.wire.flood(self.mac, 1)
                time.sleep(0.003)
            self.rogue.hear()
            self.wire.flood(self.mac, FEW)
        self.refused("addresses that change while the device reads them", NOWHERE, deed)

    def bases(self):
        for transmit in (True, False):
            for part, write, strict in self.chip.parts:
                self.take_lease()
                self.used = False
                self.base(transmit, part, write, strict)

    def base(self, transmit, part, write, strict):
        target = self.kernel.addresses[0]

        def deed(seen):
            self.chip.set_base(self.rogue, self.lease, transmit, target, part)
            self.rogue.do("send", self.lease["mine"], 64) if transmit else \
                self.rogue.do("receive", self.lease["mine"], BUFFER, 16)
            receive_until(self.rogue, self.wire, self.mac, seen)
        # What it takes for descriptors are zeros: it goes on to address 0, refused as well.
        self.refused(f"a {'transmit' if transmit else 'receive'} queue's {part} in the kernel's memory", target, deed,
                     write, pages=8, strict=strict)

    def unmapped(self):
        """The lease is over, its buffers still posted; the rogue holds the function, and does all it can."""
        self.take_lease()
        rogue, rings = self.rogue, sorted(ring["iova"] for ring in self.lease["rings"])
        rogue.do("receive", self.lease["mine"], BUFFER, 64)
        rogue.do("release")
        rogue.do("refill")
        with FaultsSoon() as seen:
            self.wire.flood(self.mac, 64)
            try:
                rogue.try_do("poke", CONFIG, COMMAND, 2, BUS_MASTER)
                self.chip.enable(rogue, self.lease)
                self.wire.flood(self.mac, 64)
                whole = rogue.do("whole")
                rogue.try_do("send", self.lease["mine"], 64)
            except Died as died:
                print(f"  {died}")
        check(f"{self.device}: receive into what was unmapped just now: memory is as it was",
              whole["mine"] and whole["whole"])
        others = [f for f in seen.all if f.source != self.function.address]
        check(f"{self.device}: a queue brought up again after the lease is without its memory", not others and
              any(rings[0] // PAGE <= f.address // PAGE < rings[-1] // PAGE + 8 for f in seen.all),
              f"{len(seen.all)} refused" + (f", {seen.all[0]}" if seen.all else ""))


SOFTWARE_NICS = '''
[[device]]
name = "other"
wire = { peer = "end" }
[[device]]
name = "end"
wire = { peer = "other" }
'''
CHIPS = {"e1000e": E1000E, "split": SPLIT, "packed": PACKED, "pf": IGB, "vf": IGB_VF}


def functions_leased_whole(guest):
    """a rogue has all of e1000e, virtio-net with either rings, an igb PF, an igb VF; its victim has another function"""
    found, absent = present(guest, "e1000e", "split", "packed", "pf", "host")
    functions = {name: guest.nic(name) for name in found if name != "host"}
    config = ""
    if "host" in found:  # the kernel's igb has the PF of these VFs
        host = guest.nic("host")
        guest.call("ip", "link", "set", host.netdev(), "up")
        functions["vf"], sister = host.set_vfs(2)
        for number in (0, 1):
            guest.call("ip", "link", "set", host.netdev(), "vf", str(number), "mac", f"52:54:00:00:01:0{number + 1}")
        config = section("other", sister, "direct")
    else:
        config = SOFTWARE_NICS
    guest.serve(config + "".join(section(name, function, "direct") for name, function in functions.items()))
    wire, kernel, prey = Wire(guest), Kernel(), victim(guest, "other", "direct")
    for name, function in functions.items():
        began = time.monotonic()
        attack = Attack(guest, wire, kernel, prey, name, function, CHIPS[name])
        attack.all()
        answers_again(guest, wire, name, attack.mac, *attack.chip.next_client)
        print(f"  {name}: {time.monotonic() - began:.1f} s", flush=True)
    if absent:
        raise Absent(absent[0])


if __name__ == "__main__":
    run(__file__, MACHINE, [functions_leased_whole], seconds=240)
