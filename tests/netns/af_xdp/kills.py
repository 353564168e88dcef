#!/usr/bin/env python3
"""SIGKILL of the client or of qsplitd at random instants of their lives, 200 times: the queue is leased again at
once, and in the end bpftool, ethtool and ip show nothing that was not there before.

The netdev steers by itself (nic_world.py), so that a daemon that dies leaves all kinds of changes: channels, ntuple
rules, the RSS table. Some die at a call to the NIC of their own, before or after the NIC has carried it out."""
import random
import subprocess
import sys
import time

from nic_world import NicWorld
from veth_world import BIN, READY_SECONDS, NotReady, check, finish, need_root, need_tools, wait_until

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
LONGEST_LIFE = 0.08  # seconds; a responder is ready after some 0.05
CALLS = 50  # to the NIC, of a daemon that starts, leases a queue to a program with rules, and takes it back
OF_START = 16  # of them, if there is nothing to undo
LEFT = ("channels", "RSS", "rules", "journal")  # what outlives a daemon, until the next one starts
seed = random.randrange(1 << 32)
random.seed(seed)
seen = {}  # what daemons that were killed have left, and how often


def look(w, before):
    now = w.shown(*LEFT)
    for kind in LEFT:
        if now[kind] != before[kind]:
            seen[kind] = seen.get(kind, 0) + 1


def notices(w, before):
    """Whatever a daemon may leave shows, and stands in `before` no more when it is taken back."""
    planted = {
        "channels": ("ethtool -L {} rx 1 tx 1", "ethtool -L {} rx 4 tx 4"),
        "features": ("ethtool -K {} gro on", "ethtool -K {} gro off"),
        "RSS": ("ethtool -X {} weight 1 0", "ethtool -X {} default"),
        "rules": ("ethtool -N {} flow-type udp4 dst-port 9 action 1 loc 3", "ethtool -N {} delete 3"),
        "link": ("ip link set {} promisc on", "ip link set {} promisc off"),
        "addresses": ("ip maddr add 01:00:5e:00:00:42 dev {}", "ip maddr del 01:00:5e:00:00:42 dev {}")}
    for kind, (plant, undo) in planted.items():
        w.in_host(*plant.format(w.dev).split())
        check(f"what was planted shows: {kind}", w.shown(kind)[kind] != before[kind])
        w.in_host(*undo.format(w.dev).split())
    w.check_as(before, "and is gone again")
    w.start_daemon()
    now = w.shown()
    for kind in ("channels", "link", "programs", "processes", "journal"):
        check(f"of a daemon that runs it shows: {kind}", now[kind] != before[kind])
    w.daemon.terminate()
    w.daemon.wait(20)
    w.check_as(before, "a daemon that stops leaves nothing")


def cleaned(w, before, when):
    done = subprocess.run(["ip", "netns", "exec", w.host, *w.under(), BIN + "/qsplitd", "--config",
                           w.dir + "/qsplitd.toml", "--clean"], capture_output=True, text=True)
    check(f"{when} --clean leaves nothing", done.returncode == 0, done.stderr)
    w.check_as(before, "the tools show what they showed before", seconds=5)


def young_and_old(w, before, kills):
    """SIGKILL of a daemon that starts, or stops."""
    calls = random.sample([at for at in range(-OF_START, OF_START + 1) if at], min(kills, 2 * OF_START))
    for kill in range(kills):
        at = calls[kill // 2 % len(calls)] if kill % 2 else 0
        daemon = w.start([*w.under(at), BIN + "/qsplitd", "--config", w.dir + "/qsplitd.toml"], "young", netns=w.host)
        if at:
            check(f"it dies at its call {at} to the NIC", wait_until(lambda: daemon.poll() is not None, READY_SECONDS))
        else:
            time.sleep(random.uniform(0.005, 0.12))
        if kill % 3 == 0 and not at:
            daemon.terminate()
            time.sleep(random.uniform(0, 0.02))
        daemon.kill()
        daemon.wait(20)
        look(w, before)
        if kill % 4 == 3:
            cleaned(w, before, f"after {kill + 1} daemons that were killed while they started or stopped")


def restart(w, at=0):
    """A daemon that serves; those that die while they start count as killed."""
    died = 0
    while True:
        try:
            w.start_daemon(at)
            return died
        except NotReady:
            w.daemon.wait(20)
            died += 1
            at = 0


def client_of(w):
    return w.start([BIN + "/qsplit-responder", "--runtime-dir", w.run, "--device", "eth", "--ip", "10.88.0.10"],
                   "client", drop=True)


def leased(w):
    try:
        return any(lease["state"] == "LEASE_STATE_ACTIVE" for lease in w.qsplit("lease", "list")["leases"])
    except RuntimeError:  # the daemon dies
        return False


need_root()
need_tools("setpriv", "taskset", "bpftool", "ethtool", "ping")
w = NicWorld(queues=2, channels=4, keys="channels = 2")
before = w.shown()
notices(w, before)
w.start_daemon()
kinds = {"client": 0, "client that gives back": 0, "daemon": 0, "daemon at a call to its NIC": 0}
while sum(kinds.values()) < KILLS:
    kind = random.choices(list(kinds), (70, 14, 12, 4))[0]
    kinds[kind] += 1
    if kind == "daemon at a call to its NIC":
        w.daemon.kill()
        w.daemon.wait(20)
        kinds["daemon"] += 1 + restart(w, random.choice((-1, 1)) * random.randrange(1, CALLS))
    client = client_of(w)
    if kind in ("client", "daemon"):
        time.sleep(random.uniform(0, LONGEST_LIFE))
    else:
        wait_until(lambda: w.daemon.poll() is not None or client.poll() is not None or leased(w), 20)
        client.terminate()
        time.sleep(random.uniform(0, 0.01))
    if kind.startswith("daemon"):
        if kind == "daemon":
            if random.random() < 0.3:  # it stops, and takes back what the program has
                w.daemon.terminate()
                time.sleep(random.uniform(0, 0.05))
            w.daemon.kill()
        elif w.daemon.poll() is None:
            client.wait(20)  # and the daemon takes back what it had
            w.daemon.kill()
        w.daemon.wait(20)
        look(w, before)
        kinds["daemon"] += restart(w)
    client.kill()
    client.wait(20)
print("  killed:", ", ".join(f"{count} × {kind}" for kind, count in kinds.items()), f"; seed {seed}")
last = w.responder("last", "10.88.0.10", 4242)
# Not always the one before: it may be on its way back from the last program that was killed.
held = [lease for lease in w.qsplit("lease", "list")["leases"] if lease["pid"] == last.pid][0]["rx_queues"][0]
w.ping("a program leases a queue at once afterwards", "10.88.0.10", queue=held, count=10)
last.kill()
last.wait(20)
check("the tables are empty", wait_until(
    lambda: [w.qsplit(what, "list") for what in ("lease", "rule", "region")] ==
    [{"leases": []}, {"rules": []}, {"regions": []}], 20))
w.daemon.kill()
w.daemon.wait(20)
cleaned(w, before, "in the end")
young_and_old(w, before, max(KILLS // 5, 4) // 4 * 4)
for kind in LEFT:
    check(f"daemons that were killed had left, until the next start: {kind}", seen.get(kind, 0) > 0 or KILLS < 100, seen)
w.ping("and the kernel's stack answers", "10.88.0.2", count=10)
finish()
