#!/usr/bin/env python3
"""What the shipped systemd unit names for kernel netdevs is enough for a daemon that has exactly that: it starts,
leases, and sets the netdev's promiscuity."""
import json
import os
import re
import subprocess

from veth_world import BIN, VethWorld, check, finish, need_root, need_tools

need_root()
need_tools("ping", "setpriv", "taskset")


def unit():
    """Capabilities and address families: the unit's own, and those of its drop-in for kernel netdevs."""
    with open(os.environ["QSPLIT_SOURCE_DIR"] + "/daemon/qsplitd.service.in") as file:
        text = file.read()
    drop_in = re.search(r'backend = "af_xdp".*\n((?:#   .*\n)+)', text)[1].replace("#   ", "")
    capabilities, families = [], []
    for key, words in re.findall(r"^(CapabilityBoundingSet|RestrictAddressFamilies)=(.*)$", text + drop_in, re.M):
        (capabilities if key == "CapabilityBoundingSet" else families).extend(words.split())
    return [name.removeprefix("CAP_").lower() for name in capabilities], families


class Bounded(VethWorld):
    def start_bounded(self, capabilities, config, name):
        bound = "--bounding-set=-all," + ",".join("+" + capability for capability in capabilities)
        return self.await_ready(["setpriv", bound, BIN + "/qsplitd", "--config", config], name, netns=self.host)


def trouble(run):
    shown = subprocess.run([BIN + "/qsplit", "--runtime-dir", run, "-j", "device", "show", "eth"], capture_output=True,
                           text=True).stdout
    return json.loads(shown)["device"].get("trouble", "")


capabilities, families = unit()
print("  the unit's:", *capabilities, *families)
w = Bounded(queues=1, start=False)
less = w.start_bounded([name for name in capabilities if name != "perfmon"], w.dir + "/qsplitd.toml", "less")
check("one that lacks CAP_PERFMON says so", "CAP_PERFMON" in trouble(w.run), trouble(w.run))
less.terminate()
less.wait(20)
w.daemon = w.start_bounded(capabilities, w.dir + "/qsplitd.toml", "qsplitd")
client = w.responder("client", "10.88.0.10", 4242)
w.ping("a lease's program answers", "10.88.0.10")
why = w.qsplit_text("queue", "why", "eth", "0")
check("nothing is wrong", "nothing is wrong" in why, why)
done = subprocess.run([BIN + "/qsplit", "--runtime-dir", w.run, "device", "set", "eth", "--promisc", "on"],
                      capture_output=True, text=True)
check("promiscuity can be set", done.returncode == 0, done.stderr)
with open(f"/proc/{w.daemon.pid}/net/packet") as file:
    check("the packet socket that this takes is of a family that the unit allows",
          len(file.readlines()) < 2 or "AF_PACKET" in families, families)
check("and AF_XDP is", "AF_XDP" in families, families)

# In the way of another one: without CAP_SYS_ADMIN it cannot know whose program that is.
with open(w.dir + "/qsplitd.toml") as file:
    second = file.read().replace(w.run, w.run + "2")
with open(w.dir + "/second.toml", "w") as out:
    out.write(second)
w.start_bounded(capabilities, w.dir + "/second.toml", "second")
said = trouble(w.run + "2")
check("a program that is in the way is nobody's that it could name, and both remedies are told",
      "CAP_SYS_ADMIN" in said and f"ip link set dev {w.dev} xdpdrv off" in said and "bpftool link list" in said, said)
check("it is left alone", w.ping("and the lease goes on", "10.88.0.10", count=10))
client.terminate()
client.wait(20)
finish()
