#!/usr/bin/env python3
"""One lease of several queues: one memory, a socket for each queue, and flows that may arrive at any of them."""
import os
import signal

from veth_world import VethWorld, check, finish, need_root, need_tools

need_root()
need_tools("ping", "setpriv", "taskset")
QUEUES = 2
w = VethWorld(queues=QUEUES)
a = w.responder("a", "10.88.0.10", 4242, "--queues", str(QUEUES))
lease = w.qsplit("lease", "list")["leases"][0]
check("it has all queues in both directions", lease["rx_queues"] == lease["tx_queues"] == [0, 1], lease)
check("over one region", len(lease["region_ids"]) == 1, lease)
rings = sum("[XDP]" in line or "socket:" in line for line in open(f"/proc/{a.pid}/maps"))
check("the program has mapped four rings of each socket", rings == 4 * QUEUES, rings)
for queue in range(min(QUEUES, os.cpu_count())):
    for port in (4242, 4243):
        w.udp(f"UDP {port}, arriving at queue {queue}", "10.88.0.10", port, queue=queue)
    w.ping(f"ping, arriving at queue {queue}", "10.88.0.10", queue=queue)
astray = {c["name"]: int(c["value"]) for c in w.qsplit("stats", "show", "eth")["stats"]["more"]}
check("no packet went to another queue's holder", astray["xdp_passed_wrong_queue"] == 0, astray)
check("all that a rule took was handed over", astray["xdp_redirected"] == 900, astray)
a.send_signal(signal.SIGTERM)
check("SIGTERM ends the program in status 0", a.wait(20) == 0, w.log("a"))
w.daemon.send_signal(signal.SIGTERM)
check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
finish()
