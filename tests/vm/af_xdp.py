#!/usr/bin/env python3
"""vm.af_xdp: queues of NICs that stay with their kernel drivers, leased to a program without any privilege; the
kernel's stack goes on with the rest of the traffic."""
import subprocess

import served
from case import check, run, wait_until
from machine import Machine, igb, peer, virtio

MACHINE = Machine((igb("igb", wire=1), peer("peer1", wire=1), virtio("virtio", wire=2), peer("peer2", wire=2)))
TENANT = """
[[tenant]]
name = "nobody"
uids = [65534]
may_transmit = ["eth"]
"""


def shared(guest, name, wire, driver):
    nic, netns = guest.nic(name), served.peer(guest, f"peer{wire}")
    dev = wait_until(nic.netdev)
    for words in (f"addr add 10.77.{wire}.2/24 dev {dev}", f"link set {dev} up",
                  f"-n {netns} neigh add 10.77.{wire}.10 lladdr {guest.mac(name)} dev {guest.netdevs[netns]}"):
        guest.call("ip", *words.split())
    guest.tenant = TENANT
    guest.serve(f'[[device]]\nname = "eth"\nbackend = "af_xdp"\nnetdev = "{dev}"\nchannels = 1\nslots = 256\n')
    said = served.with_link(guest, "eth")
    facts = said["netdev"]
    check(f"{name}: its driver keeps it", facts["driver"] == driver, facts["driver"])
    check(f"{name}: how it runs, and why not better", facts["xdp_mode"] in ("native", "generic") and
          bool(facts["xdp_mode_reason"]) == (facts["xdp_mode"] == "generic") and facts["copy_reason"], facts)
    wait_until(lambda: guest.try_in(netns, "ping", "-q", "-c", "1", "-W", "1", f"10.77.{wire}.2")[0], 10)
    program = served.answered(guest, f"{name}, AF_XDP", "eth", wire, netns)
    guest.ping(f"{name}: the kernel answers on its own address", f"10.77.{wire}.2", netns, count=10)
    pinged = subprocess.run(["ping", "-q", "-c", "5", "-i", "0.01", "-W", "2", f"10.77.{wire}.1"],
                            capture_output=True, check=False)
    check(f"{name}: and pings", pinged.returncode == 0, pinged.stdout.decode())
    program.kill()
    program.wait(10)
    served.answered(guest, f"{name}, leased again", "eth", wire, netns, pings=5, datagrams=10)
    served.stop(guest, {})
    check(f"{name}: is with its driver, and works", nic.driver() is not None and
          guest.try_in(netns, "ping", "-q", "-c", "3", "-W", "2", f"10.77.{wire}.2")[0], nic.driver())


def of_igb(guest):
    """igb"""
    shared(guest, "igb", 1, "igb")


def of_virtio(guest):
    """virtio-net"""
    shared(guest, "virtio", 2, "virtio_net")


if __name__ == "__main__":
    run(__file__, MACHINE, [of_igb, of_virtio], seconds=240)
