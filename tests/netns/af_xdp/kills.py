#!/usr/bin/env python3
"""SIGKILL of the client or of qsplitd at random instants of their lives, 200 times: the queue is leased again at
once, and in the end bpftool, ethtool and ip show nothing that was not there before."""
import random
import re
import subprocess
import sys
import time

from veth_world import BIN, VethWorld, check, finish, need_root, need_tools, wait_until

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
LONGEST_LIFE = 0.08  # seconds; a responder is ready after some 0.05
seed = random.randrange(1 << 32)
random.seed(seed)


def in_host(w, *argv):
    done = subprocess.run(["ip", "netns", "exec", w.host, *argv], capture_output=True, text=True)
    return done.stdout + done.stderr


def shown(w):
    """What the tools show of the netdev."""
    link = in_host(w, "ip", "-d", "link", "show", w.dev)
    return {"ip": "prog/xdp" in link, "promiscuity": re.findall(r"promiscuity (\d+)", link),
            "channels": re.findall(r"[RT]X:\s+(\d+)", in_host(w, "ethtool", "-l", w.dev)),
            "RSS": in_host(w, "ethtool", "-x", w.dev), "filters": in_host(w, "ethtool", "-n", w.dev),
            "bpftool": in_host(w, "bpftool", "net", "show", "dev", w.dev)}


def young_and_old(w, before, kills):
    """SIGKILL of a daemon that starts, or stops."""
    states = set()
    for kill in range(kills):
        daemon = w.start([BIN + "/qsplitd", "--config", w.dir + "/qsplitd.toml"], "young", netns=w.host)
        time.sleep(random.uniform(0.005, 0.12))
        if kill % 3 == 0:
            daemon.terminate()
            time.sleep(random.uniform(0, 0.02))
        daemon.kill()
        daemon.wait(5)
        states.add(str(shown(w)["channels"]))
        if kill % 4 == 3:
            cleaned(w, before, f"after {kill + 1} daemons that were killed while they started or stopped")
    print(f"  the netdev was found with channels {' and '.join(sorted(states))}")


def cleaned(w, before, when):
    done = subprocess.run(["ip", "netns", "exec", w.host, BIN + "/qsplitd", "--config", w.dir + "/qsplitd.toml",
                           "--clean"], capture_output=True, text=True)
    check(f"{when} --clean leaves nothing", done.returncode == 0, done.stdout + done.stderr)
    check("the tools show what they showed before", wait_until(lambda: shown(w) == before, 5), (before, shown(w)))


need_root()
need_tools("setpriv", "taskset", "bpftool", "ethtool", "ping")
w = VethWorld(queues=2, keys="channels = 1", start=False)
before = shown(w)
daemons = 0
w.start_daemon()
for _ in range(KILLS):
    client = w.start([BIN + "/qsplit-responder", "--runtime-dir", w.run, "--device", "eth", "--ip", "10.88.0.10"],
                     "client", drop=True)
    time.sleep(random.uniform(0, LONGEST_LIFE))
    if random.random() < 0.2:
        daemons += 1
        w.daemon.kill()
        w.daemon.wait(5)
        w.start_daemon()
    client.kill()
    client.wait(5)
print(f"  {KILLS - daemons} clients and {daemons} daemons were killed, seed {seed}")
last = w.responder("last", "10.88.0.10", 4242)
w.ping("a program leases the queue at once afterwards", "10.88.0.10", count=10)
last.kill()
last.wait(5)
check("the tables are empty", wait_until(
    lambda: [w.qsplit(what, "list") for what in ("lease", "rule", "region")] ==
    [{"leases": []}, {"rules": []}, {"regions": []}], 2))
w.daemon.kill()
w.daemon.wait(5)
cleaned(w, before, "in the end")
young_and_old(w, before, max(KILLS // 5, 4) // 4 * 4)
w.ping("and the kernel's stack answers", "10.88.0.2", count=10)
finish()
