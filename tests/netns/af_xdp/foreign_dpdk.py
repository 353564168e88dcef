#!/usr/bin/env python3
"""DPDK's testpmd, on an AF_XDP socket of its own, is the other end of the wire: a lease's responder answers what it
sends, it receives what qsplit-generate sends, and a capture has those of its flows that a rule takes. Every packet
is accounted for."""
import collections
import json
import os
import re
import signal
import subprocess
import time

from veth_world import BIN, NOBODY, VethWorld, check, finish, need_root, need_tools, wait_until

# An mbuf is then a page. DPDK 22.11 says that its pool's memory is as long as its mbufs are, and without huge pages
# the pool has one of them a page: what lies behind that length, the kernel refuses to send.
MBUF_BYTES = 4096 - 64 - 128  # a page without the headers of a pool's element and of an mbuf
BURST = 32
FLOWS = 64
TAKEN = 8
STATS = re.compile(r"RX-packets: (\d+).*?RX-bytes: +(\d+).*?TX-packets: (\d+) +TX-errors: (\d+) +TX-bytes: +(\d+).*?"
                   r"Throughput", re.S)


class Testpmd:
    """testpmd on a netdev; its own XDP program takes all that arrives there."""

    Stats = collections.namedtuple("Stats", "rx_packets rx_bytes tx_packets tx_errors tx_bytes")

    def __init__(self, w):
        self.w = w
        # Both of its threads on the last processor: one waits for commands.
        processor = os.cpu_count() - 1
        self.program = w.start(
            ["stdbuf", "-oL", "dpdk-testpmd", "--lcores", f"(0,1)@{processor}", "-n", "1", "--no-huge", "-m", "64", "--no-pci",
             "--no-telemetry", "--file-prefix", w.tag, "--vdev", f"net_af_xdp0,iface={w.peer}", "--", "-i",
             "--total-num-mbufs=8192", f"--mbuf-size={MBUF_BYTES}", f"--burst={BURST}", f"--eth-peer=0,{w.mac}",
             "--tx-ip=10.88.0.1,10.88.0.10", "--tx-udp=4999,4242", f"--flowgen-flows={FLOWS}"],
            "testpmd", netns=w.world, stdin=subprocess.PIPE, text=True)
        ready = wait_until(lambda: "Done" in self.log() or self.program.poll() is not None, 20)
        check("testpmd comes up on an AF_XDP socket", ready and self.program.poll() is None, self.log()[-500:] if not ready else "")

    def log(self):
        return self.w.log("testpmd")

    def say(self, line):
        self.program.stdin.write(line + "\n")
        self.program.stdin.flush()

    def answer(self, line, pattern):
        """What it prints after this command, as far as the pattern goes."""
        begin = len(self.log())
        self.say(line)
        found = wait_until(lambda: re.compile(pattern, re.S).search(self.log(), begin), 5)
        if not found:
            raise RuntimeError(f"testpmd: no answer to '{line}':\n{self.log()[begin:]}")
        return found

    def stats(self):
        return self.Stats(*map(int, self.answer("show port stats 0", STATS.pattern).groups()))

    def stop(self):
        self.answer("stop", "Done")


def gained(after, before):
    return type(after)(*(b - a for a, b in zip(before, after)))


def lease_packets(w):
    queues = w.qsplit("stats", "show", "eth")["stats"]["queues"]
    return sum(int(q.get("packets", 0)) for q in queues if not q.get("transmit"))


def answered(w, pmd):
    """Rounds that fit into the veth's ring of 256 packets."""
    rounds, bursts = 20, 6
    sent = rounds * bursts * BURST
    client = w.responder("client", "10.88.0.10", 4242)
    pmd.say("set fwd rxonly")
    before = pmd.stats()
    for number in range(rounds):
        pmd.say(f"set txpkts {64 + 64 * number}")
        pmd.say(f"start tx_first {bursts}")
        due = (number + 1) * bursts * BURST
        wait_until(lambda: gained(pmd.stats(), before).rx_packets >= due, 3)
        pmd.stop()
    got = gained(pmd.stats(), before)
    check("testpmd sends what it was told to", got.tx_packets == sent and got.tx_errors == 0, got)
    check("and has an answer to each packet, of its length",
          (got.rx_packets, got.rx_bytes) == (got.tx_packets, got.tx_bytes), got)
    check("the lease counts as many", lease_packets(w) == sent, lease_packets(w))
    client.send_signal(signal.SIGTERM)
    client.wait(5)
    check("and so does the program", f"answered: {sent} udp, 0 echo, 0 arp; ignored: 0" in w.log("client"), w.log("client"))


def received(w, pmd):
    """What a lease sends."""
    generate = [*NOBODY, BIN + "/qsplit-generate", "--runtime-dir", w.run, "--device", "eth", "--src-ip", "10.88.0.10",
                "--dst-ip", "10.88.0.1", "--dst-mac", pmd.answer("show port info 0", r"MAC address: (\S+)")[1]]
    before = pmd.stats()
    pmd.say("start")
    for size in (60, 200, 1514):
        subprocess.run([*generate, "--size", str(size), "--count", "1000", "--rate", "10000"], check=True,
                       capture_output=True)
    wait_until(lambda: gained(pmd.stats(), before).rx_packets >= 3000, 3)
    got = gained(pmd.stats(), before)
    check("testpmd receives every packet of a lease, of its length",
          (got.rx_packets, got.rx_bytes) == (3000, 1000 * (60 + 200 + 1514)), got)
    begin = len(pmd.log())
    pmd.stop()
    pmd.say("set verbose 1")
    pmd.say("start")
    subprocess.run([*generate, "--size", "128", "--count", "10"], check=True, capture_output=True)
    wait_until(lambda: pmd.log().count("length=128", begin) >= 10, 3)
    pmd.stop()
    pmd.say("set verbose 0")
    seen = re.findall(r"src=(\S+) - dst=\S+ .*?type=0x0800 - length=128 .*?sw ptype: (.*?) - l2_len", pmd.log()[begin:])
    check("and reads them as UDP over IPv4", len(seen) == 10 and all(
        mac.lower() == w.mac and kinds.split() == ["L2_ETHER", "L3_IPV4", "L4_UDP"] for mac, kinds in seen), seen[:1])


def counters(w):
    more = w.qsplit("stats", "show", "eth")["stats"]["more"]
    return {c["name"]: int(c["value"]) for c in more}


def netdev(netns, dev):
    return json.loads(subprocess.run(["ip", "-n", netns, "-j", "-s", "link", "show", dev], capture_output=True,
                                     check=True).stdout)[0]["stats64"]


def some_flows(w, pmd):
    """testpmd sends as fast as it can to 64 addresses, of which a rule takes eight."""
    pcap = w.dir + "/flows.pcap"
    capture = w.start_ready([BIN + "/qsplit-capture", "--device", "eth", "--write", "-", "--rule",
                             f"flow-type udp4 dst-ip 10.253.0.0 m 0.0.0.{TAKEN - 1} dst-port 1001 action 0"], "capture",
                            drop=True, stdout=open(pcap, "wb"))
    before, sent_before, wire_before = counters(w), pmd.stats(), (netdev(w.world, w.peer), netdev(w.host, w.dev))
    pmd.say("set fwd flowgen")
    pmd.say("start")
    time.sleep(0.3)
    pmd.stop()
    time.sleep(0.3)
    sent = gained(pmd.stats(), sent_before).tx_packets
    now = counters(w)
    got = {name: now[name] - before[name] for name in now}
    print(sent, got, wire_before, netdev(w.world, w.peer), netdev(w.host, w.dev), w.qsplit("stats", "show", "eth"))
    capture.send_signal(signal.SIGTERM)
    check("the capture ends in status 0", capture.wait(5) == 0, w.log("capture"))
    print(w.log("capture"))


need_root()
need_tools("setpriv", "taskset", "stdbuf", "dpdk-testpmd", "tshark")
w = VethWorld(queues=1)
# Nobody else is to speak on this wire.
for netns, dev in ((w.world, w.peer), (w.host, w.dev)):
    w.call("ip", "netns", "exec", netns, "sysctl", "-qw", f"net.ipv6.conf.{dev}.disable_ipv6=1")
pmd = Testpmd(w)
answered(w, pmd)
received(w, pmd)
some_flows(w, pmd)
pmd.say("quit")
check("testpmd ends in status 0", pmd.program.wait(10) == 0, pmd.log()[-500:])
w.daemon.send_signal(signal.SIGTERM)
check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
finish()
