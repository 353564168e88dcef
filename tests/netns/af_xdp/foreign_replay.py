#!/usr/bin/env python3
"""tcpreplay puts scapy's packets on the wire: tags, extension headers, fragments, and what is broken. tshark finds
those that the rules take in what qsplit-capture wrote, byte for byte, and no others; tcpdump on the netdev has all the
rest, and the kernel's stack counts it. The other way, tshark finds nothing wrong with what a lease sends."""
import json
import os
import signal
import subprocess
import sys

from veth_world import BIN, NOBODY, VethWorld, check, finish, need_root, need_tools, skip, wait_until

RULES = ["flow-type udp4 src-ip 10.88.0.3 dst-port 4242 action pass loc 1",
         "flow-type udp4 dst-port 4242 action 0",
         "flow-type udp6 dst-port 4242 action 0",
         "flow-type tcp4 dst-port 80 action 0",
         "flow-type tcp6 dst-port 80 action 0",
         "flow-type tcp4 vlan 99 m 0xf000 action 0",
         "flow-type sctp6 dst-port 80 action 0",
         "flow-type ah4 spi 77 action 0",
         "flow-type ah6 spi 77 action 0",
         "flow-type esp4 spi 0x4e00 m 0xff action 0",
         "flow-type esp6 src-ip fd88::1 spi 0x4e01 action 0"]


def scapys_python():
    """Debian's scapy is for Debian's interpreter, which need not be this one."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import scapy.all"], capture_output=True).returncode == 0:
            return python
    skip("python3-scapy is not installed")


def quiet(w, peer_mac):
    """Nothing but what is replayed is to arrive: nobody asks for neighbours or routers."""
    w.call("ip", "netns", "exec", w.world, "sysctl", "-qw", f"net.ipv6.conf.{w.peer}.disable_ipv6=1")
    for address in ("10.88.0.1", "10.88.0.3", "fd88::1"):
        w.call("ip", "-n", w.host, "neigh", "replace", address, "lladdr", peer_mac, "dev", w.dev)


def dumping(w, netns, dev, file, *more):
    """tcpdump, once it listens."""
    dump = w.start(["tcpdump", "-U", "-p", "-Q", "in", "-i", dev, "-w", file, *more], "tcpdump-" + dev, netns=netns)
    wait_until(lambda: "listening" in w.log("tcpdump-" + dev))
    return dump


def frames(file):
    """Every packet of the file, in hexadecimal, as tshark reads it."""
    done = subprocess.run(["tshark", "-r", file, "-T", "jsonraw", "-j", "frame"], capture_output=True, text=True)
    return [packet["_source"]["layers"]["frame_raw"][0] for packet in json.loads(done.stdout or "[]")]


def same(what, file, wanted):
    """Whether the file holds these named frames, in order; says which are not there."""
    got = frames(file)
    lacking = [name for name, frame in wanted if frame not in got]
    foreign = [frame for frame in got if frame not in (frame for _, frame in wanted)]
    check(what, got == [frame for _, frame in wanted],
          f"{len(got)} of {len(wanted)}; not there: {lacking or 'none'}; foreign: {foreign or 'none'}")


def kernel_counts(w, names):
    done = subprocess.run(["ip", "netns", "exec", w.host, "nstat", "-asjz"], capture_output=True, text=True, check=True)
    counted = json.loads(done.stdout)["kernel"]
    return {name: counted[name] for name in names}


def xdp_counts(w):
    """What the XDP program counts of packets that rules took, rules passed, and no rule met."""
    counted = {c["name"]: int(c["value"]) for c in w.qsplit("stats", "show", "eth")["stats"]["more"]}
    return [counted["xdp_" + name] for name in ("redirected", "passed_by_rule", "passed_no_rule")]


def replayed(w, python, peer_mac):
    sent, taken, passed = (f"{w.dir}/{name}.pcap" for name in ("sent", "taken", "passed"))
    made = subprocess.run([python, os.path.dirname(os.path.abspath(__file__)) + "/foreign_packets.py", sent, w.mac,
                           peer_mac], capture_output=True, text=True)
    check("scapy makes the packets", made.returncode == 0, made.stderr)
    packets = json.loads(made.stdout)
    raw = frames(sent)
    check("tshark reads each of them, and no two are the same", len(packets) == len(raw) == len(set(raw)), len(raw))
    of = {held: [(packet[0], frame) for packet, frame in zip(packets, raw) if packet[1] == held]
          for held in (True, False)}
    names = sorted({name for *_, counters in packets for name in counters.split()})

    capture = w.start_ready([BIN + "/qsplit-capture", "--device", "eth", "--write", "-",
                             *[word for rule in RULES for word in ("--rule", rule)]], "capture", drop=True,
                            stdout=open(taken, "wb"))
    dump = dumping(w, w.host, w.dev, passed)
    before, before_xdp = kernel_counts(w, names), xdp_counts(w)
    check("tcpreplay sends them", w.try_in(w.world, "tcpreplay", "-q", "-p", "2000", "-i", w.peer, sent)[0])
    for held, file in ((True, taken), (False, passed)):
        wait_until(lambda: len(frames(file)) >= len(of[held]), 20, 0.2)
    for program in (capture, dump):
        program.send_signal(signal.SIGINT)
        program.wait(20)
    same("the lease's capture has what its rules take, byte for byte and in order", taken, of[True])
    same("the netdev has all the rest, byte for byte and in order", passed, of[False])
    after = kernel_counts(w, names)
    got = {name: after[name] - before[name] for name in names}
    wanted = {name: sum(packet[2].split().count(name) for packet in packets) for name in names}
    check("the kernel's stack counts its own as often as they came", got == wanted, f"{got}, due {wanted}")
    counted = [now - then for now, then in zip(xdp_counts(w), before_xdp)]
    check("and the XDP program counts both", counted == [len(of[True]), 1, len(of[False]) - 1], counted)


def generated(w, peer_mac):
    w.call("ip", "netns", "exec", w.host, "sysctl", "-qw", f"net.ipv6.conf.{w.dev}.disable_ipv6=1")
    seen = w.dir + "/seen.pcap"
    dump = dumping(w, w.world, w.peer, seen, "-c", "40")
    subprocess.run([*NOBODY, BIN + "/qsplit-generate", "--runtime-dir", w.run, "--device", "eth", "--src-ip",
                    "10.88.0.10", "--dst-ip", "10.88.0.1", "--dst-mac", peer_mac, "--dst-port", "4999", "--count", "40",
                    "--size", "200", "--vlan", str(1 << 13 | 7)], check=True, capture_output=True)
    check("tcpdump sees all that a queue sends", dump.wait(10) == 0)
    names = ("frame.len", "vlan.id", "vlan.priority", "eth.src", "ip.src", "ip.checksum.status", "udp.checksum.status",
             "data.data")
    done = subprocess.run(["tshark", "-r", seen, "-T", "fields", *[word for name in names for word in ("-e", name)],
                           "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"], capture_output=True,
                          text=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    check("tagged, of 200 bytes and the tag, with good checksums", [row[:7] for row in rows] ==
          [["204", "7", "1", w.mac, "10.88.0.10", "1", "1"]] * 40, [row[:7] for row in rows[:1]])
    check("in order", [int(row[7][12:28], 16) for row in rows] == list(range(40)))


need_root()
need_tools("setpriv", "taskset", "tcpreplay", "tshark", "tcpdump", "nstat")
python = scapys_python()
w = VethWorld(queues=1)
peer_mac = json.loads(subprocess.run(["ip", "-n", w.world, "-j", "link", "show", w.peer], capture_output=True,
                                     check=True).stdout)[0]["address"]
quiet(w, peer_mac)
replayed(w, python, peer_mac)
generated(w, peer_mac)
w.daemon.send_signal(signal.SIGTERM)
check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
finish()
