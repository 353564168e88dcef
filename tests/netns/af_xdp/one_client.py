#!/usr/bin/env python3
"""A program as uid 65534 without a capability answers the peer's kernel on a queue of a veth, whose kernel
goes on with the rest."""
import signal

from veth_world import VethWorld, check, finish, need_root, need_tools, wait_until

need_root()
need_tools("ping", "setpriv", "taskset")
w = VethWorld(queues=1, mtu=9000)
a = w.responder("a", "10.88.0.10", 4242)
w.ping("ping to the program", "10.88.0.10")
w.ping("ping with 1400 bytes", "10.88.0.10", size=1400)
w.ping("packets over several buffers", "10.88.0.10", size=8000)
w.udp("UDP over several buffers", "10.88.0.10", 4242, size=8000)
check("each ring is passed many times over", *w.try_in(w.world, "ping", "-q", "-f", "-c", "10000", "-W", "2",
                                                       "10.88.0.10"))
w.udp("UDP to the program, every datagram", "10.88.0.10", 4242)
w.ping("ping to the kernel's own address", "10.88.0.2")
w.ping("and to its IPv6 address", "fd88::2")
lease = w.qsplit("lease", "list")["leases"][0]
check("the lease has the layout", lease["layout"]["name"] == "linux.af_xdp", lease)
a.send_signal(signal.SIGTERM)
check("SIGTERM ends the program in status 0", a.wait(20) == 0, w.log("a"))
check("and its lease", wait_until(lambda: w.qsplit("lease", "list") == {"leases": []}, 20))
again = w.responder("again", "10.88.0.10", 4242)
w.ping("another program has the queue", "10.88.0.10")
w.daemon.send_signal(signal.SIGTERM)
check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
finish()
