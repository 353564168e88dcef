#!/usr/bin/env python3
"""tcpreplay puts scapy's packets on the wire: tags, extension headers, fragments, and what is broken. tshark finds
those that the rules take in what qsplit-capture wrote, byte for byte, and no others; tcpdump on the netdev has all the
rest, and the kernel's stack counts it."""
import json
import os
import signal
import subprocess
import sys

from veth_world import BIN, VethWorld, check, finish, need_root, need_tools, skip, wait_until

RULES = ["flow-type udp4 src-ip 10.88.0.3 dst-port 4242 action pass loc 1",
         "flow-type udp4 dst-port 4242 action 0",
         "flow-type udp6 dst-port 4242 action 0",
         "flow-type tcp4 dst-port 80 action 0",
         "flow-type tcp6 dst-port 80 action 0",
         "flow-type tcp4 vlan 99 m 0xf000 action 0"]


def scapys_python():
    """Debian's scapy is for Debian's interpreter."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import scapy.all"], capture_output=True).returncode == 0:
            return python
    skip("python3-scapy is not installed")


def frames(file):
    """Every packet of the file, in hexadecimal, as tshark reads it."""
    done = subprocess.run(["tshark", "-r", file, "-T", "jsonraw", "-j", "frame"], capture_output=True, text=True)
    return [packet["_source"]["layers"]["frame_raw"][0] for packet in json.loads(done.stdout or "[]")]


def kernel_counts(w, names):
    done = subprocess.run(["ip", "netns", "exec", w.host, "nstat", "-asjz"], capture_output=True, text=True, check=True)
    counted = json.loads(done.stdout)["kernel"]
    return {name: counted[name] for name in names}


def quiet(w, peer_mac):
    """Nothing but what is replayed arrives: nobody asks for neighbours or routers."""
    w.call("ip", "netns", "exec", w.world, "sysctl", "-qw", f"net.ipv6.conf.{w.peer}.disable_ipv6=1")
    for address in ("10.88.0.1", "10.88.0.3", "fd88::1"):
        w.call("ip", "-n", w.host, "neigh", "replace", address, "lladdr", peer_mac, "dev", w.dev)


def same(what, names, got, wanted):
    """Whether the frames are those that were sent, in order; says which are not."""
    by_frame = dict(zip(wanted, names))
    lacking = [name for frame, name in by_frame.items() if frame not in got]
    check(what, got == wanted, (f"{len(got)} of {len(wanted)}; not there: {lacking}; foreign: "
                                f"{[frame for frame in got if frame not in by_frame]}") if got != wanted else len(got))


need_root()
need_tools("setpriv", "taskset", "tcpreplay", "tshark", "tcpdump", "nstat")
python = scapys_python()
w = VethWorld(queues=1)
peer_mac = json.loads(subprocess.run(["ip", "-n", w.world, "-j", "link", "show", w.peer], capture_output=True,
                                     check=True).stdout)[0]["address"]
quiet(w, peer_mac)
sent = w.dir + "/sent.pcap"
made = subprocess.run([python, os.path.dirname(os.path.abspath(__file__)) + "/foreign_packets.py", sent, w.mac, peer_mac],
                      capture_output=True, text=True)
packets = json.loads(made.stdout or "[]")
check("scapy makes the packets", len(packets) > 60, len(packets) or made.stderr)
taken = w.dir + "/taken.pcap"
capture = w.start_ready([BIN + "/qsplit-capture", "--device", "eth", "--write", "-",
                         *[word for rule in RULES for word in ("--rule", rule)]], "capture", drop=True,
                        stdout=open(taken, "wb"))
passed = w.dir + "/passed.pcap"
dump = w.start(["tcpdump", "-U", "-p", "-Q", "in", "-i", w.dev, "-w", passed], "tcpdump", netns=w.host)
wait_until(lambda: "listening" in w.log("tcpdump"))
names = {name for *_, counters in packets for name in counters.split()}
before = kernel_counts(w, names)
check("tcpreplay sends them", *w.try_in(w.world, "tcpreplay", "-q", "-p", "2000", "-i", w.peer, sent))
all_sent = frames(sent)
for held, file in ((True, taken), (False, passed)):
    wait_until(lambda: len(frames(file)) >= sum(packet[1] == held for packet in packets), 3, 0.2)
for program in (capture, dump):
    program.send_signal(signal.SIGINT)
    program.wait(5)
check("tshark reads each packet that was made", len(all_sent) == len(packets), len(all_sent))
for what, held, file in (("the lease's capture has what its rules take, byte for byte and in order", True, taken),
                         ("the netdev has all the rest, byte for byte and in order", False, passed)):
    chosen = [(packet[0], frame) for packet, frame in zip(packets, all_sent) if packet[1] == held]
    same(what, [name for name, _ in chosen], frames(file), [frame for _, frame in chosen])
after = kernel_counts(w, names)
got = {name: after[name] - before[name] for name in sorted(names)}
wanted = {name: sum(packet[2].split().count(name) for packet in packets) for name in sorted(names)}
check("the kernel's stack counts each of its own once", got == wanted, got if got == wanted else (got, wanted))
steered = {c["name"]: int(c["value"]) for c in w.qsplit("stats", "show", "eth")["stats"]["more"]}
check("the program's counters agree", steered["xdp_redirected"] == sum(packet[1] for packet in packets) and
      steered["xdp_passed_by_rule"] == 1, steered)
w.daemon.send_signal(signal.SIGTERM)
check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
finish()
