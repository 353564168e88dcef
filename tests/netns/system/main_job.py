#!/usr/bin/env python3
"""The main job, in two layouts: two programs as uid 65534 without a capability share a NIC with
the host; the world's kernel makes the packets; one program is killed and leaves nothing behind."""
import os
import signal
import subprocess
import threading

from world import MAC, NOBODY, SOURCE, TESTS, World, check, finish, need_root, wait_until

TAGGED_PING = os.path.join(os.path.dirname(__file__), "tagged_ping.py")
STEER = """[
  { flow_type = "udp4", dst_port = 4242 },
  { flow_type = "udp4", dst_port = 4343 },
  { flow_type = "udp6", dst_port = 4242 },
  { flow_type = "ip4", dst_ip = "10.99.0.0/24", l4_protocol = 1 },
  { flow_type = "ip6", l4_protocol = 58 },
]"""


def capabilities(pid):
    with open(f"/proc/{pid}/status") as file:
        lines = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    return lines["Uid"].split()[0], {lines[name].strip() for name in ("CapPrm", "CapEff", "CapBnd")}


def main_job(layout):
    print(f"layout {layout}")
    w = World(layout=layout, steer=STEER)
    a = w.responder("a", "10.99.0.10", 4242)
    b = w.responder("b", "10.99.0.11", 4343)
    for program in (a, b):
        uid, caps = capabilities(program.pid)
        check("it is uid 65534 and has no capability", uid == "65534" and caps == {"0" * 16}, (uid, caps))

    w.ping("ping to A", "10.99.0.10")
    w.ping("ping to B", "10.99.0.11")
    w.ping("ping to A with 1400 bytes", "10.99.0.10", size=1400)
    w.udp("UDP 4242 reaches A, every datagram", "10.99.0.10", 4242)
    w.udp("UDP 4343 reaches B, every datagram", "10.99.0.11", 4343)
    w.udp("UDP of 1472 bytes", "10.99.0.11", 4343, size=1472)
    w.ping("ping to the host's own address", "10.99.0.2")
    w.ping("ping from the host", "10.99.0.1", netns=w.host)
    w.ping("ping to the host's IPv6 address", "fd99::2")

    leases = {lease["pid"]: lease for lease in w.qsplit("lease", "list")["leases"]}
    check("the CLI shows both leases", set(leases) == {a.pid, b.pid}, sorted(leases))
    check("with the layout", all(lease["layout"]["name"] == layout for lease in leases.values()))
    rules = w.qsplit("rule", "list")["rules"]
    check("and four rules", len(rules) == 4 and {r["lease_id"] for r in rules} ==
          {lease["lease_id"] for lease in leases.values()}, len(rules))
    check("and two regions", len(w.qsplit("region", "list")["regions"]) == 2)
    stats = w.qsplit("stats", "show", "nic0")["stats"]
    got = {}
    for queue in stats["queues"]:
        if not queue.get("transmit"):
            got[queue.get("lease_id", "0")] = got.get(queue.get("lease_id", "0"), 0) + int(queue.get("packets", 0))
    # A: 100 pings and 200 datagrams; B: 50 and 400. Nobody else's packet is among them.
    check("its statistics count exactly the packets of each", [got[leases[p.pid]["lease_id"]] for p in (a, b)] ==
          [300, 450], got)
    check("no packet was lost and no queue faulted", not any(
        int(queue.get(name, 0)) for queue in stats["queues"] for name in queue
        if name.startswith("drops") or name == "faults"))
    check("the representor carried the host's", int(stats["representor_rx_packets"]) >= 100)

    # The NIC's filter takes multicast that it is told of. Neighbour solicitations are such.
    six = w.responder("six", "fd99::10", 4242, "--arp")
    w.qsplit("device", "set", "nic0", "--allmulti", "on")
    w.ping("ping to an IPv6 address of a queue", "fd99::10")
    w.udp("UDP over IPv6", "fd99::10", 4242)
    six.send_signal(signal.SIGTERM)
    check("SIGTERM ends a program in status 0", six.wait(20) == 0, w.log("six"))

    vlan(w)
    refused(w)
    death(w, a, b)


def tagged_ping(w, what, address, port):
    done = w.try_in(w.world, "python3", TAGGED_PING, w.tap, MAC, address, str(port))
    check(what, *done)


def vlan(w):
    """Tagged datagrams, of packet sockets: to a queue, and past the queues to the host and back."""
    tagged = w.responder("tagged", "10.99.5.10", 4242, "--no-icmp")
    host = w.start(["python3", TAGGED_PING, "--answer", w.representor, "10.99.5.2", "4949"], "tagged-host",
                   netns=w.host)
    wait_until(lambda: "listening" in w.log("tagged-host"))
    tagged_ping(w, "datagrams with a VLAN tag to a queue come back with the tag", "10.99.5.10", 4242)
    carried = int(w.qsplit("stats", "show", "nic0")["stats"]["representor_rx_packets"])
    tagged_ping(w, "datagrams with a VLAN tag to the host come back with the tag", "10.99.5.2", 4949)
    carried = int(w.qsplit("stats", "show", "nic0")["stats"]["representor_rx_packets"]) - carried
    check("by the representor", carried >= 50, carried)
    host.kill()
    tagged.send_signal(signal.SIGTERM)
    tagged.wait(20)


def refused(w):
    """What policy does not allow."""
    done = subprocess.run([*NOBODY, os.environ["QSPLIT_BIN_DIR"] + "/qsplit-responder", "--runtime-dir", w.run,
                           "--ip", "10.99.0.12", "--udp-port", "53"], capture_output=True, text=True, timeout=20)
    check("a rule outside of the tenant's scope is refused", done.returncode == 1 and "beyond" in done.stderr,
          done.stderr)
    check("and nothing of the attempt is left", wait_until(lambda: len(w.qsplit("lease", "list")["leases"]) == 2, 20))


def death(w, a, b):
    """SIGKILL of A while B's traffic runs."""
    answered = []
    ping = threading.Thread(target=lambda: answered.append(w.try_in(
        w.world, "python3", SOURCE + "/tests/support/udp_ping.py", "10.99.0.11", "4343", "--count", "1000",
        "--interval", "0.001")))
    ping.start()
    gone = subprocess.run([TESTS + "/kill_and_watch", w.run, str(a.pid)], capture_output=True, text=True)
    check("within 100 ms of SIGKILL its lease, rules and region are gone", gone.returncode == 0,
          gone.stdout + gone.stderr)
    check("it died", a.wait(20) == -signal.SIGKILL)
    ping.join()
    check("B lost nothing meanwhile", *answered[0])
    leases = w.qsplit("lease", "list")["leases"]
    check("B's lease is left alone", [lease["pid"] for lease in leases] == [b.pid])
    check("and its rules", len(w.qsplit("rule", "list")["rules"]) == 2)
    w.ping("the host still answers", "10.99.0.2", count=10)
    again = w.responder("again", "10.99.0.10", 4242)
    w.udp("another program can have the flow", "10.99.0.10", 4242)
    for program in (again, b):
        program.kill()
    check("and in the end the tables are empty", wait_until(
        lambda: [w.qsplit(what, "list") for what in ("lease", "rule", "region")] ==
        [{"leases": []}, {"rules": []}, {"regions": []}], 20))
    w.daemon.send_signal(signal.SIGTERM)
    check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
    w.close()


need_root()
for name in ("intel.ixgbe.advanced", "virtio.packed"):  # the others: every_layout.py
    main_job(name)
finish()
