#!/usr/bin/env python3
"""Leases with each choice of the layout's features carry packets both ways: chunks that are not aligned, memory with
room for metadata in front of what is sent. tshark says whether checksums are right, whoever puts them in."""
import signal
import subprocess

from veth_world import TESTS, NotReady, VethWorld, check, finish, need_root, need_tools, wait_until


def checksums(file):
    done = subprocess.run(["tshark", "-r", file, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-T",
                           "fields", "-e", "ip.checksum.status", "-e", "udp.checksum.status"], capture_output=True,
                          text=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def left_to_receiver(w, name):
    """The same with a netdev that says of itself that it fills in sums: over a veth pair, none does, as with the
    kernel's own packets, and the other end's kernel knows. So it was the kernel before."""
    seen = f"{w.dir}/left.pcap"
    check(f"{name}: the netdev has sums of its own", *w.try_in(w.host, "ethtool", "-K", w.dev, "tx-checksumming", "on"))
    dump = w.start(["tcpdump", "-U", "-p", "-Q", "in", "-c", "200", "-i", w.peer, "-w", seen, "udp"], name + "-left",
                   netns=w.world)
    wait_until(lambda: "listening" in w.log(name + "-left"))
    w.udp(f"{name}: sums that are left to the receiver are taken", "10.88.0.10", 4242)
    dump.wait(20)
    rows = checksums(seen)
    check(f"{name}: and are not on the wire", rows == [["1", "0"]] * 200, rows[:1])
    w.try_in(w.host, "ethtool", "-K", w.dev, "tx-checksumming", "off")


def answered(w, chunks, metadata):
    name = f"{chunks} chunks, metadata {metadata}"
    choices = [f"Chunks={chunks}", f"Metadata={metadata}"]
    try:
        client = w.start_ready([TESTS + "/choosing_echo", "--rule", "flow-type udp4 dst-port 4242 action 0",
                                *[word for choice in choices for word in ("--feature", choice)]], name, drop=True)
    except NotReady as refused:
        # Linux before 6.11.
        check(f"{name}: what the kernel lacks is refused by name", metadata == "on" and "etadata" in refused.log,
              refused.log)
        return
    said = w.log(name).splitlines()
    check(f"{name}: the lease has them", said[:2] == choices, said)
    who = "device" if metadata == "on" else "library"
    check(f"{name}: the {who} fills in sums", said[2] == f"transport checksums by the {who}", said)
    seen = f"{w.dir}/{chunks}-{metadata}.pcap"
    dump = w.start(["tcpdump", "-U", "-p", "-Q", "in", "-c", "600", "-i", w.peer, "-w", seen, "udp"], name + "-dump",
                   netns=w.world)
    wait_until(lambda: "listening" in w.log(name + "-dump"))
    for size in (8, 64, 1400):
        w.udp(f"{name}: every datagram of {size} bytes comes back", "10.88.0.10", 4242, size=size)
    dump.wait(20)
    rows = checksums(seen)
    check(f"{name}: with good checksums", rows == [["1", "1"]] * 600, rows[:1])
    if metadata == "on":
        left_to_receiver(w, name)
    client.send_signal(signal.SIGTERM)
    check(f"{name}: the program ends in status 0", client.wait(20) == 0, w.log(name).splitlines()[-1])


need_root()
need_tools("setpriv", "taskset", "tcpdump", "tshark")
w = VethWorld(queues=1)
for chunks in ("aligned", "unaligned"):
    for metadata in ("off", "on"):
        answered(w, chunks, metadata)
w.daemon.send_signal(signal.SIGTERM)
check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
finish()
