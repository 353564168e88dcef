#!/usr/bin/env python3
"""vm.af_xdp: queues of NICs that stay with their kernel drivers, leased to programs without any privilege; the
kernel's stack goes on with the rest of the traffic."""
import random
import re
import socket
import subprocess

import served
from case import check, run, wait_until
from inside import namespace
from machine import Machine, igb, peer, virtio

MACHINE = Machine((igb("igb", wire=1), peer("peer1", wire=1), virtio("virtio", wire=2), peer("peer2", wire=2)))
COUNT = 50  # datagrams to each of two programs
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


def queue_of(dev, source, target):
    """Where the NIC's RSS brings IPv4 packets of these addresses: igb hashes no ports of UDP by itself, and has the
    kernel's key."""
    with open("/proc/sys/net/core/netdev_rss_key") as file:
        key = int.from_bytes(bytes.fromhex(file.read().strip().replace(":", ""))[:40], "big")
    bits = int.from_bytes(socket.inet_aton(source) + socket.inet_aton(target), "big")
    hashed = 0
    for i in range(64):
        if bits >> (63 - i) & 1:
            hashed ^= key >> (320 - 32 - i) & 0xffffffff
    shown = subprocess.run(["ethtool", "-x", dev], capture_output=True, text=True, check=True).stdout
    table = [int(queue) for row in re.findall(r"^ *\d+:((?: +\d+)+)$", shown, re.M) for queue in row.split()]
    return table[hashed % len(table)]


def two_clients(guest):
    """Each has a queue and what the NIC brings there of its flow, at the same time; all else is the kernel's."""
    netns, dev = "peer1", guest.nic("igb").netdev()
    guest.serve(f'[[device]]\nname = "eth"\nbackend = "af_xdp"\nnetdev = "{dev}"\nchannels = 2\nslots = 256\n')
    served.with_link(guest, "eth")
    # The key is another in each guest: with the bits of one octet alone, one key in 64 brings all to one queue.
    guest.call("ip", "-n", netns, "route", "add", "10.128.0.0/9", "dev", guest.netdevs[netns])
    hosts = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in random.Random(1).sample(range(0x800000, 0x1000000), 200)]
    addresses = [next(host for host in hosts if queue_of(dev, "10.77.1.1", host) == queue) for queue in (0, 1)]
    programs = [guest.responder(f"of-queue-{queue}", address, 4242, "--no-icmp", device="eth")
                for queue, address in enumerate(addresses)]
    for address in addresses:
        guest.call("ip", "-n", netns, "neigh", "replace", address, "lladdr", guest.mac("igb"), "dev",
                   guest.netdevs[netns])
    ping = subprocess.Popen(["ip", "netns", "exec", netns, "ping", "-q", "-c", "30", "-i", "0.02", "-W", "2",
                             "10.77.1.2"], stdout=subprocess.PIPE, text=True)
    answered = both(netns, addresses)
    check("igb: two programs answer at the same time, each on its queue", answered == [COUNT, COUNT], answered)
    said = ping.communicate()[0]
    check("igb: the kernel answers meanwhile", ping.returncode == 0, said)
    leases = {int(lease["pid"]): lease["lease_id"] for lease in guest.qsplit("lease", "list")["leases"]}
    counted = [(queue["lease_id"], int(queue["packets"])) for queue in guest.qsplit("stats", "show", "eth")["stats"]
               ["queues"] if not queue["transmit"]]
    check("igb: each queue had its own flow, whole", counted == [(leases[program.pid], COUNT) for program in programs],
          counted)
    programs[0].kill()
    programs[0].wait(10)
    check("igb: when one is killed, the other goes on", both(netns, addresses[1:]) == [COUNT])
    served.stop(guest, {})


def both(netns, addresses):
    """Numbered datagrams to port 4242 of each, in turn; how many each answered."""
    with namespace(netns):
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in addresses]
    answered = [0] * len(addresses)
    for one, address in zip(sockets, addresses):
        one.settimeout(20)
        one.connect((address, 4242))
    for n in range(COUNT):
        for one in sockets:
            one.send(b"%d" % n)
        for i, one in enumerate(sockets):
            try:
                answered[i] += one.recv(64) == b"%d" % n
            except OSError:
                return answered
    for one in sockets:
        one.close()
    return answered


def of_igb(guest):
    """igb"""
    shared(guest, "igb", 1, "igb")
    two_clients(guest)


def of_virtio(guest):
    """virtio-net"""
    shared(guest, "virtio", 2, "virtio_net")


if __name__ == "__main__":
    run(__file__, MACHINE, [of_igb, of_virtio], seconds=240)
