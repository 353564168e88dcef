#!/usr/bin/env python3
"""DPDK's testpmd wants the very netdev that qsplitd has. Whoever came first keeps it: qsplitd says whose XDP program
is in its way and has the netdev once that is gone; testpmd gets no queue of a lease, which goes on."""
import signal
import subprocess
import threading

from foreign_testpmd import Testpmd
from veth_world import BIN, NOBODY, SOURCE, VethWorld, check, finish, need_root, need_tools, wait_until

SEND = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(100): s.sendto(bytes(64), ("10.88.0.10", 4242))
"""


def device(w):
    return w.qsplit("device", "show", "eth")["device"]


def behind(w):
    """testpmd was there first."""
    pmd = Testpmd(w, "first", w.host, w.dev)
    if not check("testpmd has the netdev", pmd.came_up(), "" if pmd.came_up() else pmd.log()):
        finish()
    w.start_daemon()
    trouble = device(w).get("trouble", "")
    check("qsplitd starts, and names the program that is in its way", "runs XDP program" in trouble, trouble)
    done = subprocess.run([*NOBODY, BIN + "/qsplit-responder", "--runtime-dir", w.run, "--device", "eth", "--ip",
                           "10.88.0.10"], capture_output=True, text=True, timeout=20)
    check("whoever wants a lease hears the same", done.returncode == 1 and "runs XDP program" in done.stderr,
          done.stderr)
    why = w.qsplit("queue", "why", "eth", "0")["answer"]
    check("and who asks about a queue of it", "runs XDP program" in why, why)
    done = subprocess.run(["ip", "netns", "exec", w.host, BIN + "/qsplitd", "--config", w.dir + "/qsplitd.toml", "--check"],
                          capture_output=True, text=True)
    check("--check ends in status 1 and says so", done.returncode == 1 and "runs XDP program" in done.stderr,
          done.stdout + done.stderr)
    before = pmd.stats()
    pmd.say("set fwd rxonly", "start")
    w.try_in(w.world, "python3", "-c", SEND)
    check("testpmd goes on receiving", wait_until(lambda: pmd.gained(before).rx_packets >= 100, 20), pmd.gained(before))
    pmd.stop()
    check("testpmd ends in status 0", pmd.quit() == 0)
    check("then qsplitd has the netdev", wait_until(lambda: device(w).get("rx_queues") == 1, 20),
          device(w).get("trouble"))


def ahead(w):
    """A lease was there first."""
    client = w.responder("client", "10.88.0.10", 4242)
    answers = []
    ping = threading.Thread(target=lambda: answers.append(w.try_in(w.world, *w.pinned(
        0, "python3", SOURCE + "/tests/support/udp_ping.py", "10.88.0.10", "4242", "--count", "1000", "--interval",
        "0.002"))))
    ping.start()
    pmd = Testpmd(w, "second", w.host, w.dev)
    check("testpmd gets no queue that is leased", not pmd.came_up() and "Failed to create xsk" in pmd.log(),
          pmd.log()[-300:])
    pmd.quit()
    ping.join()
    check("the lease has lost nothing meanwhile", *answers[0])
    why = w.qsplit("queue", "why", "eth", "0")["answer"]
    check("and nothing is wrong", why.startswith("nothing is wrong") and not device(w).get("trouble"), why)
    client.send_signal(signal.SIGTERM)
    check("SIGTERM ends the program in status 0", client.wait(20) == 0, w.log("client"))


need_root()
need_tools("setpriv", "taskset", "stdbuf", "dpdk-testpmd")
w = VethWorld(queues=1, start=False)
behind(w)
ahead(w)
w.daemon.send_signal(signal.SIGTERM)
check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
finish()
