#!/usr/bin/env python3
"""When packets left the software NIC, for each layout that has a place for it: each time stands between the program's
call and the kernel's own receive time at the other end of the wire (SO_TIMESTAMPNS), all on CLOCK_REALTIME. As uid
65534 without a capability. A layout without such a place is refused by the role's name."""
import re
import subprocess

from world import BIN, NOBODY, TESTS, World, check, finish, need_root, need_tools

COUNT = 100
LISTEN = """
import socket, struct, sys
SO_TIMESTAMPNS = 35
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))
s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
s.bind((sys.argv[1], 0x88b5))
print("up", flush=True)
while True:
    frame, said, _, where = s.recvmsg(2048, 64)
    if where[2] == socket.PACKET_OUTGOING: continue
    seconds, ns = struct.unpack("qq", next(data for _, kind, data in said if kind == SO_TIMESTAMPNS))
    print(int.from_bytes(frame[14:18], "big"), seconds * 10**9 + ns, flush=True)
"""
# Bits of the time that a layout has room for.
LAYOUTS = {"linux.af_xdp": 64, "amazon.ena": 64, "mellanox.mlx4": 48, "mellanox.mlx5": 64, "nxp.enetc": 32}


def sender(w, count):
    return subprocess.run([*NOBODY, TESTS + "/timed_sender", "--runtime-dir", w.run, "--device", "nic0", "--dst-mac",
                           "02:00:00:00:00:55", "--count", str(count)], capture_output=True, text=True, timeout=30)


def told(layout, bits):
    w = World(layout)
    listener = w.start(["python3", "-c", LISTEN, w.tap], "listener", netns=w.world, stdout=subprocess.PIPE, text=True)
    assert listener.stdout.readline() == "up\n"
    done = sender(w, COUNT)
    check(f"{layout}: the lease is granted and every packet sent", done.returncode == 0, done.stderr)
    arrived = dict(map(int, listener.stdout.readline().split()) for _ in range(COUNT))
    listener.terminate()
    rows = [[int(word) for word in line.split()] for line in done.stdout.splitlines()
            if re.fullmatch(r"\d+( \d+){3}", line)]
    check(f"{layout}: each packet that asked has one answer, in order", [row[0] for row in rows] == list(range(COUNT)),
          done.stdout[:200])
    mask = (1 << bits) - 1
    wrong = [(number, before & mask, time, arrived[number] & mask, after & mask) for number, before, after, time in rows
             if not (time - before) & mask <= (arrived[number] - before) & mask]
    check(f"{layout}: each time stands between the call and the kernel's receive time", not wrong, wrong[:3])
    late = [row for row in rows if not (row[3] - row[1]) & mask <= (row[2] - row[1]) & mask]
    check(f"{layout}: and before the packet came back", not late, late[:3])
    steps = [(b[3] - a[3]) & mask for a, b in zip(rows, rows[1:])]
    check(f"{layout}: times only grow", all(0 < step <= mask // 2 for step in steps), steps[:5])
    done = subprocess.run([*NOBODY, BIN + "/qsplit-generate", "--runtime-dir", w.run, "--dst-ip", "10.99.0.1", "--dst-mac",
                           "02:00:00:00:00:55", "--count", "3000", "--timestamps"], capture_output=True, text=True)
    check(f"{layout}: at full speed every packet has its time, too", "left: 3000 of 3000 packets are known" in done.stdout,
          done.stdout[-300:] + done.stderr)
    check(f"{layout}: nothing has faulted", all(int(queue.get("faults", 0)) == 0 for queue in
                                                w.qsplit("stats", "show", "nic0")["stats"]["queues"]))
    w.close()


def refused(layout):
    w = World(layout)
    done = sender(w, 1)
    check(f"{layout}: refused by the role's name", done.returncode == 1 and "timestamp" in done.stderr, done.stderr)
    w.close()


need_root()
need_tools("setpriv")
for name, width in LAYOUTS.items():
    told(name, width)
refused("intel.ixgbe.advanced")
finish()
