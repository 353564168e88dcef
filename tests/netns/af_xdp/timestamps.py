#!/usr/bin/env python3
"""When packets left, over a veth pair, where the kernel copies them: it notes that itself when it is done with a
packet, on CLOCK_TAI (net/xdp/xsk.c, xsk_destruct_skb). As uid 65534 without a capability. `qsplit device show` says
whose time it is; a kernel without transmit metadata refuses the role by its name."""
import re
import signal
import subprocess

from veth_world import TESTS, VethWorld, check, finish, need_root, need_tools
from system import NOBODY

COUNT = 200


def sends(w):
    peer = w.mac_of(w.world, w.peer)
    return subprocess.run([*NOBODY, TESTS + "/timed_sender", "--runtime-dir", w.run, "--dst-mac", peer, "--clock",
                           "tai", "--count", str(COUNT)], capture_output=True, text=True, timeout=30)


def received(w):
    """What the kernel at the other end has counted."""
    text = subprocess.run(["ip", "-n", w.world, "-s", "-j", "link", "show", w.peer], capture_output=True,
                          text=True).stdout
    return int(re.search(r'"rx":\{"bytes":\d+,"packets":(\d+)', text)[1])


need_root()
need_tools("setpriv")
w = VethWorld(queues=1)
netdev = w.qsplit("device", "show", "eth")["device"]["netdev"]
before = received(w)
done = sends(w)
if "transmit metadata" in netdev.get("missing", []):
    # Linux before 6.11.
    check("a kernel that has it not refuses the role by name", done.returncode != 0 and "timestamp" in done.stderr,
          done.stderr)
    check("and device show says so", "transmit timestamps" in netdev["missing"], netdev)
else:
    check("the lease is granted and every packet sent", done.returncode == 0, done.stderr)
    check("device show says whose times they are, and on which clock",
          "kernel" in netdev["transmit_times"] and "CLOCK_TAI" in netdev["transmit_times"], netdev)
    lines = done.stdout.splitlines()
    check("the role brings the choice of the layout that has it", "Metadata=on" in lines and
          "times by the device" in lines, lines[:4])
    rows = [[int(word) for word in line.split()] for line in lines if re.fullmatch(r"\d+( \d+){3}", line)]
    check("each packet that asked has one answer, in order", [row[0] for row in rows] == list(range(COUNT)),
          rows[:3])
    check("each time stands between sending and the packet's return, on the clock that device show names",
          all(before <= time <= after for _, before, after, time in rows),
          [row for row in rows if not row[1] <= row[3] <= row[2]][:3])
    times = [row[3] for row in rows]
    check("and they only grow", times == sorted(times) and len(set(times)) == COUNT, times[:4])
    check("the packets were on the wire", received(w) - before >= COUNT, received(w) - before)
w.daemon.send_signal(signal.SIGTERM)
check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
finish()
