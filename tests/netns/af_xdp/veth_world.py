"""A world for tests of AF_XDP leases: a veth pair between two namespaces, qsplitd at one end of it.

    namespace world                  namespace host (qsplitd)
    10.88.0.1  peer ===veth=== dev, device "eth"  10.88.0.2, the kernel's own stack
                                |--- queue ... a responder, uid 65534

Packets of the world arrive at the queue of `dev` that has the number of the sender's processor, as XPS has
it on `peer`: `pinned` chooses it. Names hold this process's number, so several may run at once.
"""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["QSPLIT_SOURCE_DIR"], "tests/support/system"))

from system import *  # noqa: F401,F403,E402: a test of this folder imports it from here
from system import System, check, skip, wait_until  # noqa: E402

RULES_OF = {"udp": "udp4", "ping": "ip4"}


def need_root():
    if os.geteuid() != 0:
        skip("needs root to make network namespaces")
    probe = f"qsx{os.getpid()}-p"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode:
        skip("`ip netns add` is not allowed here")
    made = subprocess.run(["ip", "-n", probe, *"link add va type veth peer name vb".split()], capture_output=True)
    subprocess.run(["ip", "netns", "delete", probe], check=True)
    if made.returncode:
        skip("this kernel has no veth")


class VethWorld(System):
    tenant = """
[[tenant]]
name = "nobody"
uids = [65534]
may_transmit = ["eth"]
quotas = { rx_queues = 4, tx_queues = 4 }
"""

    def __init__(self, queues=2, keys="", steer='"any"', start=True, mtu=1500):
        super().__init__()
        self.tag = f"qsx{os.getpid()}"
        self.world, self.host = self.tag + "-w", self.tag + "-h"
        self.netns = self.host
        self.dev, self.peer = f"qxd{os.getpid()}", f"qxp{os.getpid()}"
        for name in (self.world, self.host):
            self.call("ip", "netns", "add", name)
            self.call("ip", "-n", name, "link", "set", "lo", "up")
        many = ["numrxqueues", str(queues), "numtxqueues", str(queues)]
        self.call("ip", "-n", self.host, "link", "add", self.dev, *many, "type", "veth", "peer", "name", self.peer,
                  *many, "netns", self.world)
        for netns, dev, ip, ip6 in ((self.world, self.peer, "10.88.0.1/24", "fd88::1/64"),
                                    (self.host, self.dev, "10.88.0.2/24", "fd88::2/64")):
            for words in (f"addr add {ip} dev {dev}", f"addr add {ip6} dev {dev} nodad",
                          f"link set {dev} mtu {mtu} up"):
                self.call("ip", "-n", netns, *words.split())
            # The peer's kernel would leave checksums to a NIC that there is not.
            self.try_in(netns, "ethtool", "-K", dev, "tx-checksumming", "off")
        self.mac = self.mac_of(self.host, self.dev)
        # For addresses that nobody answers ARP for.
        for last in range(10, 14):
            self.call("ip", "-n", self.world, "neigh", "add", f"10.88.0.{last}", "lladdr", self.mac, "dev", self.peer)
        for queue in range(min(queues, os.cpu_count()) if queues > 1 else 0):
            subprocess.run(["ip", "netns", "exec", self.world, "sh", "-c",
                            f"echo {1 << queue:x} >/sys/class/net/{self.peer}/queues/tx-{queue}/xps_cpus"], check=True)
        self.configure(f"""
[[device]]
name = "eth"
backend = "af_xdp"
netdev = "{self.dev}"
{keys}
{self.tenant}steer = {steer}
""")
        if start:
            self.start_daemon()

    def mac_of(self, netns, dev):
        return re.search(r"link/ether (\S+)", subprocess.run(
            ["ip", "-n", netns, "link", "show", dev], capture_output=True, text=True).stdout)[1]

    def xdp_program(self):
        """The number of the netdev's XDP program; 0: it has none. When rules change, it is another one soon afterwards."""
        shown = subprocess.run(["ip", "-n", self.host, "-d", "link", "show", self.dev], capture_output=True,
                               text=True).stdout
        found = re.search(r"prog/xdp id (\d+)", shown)
        return int(found[1]) if found else 0

    def detach_program(self):
        """Takes it off by force: by its BPF link, which stays the same while one program takes the other's place."""
        def link():
            shown = subprocess.run(["bpftool", "-j", "link", "show"], capture_output=True, text=True, check=True).stdout
            links = {one.get("prog_id"): one["id"] for one in json.loads(shown)}
            return links.get(self.xdp_program())
        self.call("bpftool", "link", "detach", "id", str(wait_until(link)))

    def pinned(self, queue, *argv):
        """The command, on the processor whose packets arrive at this queue."""
        return ["taskset", "-c", str(queue % os.cpu_count()), *argv]

    def ping(self, what, address, queue=0, count=50, size=56):
        return check(what, *self.try_in(self.world, *self.pinned(
            queue, "ping", "-q", "-c", str(count), "-i", "0.01", "-W", "2", "-s", str(size), address)))

    def udp(self, what, address, port, queue=0, count=200, size=64):
        return check(what, *self.try_in(self.world, *self.pinned(
            queue, sys.executable, os.environ["QSPLIT_SOURCE_DIR"] + "/tests/support/udp_ping.py", address, str(port),
            "--count", str(count), "--size", str(size), "--interval", "0")))

    def responder(self, name, ip, port, *more, device="eth"):
        return super().responder(name, ip, port, *more, device=device)

    def close(self):
        super().close()
        for name in (self.world, self.host):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)
