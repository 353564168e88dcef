#!/usr/bin/env python3
"""A program that keeps its socket after its lease has ended has that queue and nothing else: others get the queues
that are left, at once, and administrators are told who it is, also by a daemon that was started since."""
import os
import signal
import subprocess
import time

from veth_world import BIN, NOBODY, VethWorld, check, finish, need_root, need_tools, wait_until

ATTEMPTS = 3  # a machine that does something else for a while is asked again
LSOF = "lsof -nP | grep 'protocol: XDP'"


def refused(w, *more):
    """Seconds until a client has no lease, and why."""
    begin = time.monotonic()
    done = subprocess.run([*NOBODY, BIN + "/qsplit-responder", "--runtime-dir", w.run, "--device", "eth", "--ip",
                           "10.88.0.12", *more], capture_output=True, text=True, timeout=30)
    return time.monotonic() - begin, done.stderr


def free(w):
    device = w.qsplit("device", "show", "eth")["device"]
    return device.get("free_rx_queues", 0)


def holders():
    """Processes with AF_XDP sockets, as an administrator finds them."""
    shown = subprocess.run(LSOF, shell=True, capture_output=True, text=True).stdout
    return {int(line.split()[1]) for line in shown.splitlines()}


need_root()
need_tools("ping", "setpriv", "taskset", "ss", "lsof")
w = VethWorld(queues=2)
keeper = w.responder("keeper", "10.88.0.10", 4242)
os.kill(keeper.pid, signal.SIGSTOP)
w.qsplit("lease", "revoke", w.qsplit("lease", "list")["leases"][0]["lease_id"])
why = w.qsplit_text("queue", "why", "eth", "0").splitlines()[0]
check("queue why: its first line names the process that had the queue", str(keeper.pid) in why, why)
time.sleep(1.1)  # from then on it is known not to be the kernel that is late
for attempt in range(ATTEMPTS):
    begin = time.monotonic()
    second = w.responder("second", "10.88.0.11", 4343)
    seconds = time.monotonic() - begin
    if seconds < 3 or attempt == ATTEMPTS - 1:
        break
    second.terminate()
    second.wait(20)
lease = w.qsplit("lease", "list")["leases"][-1]
check("the next client has the other queue", lease["rx_queues"] == [1], lease)
check("at once", seconds < 3, f"{seconds:.2f} s")
w.ping("and it answers", "10.88.0.11", queue=1)
check("the queue that is kept does not count as free", free(w) == 0, free(w))
for _ in range(ATTEMPTS):
    seconds, said = refused(w)
    if seconds < 3:
        break
check("who wants one more is refused at once, and hears why", seconds < 3 and "still runs" in said, (seconds, said))
check("but not by whom", str(keeper.pid) not in said, said)

# A daemon that has not seen that lease.
second.terminate()
second.wait(20)
w.daemon.kill()
w.daemon.wait(20)
w.start_daemon()
why = w.qsplit_text("-d", "queue", "why", "eth", "0")
check("after a restart, queue why says how to find out", "`ss --xdp -p`" in why and LSOF in why
      and "lease the queue again" not in why, why)
third = w.responder("third", "10.88.0.11", 4343)
check("and a client has the other queue", w.qsplit("lease", "list")["leases"][0]["rx_queues"] == [1])
check("which is how it is found out: by lsof on every kernel", keeper.pid in holders(), holders())
shown = subprocess.run(["ip", "netns", "exec", w.host, "ss", "--xdp", "-p"], capture_output=True, text=True).stdout
listed = len(shown.splitlines()) > 1  # by kernels with CONFIG_XDP_SOCKETS_DIAG
check("by ss, with the queue, where the kernel tells it", not listed or f"pid={keeper.pid}," in shown, shown)
keeper.kill()
keeper.wait()
check("who has ended holds none", keeper.pid not in holders(), holders())
check("when it has ended the queue is had again", wait_until(lambda: free(w) == 1, 20), free(w))
fourth = w.responder("fourth", "10.88.0.10", 4242)
w.ping("and answers", "10.88.0.10")
finish()
