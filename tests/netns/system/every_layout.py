#!/usr/bin/env python3
"""One software NIC for each layout that carries packets, all of one qsplitd; behind each the same
unchanged program, as uid 65534 without a capability; in front of each the kernel's own stack, over a tap.

    namespace world                                       namespace host
    10.100.N.1  tap ===wire=== nicN (qsplitd) --- queue ... responder for 10.100.N.10

Small packets, packets over several descriptors, each ring passed many times over, and a program that
stops reading while its ring overflows: afterwards all is as before, and nothing has faulted.
"""
import os
import re
import signal
import subprocess
import sys

from world import BIN, LAYOUTS, SOURCE, World, check, finish, layouts, need_root, need_tools

SLOTS = 512  # of a ring, if the layout has so many
FLOOD = 3000
MOST_FLOODS = 100
LARGE = 8000  # bytes: four buffers or more


def text_of(name):
    return subprocess.run([BIN + "/qsplit", "layout", "emit", "text", f"{LAYOUTS}/{name}.layout"],
                          capture_output=True, text=True, check=True).stdout


def large(name):
    """Bytes of a ping that takes several descriptors, or the most that a packet of the layout holds."""
    limits = [int(n) for n in re.findall(r"at most (\d+) bytes per packet", text_of(name))]
    return min([LARGE, *(limit - 42 for limit in limits)])


class Lab(World):
    """Many NICs instead of one."""

    def __init__(self, names):
        self.names = names
        super().__init__()

    def device_text(self, layout, extra):
        return "".join(f"""
[[device]]
name = "nic{i}"
layout = "{name}"
queues = 1
mtu = 9000
slots = {SLOTS}
mac = "02:00:00:00:01:{i:02x}"
worker = "w{i % 2}"
wire = {{ tap = "{self.tap}{i}", netns = "{self.world}" }}
""" for i, name in enumerate(self.names))

    def set_up_links(self):
        for i in range(len(self.names)):
            self.call("ip", "-n", self.world, "addr", "add", f"10.100.{i}.1/24", "dev", f"{self.tap}{i}")
            self.call("ip", "-n", self.world, "link", "set", f"{self.tap}{i}", "up")


def queues(w, device):
    stats = w.qsplit("stats", "show", device)["stats"]["queues"]
    receive = next(queue for queue in stats if not queue.get("transmit"))
    return receive, sum(int(queue.get("faults", 0)) for queue in stats)


def flood(w, address):
    """More datagrams than there are slots, answered or not."""
    subprocess.run(["ip", "netns", "exec", w.world, sys.executable, "-c", f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("{address}", 4242))
for n in range({4 * SLOTS}):
    try: s.send(bytes(200))
    except OSError: pass
"""], check=True)


def carries(w, i, name):
    print(f"layout {name}")
    size = large(name)
    address = f"10.100.{i}.10"
    program = w.start_ready([BIN + "/qsplit-responder", "--device", f"nic{i}", "--ip", address, "--arp"], name,
                            drop=True)
    lease = w.qsplit("lease", "list")["leases"][-1]
    check("the lease has the layout", lease["layout"]["name"] == name, lease["layout"]["name"])
    check("small packets", *w.try_in(w.world, "ping", "-q", "-c", "20", "-i", "0.005", "-W", "2", address))
    check("packets over several descriptors", *w.try_in(
        w.world, "ping", "-q", "-c", "20", "-i", "0.005", "-W", "2", "-s", str(size), "-M", "do", address))
    w.udp("UDP", address, 4242, count=100)
    w.udp("UDP over several descriptors", address, 4242, count=100, size=size)
    check("each ring is passed many times over", *w.try_in(
        w.world, "ping", "-q", "-f", "-c", str(FLOOD), "-W", "2", address))
    before, _ = queues(w, f"nic{i}")
    check("no packet was lost", int(before.get("drops_no_descriptor", 0)) == 0, before)

    program.send_signal(signal.SIGSTOP)
    full = before
    for _ in range(MOST_FLOODS):  # slots that hold many packets take a while
        if int(full["drops_no_descriptor"]):
            break
        flood(w, address)
        full, _ = queues(w, f"nic{i}")
    check("a program that stops reading has its ring run over", int(full["drops_no_descriptor"]) > 0, full)
    program.send_signal(signal.SIGCONT)
    check("and it goes on when the program does", *w.try_in(
        w.world, "ping", "-q", "-f", "-c", str(FLOOD), "-W", "2", address))
    check("packets over several descriptors, again", *w.try_in(
        w.world, "ping", "-q", "-c", "20", "-i", "0.005", "-W", "2", "-s", str(size), "-M", "do", address))
    _, faults = queues(w, f"nic{i}")
    check("nothing faulted", faults == 0)
    program.send_signal(signal.SIGTERM)
    check("SIGTERM ends the program in status 0", program.wait(20) == 0, w.log(name))
    check("and its lease", w.qsplit("lease", "list") == {"leases": []})


need_root()
need_tools("ping", "setpriv")
only = sys.argv[1:]
names = [name for name in layouts() if "queue receive" in text_of(name) and (not only or name in only)]
check("there are layouts", len(names) >= (len(only) or 25), len(names))
lab = Lab(names)
for number, layout in enumerate(names):
    carries(lab, number, layout)
lab.daemon.send_signal(signal.SIGTERM)
check("qsplitd ends in status 0", lab.daemon.wait(20) == 0, lab.log("qsplitd")[-500:])
finish()
