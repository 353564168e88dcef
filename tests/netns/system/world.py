"""A world for tests of the whole system: two network namespaces, qsplitd's software NIC between them.

    namespace world                        namespace host
    10.99.0.1  tap ===wire=== nic0 (qsplitd) --- representor  10.99.0.2
                                  |--- queue ... a responder, uid 65534

Names hold this process's number, so several may run at once. tests/support/system/system.py has the rest.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["QSPLIT_SOURCE_DIR"], "tests/support/system"))

from system import *  # noqa: F401,F403,E402: a test of this folder imports it from here
from system import System, skip  # noqa: E402

MAC = "02:00:00:00:00:01"


def need_root():
    if os.geteuid() != 0:
        skip("needs root to make network namespaces")
    elif not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        skip("needs /dev/net/tun to make a tap")
    elif subprocess.run(["ip", "netns", "add", f"qst{os.getpid()}"], capture_output=True).returncode:
        skip("`ip netns add` is not allowed here")
    subprocess.run(["ip", "netns", "delete", f"qst{os.getpid()}"], check=True)


class World(System):
    def __init__(self, layout=None, steer='"any"', extra=""):
        super().__init__()
        self.tag = f"qst{os.getpid()}"
        self.world, self.host = self.tag + "-w", self.tag + "-h"
        self.netns = self.host
        self.tap, self.representor = f"qsw{os.getpid()}", f"qsr{os.getpid()}"
        for name in (self.world, self.host):
            self.call("ip", "netns", "add", name)
        self.call("ip", "netns", "exec", self.host, "ip", "link", "set", "lo", "up")
        self.configure(f"{self.device_text(layout, extra)}{self.tenant}steer = {steer}\n")
        self.start_daemon()

    def device_text(self, layout, extra):
        return f"""
[[device]]
name = "nic0"
queues = 8
mac = "{MAC}"
{f'layout = "{layout}"' if layout else ""}
wire = {{ tap = "{self.tap}", netns = "{self.world}" }}
representor = "{self.representor}"
{extra}"""

    def start_daemon(self):
        super().start_daemon()
        self.set_up_links()

    def set_up_links(self):
        for netns, dev, ip, ip6 in ((self.world, self.tap, "10.99.0.1/24", "fd99::1/64"),
                                    (self.host, self.representor, "10.99.0.2/24", "fd99::2/64")):
            for words in (f"addr add {ip} dev {dev}", f"addr add {ip6} dev {dev} nodad", f"link set {dev} up"):
                self.call("ip", "-n", netns, *words.split())
        # For addresses that nobody answers ARP for.
        for last in (10, 11):
            self.call("ip", "-n", self.world, "neigh", "add", f"10.99.0.{last}", "lladdr", MAC, "dev", self.tap)

    def ping(self, what, address, netns=None, **options):
        return super().ping(what, address, netns or self.world, **options)

    def udp(self, what, address, port, netns=None, **options):
        return super().udp(what, address, port, netns or self.world, **options)

    def close(self):
        super().close()
        for name in (self.world, self.host):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)
