#!/usr/bin/env python3
"""Tools that know nothing of qsplit agree with it: tshark reads what qsplit-capture writes, tcpdump sees
the host's traffic on the representor and not that of queues, ip and ethtool show an ordinary netdev."""
import json
import signal
import subprocess

from world import BIN, MAC, World, check, finish, need_root, need_tools, wait_until

need_root()
need_tools("tshark", "tcpdump", "ethtool")
w = World()


def fields(file, *names):
    """What tshark reads: a row for each packet."""
    argv = ["tshark", "-r", file, "-T", "fields", *[word for name in names for word in ("-e", name)],
            "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
    done = subprocess.run(argv, capture_output=True, text=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


pcap = w.dir + "/captured.pcap"
capture = w.start_ready([BIN + "/qsplit-capture", "--device", "nic0", "--rule",
                         "flow-type udp4 dst-port 7778 action 0", "--write", pcap, "--count", "60"], "capture")
# Datagrams of the kernel, of every length from 1 to 60 times 20 bytes.
sender = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.99.0.1", 7777))
for i in range(60):
    s.sendto(bytes([i]) * (20 * (i + 1)), ("10.99.0.10", 7778))
"""
check("the kernel sends 60 datagrams", *w.try_in(w.world, "python3", "-c", sender))
check("the capture ends by itself", capture.wait(10) == 0, w.log("capture"))
rows = fields(pcap, "eth.dst", "ip.src", "ip.dst", "udp.srcport", "udp.dstport", "udp.length", "udp.checksum.status",
              "ip.checksum.status", "data.data")
check("tshark reads 60 packets", len(rows) == 60, len(rows))
check("with the fields that were sent", all(
    row[:6] == [MAC, "10.99.0.1", "10.99.0.10", "7777", "7778", str(8 + 20 * (i + 1))] for i, row in enumerate(rows)),
    rows[:1])
check("good checksums", all(row[6] == "1" and row[7] == "1" for row in rows), [row[6:8] for row in rows[:3]])
check("and every byte", all(row[8] == f"{i:02x}" * (20 * (i + 1)) for i, row in enumerate(rows)))

# The other way: what a queue sends, as the kernel's tools see it on the wire.
seen = w.dir + "/seen.pcap"
dump = w.start(["tcpdump", "-U", "-i", w.tap, "-w", seen, "-c", "40", "udp", "port", "4999"], "tcpdump",
               netns=w.world)
wait_until(lambda: "listening" in w.log("tcpdump"))
address = json.loads(subprocess.run(["ip", "-n", w.world, "-j", "link", "show", w.tap], capture_output=True,
                                    check=True).stdout)[0]["address"]
subprocess.run([BIN + "/qsplit-generate", "--runtime-dir", w.run, "--device", "nic0", "--src-ip", "10.99.0.10",
                "--dst-ip", "10.99.0.1", "--dst-mac", address, "--dst-port", "4999", "--count", "40", "--size", "200"],
               check=True, capture_output=True)
check("tcpdump sees all that a queue sends", dump.wait(10) == 0, w.log("tcpdump"))
rows = fields(seen, "frame.len", "ip.src", "ip.checksum.status", "udp.checksum.status", "data.data")
check("40 frames of 200 bytes, with good checksums", len(rows) == 40 and all(
    row[:4] == ["200", "10.99.0.10", "1", "1"] for row in rows), [row[:4] for row in rows[:1]])
check("in order", [int(row[4][12:28], 16) for row in rows] == list(range(40)))

# The representor is an ordinary netdev that sees the host's traffic, and only that.
a = w.responder("a", "10.99.0.10", 4242)
host = w.dir + "/host.pcap"
dump = w.start(["tcpdump", "-U", "-i", w.representor, "-w", host, "icmp or udp"], "tcpdump-host", netns=w.host)
wait_until(lambda: "listening" in w.log("tcpdump-host"))
w.ping("ping to the host", "10.99.0.2", count=20)
w.ping("ping to a queue", "10.99.0.10", count=20)
w.udp("UDP to a queue", "10.99.0.10", 4242, count=20)
wait_until(lambda: len(fields(host, "ip.dst")) >= 40, 20)
dump.send_signal(signal.SIGINT)
dump.wait(10)
rows = fields(host, "ip.src", "ip.dst")
check("tcpdump on the representor sees the host's 20 pings and answers, and nothing of the queue's",
      len(rows) == 40 and all("10.99.0.2" in row for row in rows), len(rows))


def representor():
    """As `ip -s link` shows it."""
    return json.loads(subprocess.run(["ip", "-n", w.host, "-j", "-s", "link", "show", w.representor],
                                     capture_output=True, check=True).stdout)[0]


def counts():
    """The kernel's, and ours."""
    return (representor()["stats64"]["rx"]["packets"],
            int(w.qsplit("stats", "show", "nic0")["stats"]["representor_rx_packets"]))


# The kernels at both ends may speak between the one count and the other.
check("ip -s link counts what qsplit says it gave the representor",
      wait_until(lambda: len(set(counts())) == 1, 20, 0.1), counts())
check("it has the NIC's address", representor()["address"] == MAC)
check("ethtool says that the link is up", w.try_in(w.host, "ethtool", w.representor)[1].strip() == "Link detected: yes")
w.call("ip", "-n", w.world, "link", "set", w.tap, "down")
check("and down when the wire is", wait_until(lambda: w.try_in(w.host, "ethtool", w.representor)[1].strip() ==
                                              "Link detected: no", 20))
finish()
