#!/usr/bin/env python3
"""DPDK's testpmd, on an AF_XDP socket of its own, is the other end of the wire: a lease's responder answers what it
sends, it receives what qsplit-generate sends, and a capture has those of its flows that a rule takes. Every packet
is accounted for."""
import collections
import json
import re
import signal
import subprocess
import time

from foreign_testpmd import BURST, FLOWS, FLOWS_TO_MAC, Testpmd
from veth_world import BIN, NOBODY, VethWorld, check, finish, need_root, need_tools, wait_until

ROUNDS = 20
BURSTS = 6  # in a round; they fit into the veth's ring of 256 packets
TAKEN = 8   # of the flows


def answered(w, pmd):
    """What testpmd sends in rounds, in packets of 64 to 1280 bytes, comes back from a lease."""
    client = w.responder("client", "10.88.0.10", 4242)
    sent = ROUNDS * BURSTS * BURST
    before = pmd.stats()
    for number in range(1, ROUNDS + 1):
        pmd.say("set fwd rxonly", f"set txpkts {64 * number}", f"start tx_first {BURSTS}")
        wait_until(lambda: pmd.gained(before).rx_packets >= number * BURSTS * BURST, 20)
        pmd.stop()
    got = pmd.gained(before)
    check("testpmd sends what it was told to", (got.tx_packets, got.tx_errors) == (sent, 0), got)
    check("and receives as many answers, of as many bytes",
          (got.rx_packets, got.rx_bytes) == (got.tx_packets, got.tx_bytes), got)
    counted = [int(queue["packets"]) for queue in w.qsplit("stats", "show", "eth")["stats"]["queues"]]
    check("the lease's queues count them both ways", counted == [sent, sent], counted)
    client.send_signal(signal.SIGTERM)
    client.wait(20)
    said = w.log("client").splitlines()[-1]
    check("and so does the program", said == f"answered: {sent} udp, 0 echo, 0 arp; ignored: 0", said)


def received(w, pmd):
    """What a lease sends arrives at testpmd."""
    sizes, count = (60, 200, 1514), 1000
    generate = [*NOBODY, BIN + "/qsplit-generate", "--runtime-dir", w.run, "--device", "eth", "--src-ip", "10.88.0.10",
                "--dst-ip", "10.88.0.1", "--dst-mac", pmd.mac()]
    before = pmd.stats()
    pmd.say("start")
    for size in sizes:
        subprocess.run([*generate, "--size", str(size), "--count", str(count), "--rate", "10000"], check=True,
                       capture_output=True)
    wait_until(lambda: pmd.gained(before).rx_packets >= count * len(sizes), 20)
    pmd.stop()
    got = pmd.gained(before)
    check("testpmd receives every packet of a lease, of its length",
          (got.rx_packets, got.rx_bytes) == (count * len(sizes), count * sum(sizes)), got)
    begin = len(pmd.log())
    pmd.say("set verbose 1", "start")
    subprocess.run([*generate, "--size", "128", "--count", "10"], check=True, capture_output=True)
    wait_until(lambda: pmd.log().count("length=128", begin) >= 10, 20)
    pmd.stop()
    pmd.say("set verbose 0")
    seen = re.findall(r"src=(\S+) - dst=(\S+) .*?type=(\w+) - length=128 .*?sw ptype: (.*?) +- l2_len",
                      pmd.log()[begin:])
    check("and reads them as UDP over IPv4 from the device", [tuple(map(str.lower, packet)) for packet in seen] ==
          [(w.mac, pmd.mac(), "0x0800", "l2_ether l3_ipv4 l4_udp")] * 10, seen[:1])


def steering(w):
    return {c["name"]: int(c["value"]) for c in w.qsplit("stats", "show", "eth")["stats"]["more"]}


def kernel(w):
    """What the ends of the wire have dropped, and what has come to IP in the kernel of the host."""
    link = json.loads(subprocess.run(["ip", "-n", w.world, "-j", "-s", "link", "show", w.peer], capture_output=True,
                                     check=True).stdout)[0]["stats64"]
    stack = json.loads(subprocess.run(["ip", "netns", "exec", w.host, "nstat", "-asjz", "IpInReceives"],
                                      capture_output=True, check=True).stdout)["kernel"]
    return {"dropped": link["tx"]["dropped"], "stack": stack["IpInReceives"]}


def flows(w, pmd):
    """testpmd sends as fast as it can to many addresses. A rule takes some, and the kernel has the rest."""
    pcap = w.dir + "/flows.pcap"
    rule = f"flow-type udp4 dst-ip 10.253.0.0 m 0.0.0.{TAKEN - 1} dst-port 1001 action 0"
    capture = w.start_ready([BIN + "/qsplit-capture", "--device", "eth", "--write", "-", "--rule", rule], "capture",
                            drop=True, stdout=open(pcap, "wb"))
    before = {**steering(w), **kernel(w)}
    sent_before = pmd.stats()
    pmd.say("set fwd flowgen", "start")
    time.sleep(0.3)
    pmd.stop()
    sent = pmd.gained(sent_before).tx_packets

    def got():
        return {name: value - before[name] for name, value in {**steering(w), **kernel(w)}.items()}

    def accounted():
        now = got()
        return now["xdp_redirected"] + now["xdp_passed_no_rule"] + now["dropped"] == sent

    check("every packet is handed over, passed, or dropped by the wire", wait_until(accounted, 20), (sent, got()))
    now = got()
    check("there were many", sent > 1000 and now["xdp_redirected"] > 100, sent)
    check("the kernel's stack receives all that no rule took", now["stack"] == now["xdp_passed_no_rule"], now)
    queue = next(queue for queue in w.qsplit("stats", "show", "eth")["stats"]["queues"] if not queue["transmit"])
    capture.send_signal(signal.SIGTERM)
    check("the capture ends in status 0", capture.wait(20) == 0, w.log("capture").splitlines()[-1])
    written = int(re.search(r"(\d+) packets", w.log("capture"))[1])
    missed = int(queue["drops_no_descriptor"])
    check("the capture has all that was handed over", written + missed == now["xdp_redirected"], (written, missed))
    done = subprocess.run(["tshark", "-r", pcap, "-T", "fields", "-e", "ip.dst"], capture_output=True, text=True)
    seen = collections.Counter(done.stdout.split())
    check("of the flows that the rule takes, and no others", set(seen) == {f"10.253.0.{n}" for n in range(TAKEN)} and
          seen.total() == written, seen)
    lost = now["dropped"] + missed
    check("an equal share of each", all(abs(n - sent / FLOWS) <= 1 + lost for n in seen.values()), f"{lost} lost")


need_root()
need_tools("setpriv", "taskset", "stdbuf", "dpdk-testpmd", "tshark", "nstat")
w = VethWorld(queues=1, start=False)
w.mac = FLOWS_TO_MAC  # or the kernel takes the flows to be somebody else's
w.call("ip", "-n", w.host, "link", "set", w.dev, "address", w.mac)
# Nobody else is to speak on this wire.
for netns, dev in ((w.world, w.peer), (w.host, w.dev)):
    w.call("ip", "netns", "exec", netns, "sysctl", "-qw", f"net.ipv6.conf.{dev}.disable_ipv6=1")
w.start_daemon()
pmd = Testpmd(w, "testpmd", w.world, w.peer, to_mac=w.mac)
if check("testpmd comes up on an AF_XDP socket", pmd.came_up(), "" if pmd.came_up() else pmd.log()):
    answered(w, pmd)
    received(w, pmd)
    flows(w, pmd)
    check("testpmd ends in status 0", pmd.quit() == 0)
w.daemon.send_signal(signal.SIGTERM)
check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
finish()
