#!/usr/bin/env python3
"""vm.two_clients: two clients on two queue pairs of one igb PF. One answers a numbered stream; the other does
to its rings whatever it likes, and is killed at random instants, again and again. The first loses nothing, and
nothing is left of the second. QSPLIT_TEST_SEED has a run's instants again."""
import os
import random
import time

import faults
from case import check, run, wait_until
from inside import SHARED
from machine import Machine, igb, peer
from rogue import Rogue, Stream, Wire, link_is_up
from system import TESTS

MACHINE = Machine((igb("igb", wire=1), peer("kernel", wire=1)))

KILLS = 20
LIFE_SECONDS = (0.0, 0.5)  # of a hostile client, from its first lease on
HONEST, PORT = "10.77.0.20", 4242
HONEST_MAC, HOSTILE_MAC = "02:00:00:00:66:02", "02:00:00:00:66:01"
PER_SECOND = 400


def leases(guest):
    return guest.qsplit("lease", "list").get("leases", [])


def programs(guest):
    return [lease.get("program") for lease in leases(guest)]


def storm(guest, wire, stream, traffic, mac):
    """Hostile clients, one after the other."""
    seed = int(os.environ.get("QSPLIT_TEST_SEED") or random.randrange(1 << 32))
    print(f"  seed {seed}; set QSPLIT_TEST_SEED to have it again", flush=True)
    dice = random.Random(seed)
    before = faults.read(SHARED)
    alone = 0
    regions = len(guest.qsplit("region", "list").get("regions", []))
    for n in range(KILLS):
        hostile = guest.await_ready([TESTS + "/rogue", guest.run, "60", str(dice.randrange(1 << 32)), "nic0", "1",
                                     traffic], f"hostile-{n}", drop=True)
        end = time.monotonic() + dice.uniform(*LIFE_SECONDS)
        while time.monotonic() < end:
            wire.flood(mac, 2)
            time.sleep(0.005)
        alive = hostile.poll() is None
        hostile.kill()
        hostile.wait()
        alone += not alive
        if not alive:
            print(guest.log(f"hostile-{n}"))
    check(f"{KILLS} hostile clients were at work until they were killed", not alone)
    gone = wait_until(lambda: programs(guest).count("rogue") == 0, 5)
    check("no lease of theirs is left", gone, programs(guest))
    left = len(guest.qsplit("region", "list").get("regions", []))
    check("no region either", left == regions, f"{left}, {regions} before")
    stream.check("the honest client loses nothing")
    check("the device was never told of a bad address", faults.read(SHARED) == before)


def section(guest, steering):
    return (f'[[device]]\nname = "nic0"\nbackend = "vfio"\nfunction = "{guest.nic("igb")}"\nmode = "guarded"\n'
            f'steering = "{steering}"\n')


def by_mac(guest):
    """pools: each client has an address of its own"""
    guest.serve(section(guest, "pools"))
    link_is_up(guest)
    wire = Wire(guest)
    guest.responder("honest", HONEST, PORT, "--mac", HONEST_MAC)
    wire.neighbour(guest, HONEST, HONEST_MAC)
    stream = Stream(wire, HONEST, PORT, PER_SECOND)
    storm(guest, wire, stream, f"flow-type ether dst {HOSTILE_MAC} action 0",
          bytes.fromhex(HOSTILE_MAC.replace(":", "")))


def by_hash(guest):
    """RSS: both share one address"""
    guest.serve(section(guest, "rss"))
    other = Rogue(guest, "silent", "nic0", "guarded")
    mac = other.mac()
    wire = Wire(guest)
    guest.responder("honest", HONEST, PORT, "--rss")
    wire.neighbour(guest, HONEST, mac.hex(":"))
    stream = Stream(wire, HONEST, PORT, PER_SECOND, local_port=honest_port(guest, wire, other))
    storm(guest, wire, stream, "rss", mac)


def honest_port(guest, wire, other):
    """One whose flow is hashed to the honest client while another is in RSS too: that one answers nothing."""
    other.do("lease", "rss")
    answered = []
    for port in range(20000, 20008):
        probe = Stream(wire, HONEST, PORT, 200, port)
        time.sleep(0.05)
        if probe.ended(0.2):
            answered.append(port)
    other.close()
    check("some flows are the honest client's, some are not", 0 < len(answered) < 8, answered)
    wait_until(lambda: "dma_rogue" not in programs(guest), 5)
    return answered[0]


if __name__ == "__main__":
    run(__file__, MACHINE, [by_mac, by_hash], seconds=150)
