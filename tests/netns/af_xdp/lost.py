#!/usr/bin/env python3
"""What a device is without its XDP program or its netdev: it says so, grants nothing that could not work, revokes
what has ended with it, and comes back by itself."""
import subprocess

from veth_world import BIN, NOBODY, VethWorld, check, finish, need_root, need_tools, wait_until


def trouble(w):
    return w.qsplit("device", "show", "eth")["device"].get("trouble", "")


def states(w):
    return [lease["state"] for lease in w.qsplit("lease", "list")["leases"]]


def detached(w):
    client = w.responder("first", "10.88.0.10", 4242)
    w.detach_program()
    check("a device without its program says so", wait_until(lambda: "detached" in trouble(w), 20), trouble(w))
    done = subprocess.run([*NOBODY, BIN + "/qsplit-responder", "--runtime-dir", w.run, "--device", "eth", "--ip",
                           "10.88.0.11"], capture_output=True, text=True, timeout=20)
    check("and leases no queue on which nothing would arrive", done.returncode == 1 and "detached" in done.stderr,
          done.stderr)
    client.terminate()
    client.wait(20)
    check("without leases the program comes back", wait_until(lambda: w.xdp_program() and not trouble(w), 20), trouble(w))
    client = w.responder("again", "10.88.0.10", 4242)
    w.ping("and a lease receives", "10.88.0.10")
    return client


def removed(w, client):
    w.qsplit("rule", "add", "eth", "flow-type", "udp4", "dst-port", "9", "action", "-1")
    w.call("ip", "-n", w.host, "link", "del", w.dev)
    check("a netdev that is removed takes its leases along",
          wait_until(lambda: set(states(w)) <= {"LEASE_STATE_REVOKED"}, 20), states(w))
    check("and operators' rules", wait_until(lambda: not w.qsplit("rule", "list").get("rules"), 20),
          w.qsplit("rule", "list"))
    check("which the log tells", "device_lost" in w.log("qsplitd"), w.log("qsplitd"))
    check("the program of the lease has heard of it", wait_until(lambda: client.poll() is not None, 20),
          w.log("again"))
    check("the device says what has become of it", "has been removed" in trouble(w), trouble(w))
    w.call("ip", "-n", w.host, "link", "add", w.dev, "numrxqueues", "2", "numtxqueues", "2", "type", "veth", "peer",
           "name", w.peer, "numrxqueues", "2", "numtxqueues", "2", "netns", w.world)
    for netns, dev, ip in ((w.host, w.dev, "10.88.0.2/24"), (w.world, w.peer, "10.88.0.1/24")):
        w.call("ip", "-n", netns, "addr", "add", ip, "dev", dev)
        w.call("ip", "-n", netns, "link", "set", dev, "up")
    check("made again, it is had again", wait_until(lambda: not trouble(w), 20), trouble(w))
    w.responder("new", "10.88.0.12", 4242)
    check("and leased", "LEASE_STATE_ACTIVE" in states(w), states(w))


def renamed(w):
    w.call("ip", "-n", w.host, "link", "set", w.dev, "name", "elsewhere")
    check("a netdev that is renamed is said to be", wait_until(lambda: "renamed to elsewhere" in trouble(w), 20),
          trouble(w))
    check("and has no lease", wait_until(lambda: "LEASE_STATE_ACTIVE" not in states(w), 20), states(w))
    w.call("ip", "-n", w.host, "link", "set", "elsewhere", "name", w.dev)
    check("renamed back, it is had again", wait_until(lambda: not trouble(w), 20), trouble(w))


def without_namespace():
    """The daemon, which is in none of them, does not keep a namespace that somebody deletes."""
    w = VethWorld(queues=1, start=False)
    with open(w.dir + "/qsplitd.toml") as file:
        text = file.read()
    with open(w.dir + "/qsplitd.toml", "w") as file:
        file.write(text.replace("netdev =", f'netns = "{w.host}"\nnetdev ='))
    w.netns = None
    w.start_daemon()
    w.responder("inside", "10.88.0.10", 4242)
    w.ping("a lease in another namespace receives", "10.88.0.10")
    subprocess.run(["ip", "netns", "delete", w.host], check=True)

    def peer_is_there():
        return subprocess.run(["ip", "-n", w.world, "link", "show", w.peer], capture_output=True).returncode == 0

    check("a namespace that is deleted takes its leases along",
          wait_until(lambda: "LEASE_STATE_ACTIVE" not in states(w), 20), states(w))
    check("the device says so", "namespace" in trouble(w), trouble(w))
    check("and nothing keeps its netdevs alive", wait_until(lambda: not peer_is_there(), 20), "the peer is there")


need_root()
need_tools("ping", "setpriv", "taskset", "bpftool")
w = VethWorld(queues=2)
removed(w, detached(w))
renamed(w)
w.close()
without_namespace()
finish()
