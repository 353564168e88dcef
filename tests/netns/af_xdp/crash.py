#!/usr/bin/env python3
"""SIGKILL of qsplitd, with a lease on a netdev whose channels it had changed: the XDP program and the socket go
with the process, the channels come back by the next start or by --clean."""
import re
import signal
import subprocess

from veth_world import BIN, VethWorld, check, finish, need_root, need_tools, wait_until

CHANNELS = 2


def channels(w):
    text = subprocess.run(["ip", "netns", "exec", w.host, "ethtool", "-l", w.dev], capture_output=True, text=True).stdout
    return int(re.findall(r"RX:\s+(\d+)", text)[-1])


def link(w):
    return subprocess.run(["ip", "-n", w.host, "-d", "link", "show", w.dev], capture_output=True, text=True).stdout


def qsplitd(w, *words):
    return subprocess.run(["ip", "netns", "exec", w.host, BIN + "/qsplitd", "--config", w.dir + "/qsplitd.toml",
                           *words], capture_output=True, text=True)


def killed(w):
    """The daemon dies while a client holds a queue."""
    client = w.responder("client", "10.88.0.10", 4242)
    check("it leases a queue of a netdev with fewer channels", channels(w) == 1, channels(w))
    w.ping("ping to the program", "10.88.0.10", count=10)
    check("an XDP program is on the netdev", "prog/xdp" in link(w), link(w))
    w.daemon.kill()
    w.daemon.wait(20)
    check("it is gone with the process", wait_until(lambda: "prog/xdp" not in link(w), 20), link(w))
    w.ping("the kernel's stack answers as before", "10.88.0.2", count=10)
    check("the channels are still changed", channels(w) == 1, channels(w))
    check("the client ends by itself", client.wait(20) == 1, w.log("client"))


need_root()
need_tools("ping", "setpriv", "taskset", "ethtool")
w = VethWorld(queues=CHANNELS, keys="channels = 1")
# The peer must not send to more queues than the netdev has then, or the driver refuses the program.
killed(w)
done = qsplitd(w, "--check")
check("--check says what the journal holds", done.returncode == 0 and f"netdev={w.dev}" in done.stdout, done.stdout)
check("and how the netdev is", f"netdev         {w.dev}: up, driver veth" in done.stdout, done.stdout)
check("and changes nothing", channels(w) == 1)
with open(w.dir + "/qsplitd.toml") as file:
    text = file.read()
with open(w.dir + "/missing.toml", "w") as file:
    file.write(text.replace(w.dev, "nosuch0"))
done = subprocess.run(["ip", "netns", "exec", w.host, BIN + "/qsplitd", "--config", w.dir + "/missing.toml", "--check"],
                      capture_output=True, text=True)
check("a netdev that is not there is an error of --check", done.returncode == 1 and "nosuch0" in done.stderr,
      done.stdout + done.stderr)
for key, status, word in (("channels = 64", 1, f"netdev {w.dev} can have {CHANNELS} channels, not 64"),
                          ('steering = "ntuple"', 1, "has no ntuple filters"),
                          ('layouts = ["intel.ixgbe.advanced"]', 1, "layout linux.af_xdp"),
                          ("queues = 64", 0, "and no more can be leased"),
                          ('zero_copy = "always"', 0, "has no zero copy, so packets are copied")):
    with open(w.dir + "/wish.toml", "w") as file:
        file.write(text.replace("channels = 1", key))
    done = subprocess.run(["ip", "netns", "exec", w.host, BIN + "/qsplitd", "--config", w.dir + "/wish.toml", "--check"],
                          capture_output=True, text=True)
    check(f"--check of {key} ends in status {status} and says why",
          done.returncode == status and word in (done.stderr if status else done.stdout), done.stdout + done.stderr)
w.start_daemon()
done = qsplitd(w, "--check")
check("--check beside a daemon that runs tells whose program is there",
      done.returncode == 0 and "a qsplitd that runs has the netdev" in done.stdout, done.stdout + done.stderr)
check("the next start says what it undoes", "leftover_undone" in w.log("qsplitd"), w.log("qsplitd"))
again = w.responder("again", "10.88.0.10", 4242)
w.ping("and serves", "10.88.0.10", count=10)
again.send_signal(signal.SIGTERM)
again.wait(20)
w.daemon.send_signal(signal.SIGTERM)
w.daemon.wait(20)
check("a daemon that stops restores the channels", channels(w) == CHANNELS, channels(w))

w.start_daemon()
killed(w)
done = qsplitd(w, "--clean")
check("--clean undoes it without serving, and says so",
      done.returncode == 0 and f"undone  netdev" in done.stdout and w.dev in done.stdout, done.stdout + done.stderr)
check("the channels are back", channels(w) == CHANNELS, channels(w))
done = qsplitd(w, "--clean")
check("there is nothing to undo then", done.returncode == 0 and "nothing was left behind" in done.stdout,
      done.stdout + done.stderr)
finish()
