#!/usr/bin/env python3
"""Two programs as uid 65534 without a capability on two queues of one netdev; the kernel's stack has all that
no rule takes, at the same time. One is killed, and its queue is leased again at once. Somebody else's XDP
program stays where it is."""

import signal
import subprocess
import threading

from veth_world import (BIN, NOBODY, SOURCE, TESTS, System, VethWorld, check, finish, need_root, need_tools,
                        wait_until)

STEER = """[
  { flow_type = "udp4", dst_port = 4242 },
  { flow_type = "udp4", dst_port = 4343 },
  { flow_type = "ip4", dst_ip = "10.88.0.0/24", l4_protocol = 1 },
]"""


def capabilities(pid):
    with open(f"/proc/{pid}/status") as file:
        lines = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    return lines["Uid"].split()[0], {lines[name].strip() for name in ("CapPrm", "CapEff", "CapBnd")}


def at_once(w, *jobs):
    """What each job checks, with all of them running at the same time."""
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def shown(w):
    device = w.qsplit("device", "show", "eth")["device"]
    netdev = device["netdev"]
    check("the device says which netdev it is", netdev["name"] == w.dev and netdev["driver"] == "veth", netdev)
    check("that the program runs in the driver", netdev["xdp_mode"] == "native", netdev)
    check("that it copies, and why", not netdev.get("zero_copy") and netdev["copy_reason"], netdev)
    check("who steers, and why", netdev["steering"] == "xdp" and "no RSS table" in netdev["steering_reason"], netdev)
    check("and that policy must grant transmission", device["transmit_needs_grant"], device)


def counted(w, a, b):
    leases = {lease["pid"]: lease["lease_id"] for lease in w.qsplit("lease", "list")["leases"]}
    queues = w.qsplit("stats", "show", "eth")["stats"]["queues"]
    got = {queue["lease_id"]: int(queue.get("packets", 0)) for queue in queues
           if not queue.get("transmit") and queue.get("lease_id", "0") != "0"}
    # A: 50 pings and 200 datagrams; B: likewise.
    check("statistics count the packets of each", [got[leases[p.pid]] for p in (a, b)] == [250, 250], got)
    check("nothing was lost, and nothing was wrong", not any(
        int(queue.get(name, 0)) for queue in queues for name in queue
        if name.startswith("drops") or name == "faults"), queues)


def refused(w):
    done = subprocess.run([*NOBODY, BIN + "/qsplit-responder", "--runtime-dir", w.run, "--device", "eth",
                           "--ip", "10.88.0.12"], capture_output=True, text=True, timeout=20)
    check("a third client finds no free queue", done.returncode == 1 and "0 are free" in done.stderr, done.stderr)


def occupied(w):
    """Another qsplitd wants the netdev."""
    second = System()
    second.netns = w.host
    second.configure(f'[[device]]\nname = "eth"\nbackend = "af_xdp"\nnetdev = "{w.dev}"\n')
    second.start_daemon()
    device = second.qsplit("device", "show", "eth")["device"]
    check("a second program on the netdev is refused, and named", "qsplit_steering" in device.get("trouble", ""),
          device.get("trouble"))
    check("and has no queues", not device.get("rx_queues"), device)
    return second


def death(w, a):
    answered = []
    ping = threading.Thread(target=lambda: answered.append(w.try_in(w.world, *w.pinned(
        1, "python3", SOURCE + "/tests/support/udp_ping.py", "10.88.0.11", "4343", "--count", "1000", "--interval",
        "0.001"))))
    ping.start()
    gone = subprocess.run([TESTS + "/kill_and_watch", w.run, str(a.pid)], capture_output=True, text=True)
    check("within 100 ms of SIGKILL its lease, rules and region are gone", gone.returncode == 0,
          gone.stdout + gone.stderr)
    again = w.responder("again", "10.88.0.10", 4242)
    check("it died", a.wait(20) == -signal.SIGKILL)
    ping.join()
    check("B lost nothing meanwhile", *answered[0])
    w.udp("another program has the queue and the flow", "10.88.0.10", 4242)
    return again


need_root()
need_tools("ping", "setpriv", "taskset")
w = VethWorld(queues=2, steer=STEER)
a = w.responder("a", "10.88.0.10", 4242)
b = w.responder("b", "10.88.0.11", 4343)
for program in (a, b):
    uid, caps = capabilities(program.pid)
    check("it is uid 65534 and has no capability", uid == "65534" and caps == {"0" * 16}, (uid, caps))
shown(w)
at_once(w,
        lambda: w.ping("ping to A", "10.88.0.10", queue=0),
        lambda: w.ping("ping to B", "10.88.0.11", queue=1),
        lambda: w.udp("UDP to A, every datagram", "10.88.0.10", 4242, queue=0),
        lambda: w.udp("UDP to B, every datagram", "10.88.0.11", 4343, queue=1),
        lambda: w.ping("ping to the kernel on A's queue", "10.88.0.2", queue=0),
        lambda: w.ping("ping to the kernel on B's queue", "fd88::2", queue=1))
counted(w, a, b)
refused(w)
second = occupied(w)
again = death(w, a)
for program in (again, b):
    program.kill()
check("in the end the tables are empty", wait_until(
    lambda: [w.qsplit(what, "list") for what in ("lease", "rule", "region")] ==
    [{"leases": []}, {"rules": []}, {"regions": []}], 20))
w.daemon.send_signal(signal.SIGTERM)
check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
check("and then the second one has the netdev", wait_until(
    lambda: second.qsplit("device", "show", "eth")["device"].get("rx_queues") == 2, 20))
second.daemon.send_signal(signal.SIGTERM)
check("it ends in status 0", second.daemon.wait(20) == 0)
finish()
