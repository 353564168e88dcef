#!/usr/bin/env python3
"""vm.rogue_guarded: clients that share a function, one of which gives its shadow rings addresses that are not
its own. The guard refuses each: a fault for its owner, none at the IOMMU, all canaries whole, and an honest
client on another queue loses nothing."""
import random
import time

import faults
from case import check, run
from inside import SHARED, Absent
from machine import Machine, e1000e, igb, peer, virtio
from rogue import (BUFFER, CANARY, FRAME, LAYOUTS, MINE, NOWHERE, Kernel, Rogue, Stream, Wire, answers_again,
                   broken, leaks, present, section, victim)
from system import TESTS

MACHINE = Machine((igb("igb", wire=1), e1000e("e1000e", wire=1), virtio("split", wire=1),
                   virtio("packed", wire=1, packed=True), peer("kernel", wire=1)), parallel=True)

UNMAPPED, READ_ONLY = "FAULT_KIND_UNMAPPED", "FAULT_KIND_READ_ONLY"
ROGUE_MAC, HONEST_MAC = "02:00:00:00:66:01", "02:00:00:00:66:02"
HONEST = "10.77.0.20"
NEXT_CLIENT = {"igb": ["--mac", ROGUE_MAC], "e1000e": ["--rss"], "split": [], "packed": []}
# Where the daemon maps clients' regions for a function that they share: each from a multiple of this on. A
# rogue may know that, and guesses.
FIRST_REGION, REGION_STEP = 1 << 32, 2 << 20


class Attack:
    """One rogue on one queue pair of a function. `steering` brings it traffic: "pools" by an address of its own,
    "rss" as the only one there, "" since there is one queue pair."""

    def __init__(self, guest, wire, kernel, victim, device, steering):
        self.guest, self.device, self.steering = guest, device, steering
        self.kernel, self.wire, self.victim = kernel, wire, victim
        self.rogue = Rogue(guest, f"rogue-of-{device}", device, "guarded")
        self.mac = self.rogue.mac()
        if steering == "pools":
            self.mac = bytes.fromhex(ROGUE_MAC.replace(":", ""))

    def take_lease(self):
        for deed in ("release", "drop"):  # of a former one
            self.rogue.try_do(deed)
        self.lease = self.rogue.do("lease", *(["rss"] if self.steering == "rss" else []))
        if self.steering == "pools":
            self.rogue.do("rule", f"flow-type ether dst {ROGUE_MAC} action 0")

    def refused(self, what, transmit, kinds, address, *deed):
        """The deed, and the fault that its owner is told of."""
        before = len(faults.read(SHARED))
        self.take_lease()
        self.rogue.do(*deed)
        self.wire.flood(self.mac, 4)
        told = self.rogue.do("faults", 3000)
        fits = told["kind"] in kinds and told["transmit"] == transmit and (address is None or told["iova"] == address)
        self.check(what, told["counted"] and told["told"] and fits, before, told)
        self.rogue.do("release")

    def check(self, what, held, faults_before, said):
        """That, and that the device was never told of it, and memory is as it was."""
        seen = faults.read(SHARED)[faults_before:]
        harmed = broken(self.kernel, self.rogue, self.victim)
        said = " ".join(f"{name} {value}" for name, value in said.items())
        check(f"{self.device}: {what}", held and not seen and not harmed,
              said if not seen and not harmed else f"broken: {harmed}; faults: {seen[:4]}; {said}")

    def receive(self, what, address, kind=UNMAPPED):
        self.refused(f"receive into {what}", False, [kind], address, "receive", address, BUFFER, 4)

    def send(self, what, address, size=FRAME, before=()):
        self.refused(f"send from {what}", True, [UNMAPPED], address, "send", *before, address, size)

    def guesses(self):
        """Where the device may see another client's region: as the third that was mapped, where the victim was
        first, and as the first."""
        return [FIRST_REGION + n * REGION_STEP + CANARY * 3 // 4 for n in (2, 0)]

    def all(self):
        self.take_lease()
        lease = self.lease
        check(f"{self.device}: its rings are {LAYOUTS[self.device]}", lease["layout"] == LAYOUTS[self.device],
              lease["layout"])
        theirs = self.victim.lease["canary"] + CANARY // 2
        check(f"{self.device}: the victim's address is none of the rogue's", theirs > lease["readonly"] + (64 << 10))
        end = lease["mine"] + MINE
        for what, address in (("an address that nothing has", NOWHERE), ("another client's region", theirs),
                              ("a page of the kernel's", self.kernel.addresses[0]),
                              ("the kernel's code", self.kernel.addresses[1]),
                              ("a buffer that runs out of the region", end - 64)):
            self.receive(what, address)
            self.send(what, address)
        for n, address in enumerate(self.guesses()):
            self.receive(f"another client's region, as the device may see it ({n})", address)
            self.send(f"another client's region, as the device may see it ({n})", address)
        self.receive("memory for reading only", lease["readonly"], READ_ONLY)
        self.send("a chain that runs out of the region", end - 64, before=(lease["mine"], 64))
        for n, bad in enumerate((NOWHERE, *self.guesses())):
            self.race(n, bad)
        self.unmapped()
        if self.steering != "pools":  # vm.two_clients has that
            self.vandals()
        self.rogue.close()
        check(f"{self.device}: nothing of it went out", not leaks(self.wire.received()))

    def race(self, n, bad):
        """Addresses that change while the guard reads them: good ones go on, bad ones are refused, in between
        there is nothing."""
        before = len(faults.read(SHARED))
        self.take_lease()
        good = self.lease["mine"]
        self.rogue.tell("race", good, bad, 256, 60)
        for _ in range(8):
            self.wire.flood(self.mac, 8)
        done = self.rogue.hear()
        told = self.rogue.do("faults", 0)
        if told["counted"]:  # the watch is told a moment later
            told = self.rogue.do("faults", 3000)
        self.check(f"addresses that change while the guard reads them ({n})",
                   done["exchanged"] and (not told["counted"] or told["kind"] == UNMAPPED), before, {**done, **told})
        self.rogue.do("release")

    def unmapped(self):
        """The lease is over, its buffers still posted; the rogue has the shadow rings, and goes on."""
        self.take_lease()
        self.rogue.do("receive", self.lease["mine"], BUFFER, 64)
        self.rogue.do("release")
        self.rogue.do("refill")
        self.wire.flood(self.mac, 64)
        self.rogue.do("send", self.lease["mine"], 64)
        self.rogue.do("receive", self.lease["mine"], BUFFER, 64)
        self.wire.flood(self.mac, 64)
        whole = self.rogue.do("whole")
        check(f"{self.device}: receive into what was unmapped just now: memory is as it was",
              whole["mine"] and whole["whole"])

    def vandals(self):
        """For a second two threads write to all that a lease has, at random; each lease has the next layout that
        the device offers."""
        before, seed, name = len(faults.read(SHARED)), random.randrange(1 << 32), f"vandals-of-{self.device}"
        self.rogue.try_do("drop")
        vandals = self.guest.start([TESTS + "/rogue", self.guest.run, "1", str(seed), self.device, "1",
                                    self.steering or "all"], name, drop=True)
        while vandals.poll() is None:
            self.wire.flood(self.mac, 4)
            time.sleep(0.01)
        said = self.guest.log(name).strip()
        self.check("anything written anywhere into its rings", vandals.returncode == 0 and "canary=whole" in said,
                   before, {"seed": seed, "said:": said})


def functions_shared(guest):
    """a rogue has a queue pair of an igb PF, with an honest client beside it, of e1000e, of virtio-net with either
    rings"""
    found, absent = present(guest, "igb", "e1000e", "split", "packed")
    if "igb" not in found:
        raise Absent("igb")
    steering = {"igb": "pools", "e1000e": "rss", "split": "", "packed": ""}
    guest.serve("".join(section(name, guest.nic(name), "guarded", 'steering = "pools"' if name == "igb" else "")
                        for name in found))
    wire, kernel, stream, prey = Wire(guest), Kernel(), None, None
    for name in found:
        began = time.monotonic()
        # The others are leased whole: their rogues' prey is the victim of igb.
        prey = victim(guest, name, "guarded") if name == "igb" else prey
        attack = Attack(guest, wire, kernel, prey, name, steering[name])
        if name == "igb":
            guest.responder("honest", HONEST, 4242, "--mac", HONEST_MAC, device=name)
            wire.neighbour(guest, HONEST, HONEST_MAC)
            stream = Stream(wire, HONEST, 4242, per_second=200)
        attack.all()
        if name == "igb":
            stream.check("igb: the honest client loses nothing")
        answers_again(guest, wire, name, attack.mac, *NEXT_CLIENT[name])
        print(f"  {name}: {time.monotonic() - began:.1f} s", flush=True)
    if absent:
        raise Absent(absent[0])


if __name__ == "__main__":
    run(__file__, MACHINE, [functions_shared], seconds=240)
