#!/usr/bin/env python3
"""The daemon's own end, with clients and traffic: asked to stop it leaves nothing and says so with
status 0; killed, its clients notice, and a new daemon starts where the old one was."""
import os
import signal
import time

from world import World, check, finish, need_root, wait_until
from pauses import Pauses

# Sanitizers look for leaks at the end, and take their time.
SLOW = 10 if "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ else 1


def ended(w, program, name):
    """A client whose daemon is gone says so and ends with status 1."""
    status = program.wait(10)
    check(f"{name} noticed, and ended with an error", status == 1 and "error:" in w.log(name), w.log(name)[-200:])


need_root()
w = World()
a = w.responder("a", "10.99.0.10", 4242)
w.udp("traffic flows", "10.99.0.10", 4242, count=50)
pauses, begin = Pauses(), time.monotonic()
w.daemon.send_signal(signal.SIGTERM)
status = w.daemon.wait(20)
took = time.monotonic() - begin
check("SIGTERM with a client: status 0", status == 0, w.log("qsplitd")[-500:])
allowed = pauses.allow(1 * SLOW)
check("within a second, and what the machine takes meanwhile", took < allowed, f"{took:.3f} s of {allowed:.3f} s")
check("the tap and the representor are gone",
      not w.has_link(w.world, w.tap) and not w.has_link(w.host, w.representor))
check("the sockets are gone", not [name for name in os.listdir(w.run) if name.endswith(".sock")], os.listdir(w.run))
ended(w, a, "a")

w.start_daemon()
b = w.responder("b", "10.99.0.10", 4242)
w.udp("a daemon started again serves", "10.99.0.10", 4242, count=50)
w.daemon.kill()
w.daemon.wait()
ended(w, b, "b")
check("the kernel took the tap and the representor",
      wait_until(lambda: not w.has_link(w.world, w.tap) and not w.has_link(w.host, w.representor), 20))
w.start_daemon()
check("after SIGKILL a new daemon starts on the same directory", w.qsplit("device", "list")["devices"][0]["name"] ==
      "nic0")
check("and knows of no lease", w.qsplit("lease", "list") == {"leases": []})
c = w.responder("c", "10.99.0.10", 4242)
w.udp("and serves", "10.99.0.10", 4242, count=50)
w.ping("the host as well", "10.99.0.2", count=10)
w.daemon.send_signal(signal.SIGTERM)
check("and stops in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
finish()
