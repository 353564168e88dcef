#!/usr/bin/env python3
"""vm.two_clients: two clients on two queue pairs of one igb PF. One answers a numbered stream; the other does
to its rings whatever it likes, and is killed at random instants, again and again. The first loses nothing, and
nothing is left of the second. On two PFs at once: one finds queues by MAC address, in pools, one by hash.
QSPLIT_TEST_SEED has a run's instants again."""
import os
import random
import threading
import time

import faults
from case import check, run, wait_until
from inside import SHARED
from machine import Machine, igb, peer
from rogue import Rogue, Stream, Wire, section
from system import TESTS

MACHINE = Machine((igb("pools", wire=1), igb("rss", wire=1), peer("kernel", wire=1)),
                  parallel=True)

KILLS = 12  # on each PF
LIFE_SECONDS = (0.0, 0.4)  # of a hostile client, from its first lease on
PORT, PER_SECOND = 4242, 300
ADDRESS = {"pools": "10.77.0.20", "rss": "10.77.0.21"}  # of the honest clients
HONEST_MAC, HOSTILE_MAC = "02:00:00:00:66:02", "02:00:00:00:66:01"


class Storm(threading.Thread):
    """Hostile clients on one PF, one after the other."""

    def __init__(self, guest, wire, device, traffic, mac, seed):
        super().__init__()
        self.guest, self.wire, self.device, self.traffic, self.mac = guest, wire, device, traffic, mac
        self.dice = random.Random(seed)
        self.killed = 0
        self.start()

    def run(self):
        for n in range(KILLS):
            hostile = self.guest.await_ready(
                [TESTS + "/rogue", self.guest.run, "60", str(self.dice.randrange(1 << 32)), self.device, "1",
                 self.traffic], f"hostile-{self.device}-{n}", drop=True)
            end = time.monotonic() + self.dice.uniform(*LIFE_SECONDS)
            while time.monotonic() < end:
                self.wire.flood(self.mac, 2)
                time.sleep(0.005)
            if hostile.poll() is not None:  # it ended by itself, and says why
                print(self.guest.log(f"hostile-{self.device}-{n}"))
                return
            hostile.kill()
            hostile.wait()
            self.killed += 1


def left_of(guest, program):
    return [lease for lease in guest.qsplit("lease", "list")["leases"] if lease["program"] == program]


def regions(guest):
    return len(guest.qsplit("region", "list")["regions"])


def honest_port(wire, other):
    """A port whose flow is hashed to the honest client while another is in RSS too: that one answers nothing."""
    other.do("lease", "rss")
    answered = []
    for port in range(20000, 20008):
        probe = Stream(wire, ADDRESS["rss"], PORT, 200, port)
        time.sleep(0.03)
        if probe.ended(0.3):
            answered.append(port)
    other.close()
    check("rss: some flows are the honest client's, some are not", 0 < len(answered) < 8, answered)
    return answered[0]


def honest_and_hostile(guest):
    """a hostile client dies again and again beside an honest one"""
    seed = int(os.environ.get("QSPLIT_TEST_SEED") or random.randrange(1 << 32))
    print(f"  seed {seed}; set QSPLIT_TEST_SEED to have it again", flush=True)
    before = faults.read(SHARED)
    guest.serve("".join(section(name, guest.nic(name), "guarded", f'steering = "{name}"') for name in ADDRESS))
    wire = Wire(guest)
    silent = {name: Rogue(guest, f"silent-{name}", name, "guarded") for name in ADDRESS}
    macs = {name: client.mac() for name, client in silent.items()}  # both links are up
    silent["pools"].close()
    guest.responder("honest-pools", ADDRESS["pools"], PORT, "--mac", HONEST_MAC, device="pools")
    guest.responder("honest-rss", ADDRESS["rss"], PORT, "--rss", device="rss")
    wire.neighbour(guest, ADDRESS["pools"], HONEST_MAC)
    wire.neighbour(guest, ADDRESS["rss"], macs["rss"].hex(":"))
    port = honest_port(wire, silent["rss"])
    wait_until(lambda: not left_of(guest, "dma_rogue"))
    had = regions(guest)
    streams = {"pools": Stream(wire, ADDRESS["pools"], PORT, PER_SECOND),
               "rss": Stream(wire, ADDRESS["rss"], PORT, PER_SECOND, port)}
    hostile = bytes.fromhex(HOSTILE_MAC.replace(":", ""))
    storms = [Storm(guest, wire, "pools", f"flow-type ether dst {HOSTILE_MAC} action 0", hostile, seed),
              Storm(guest, wire, "rss", "rss", macs["rss"], seed + 1)]
    for storm in storms:
        storm.join()
        check(f"{storm.device}: {KILLS} hostile clients were at work until they were killed", storm.killed == KILLS,
              storm.killed)
    for name, stream in streams.items():
        stream.check(f"{name}: the honest client loses nothing")
    check("no lease of theirs is left", wait_until(lambda: not left_of(guest, "rogue"), 5), left_of(guest, "rogue"))
    check("no region either", regions(guest) == had, f"{regions(guest)}, {had} before")
    check("no device was told of a bad address", faults.read(SHARED) == before)


if __name__ == "__main__":
    run(__file__, MACHINE, [honest_and_hostile], seconds=240)
