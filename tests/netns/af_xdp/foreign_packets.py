#!/usr/bin/env python3
"""Writes a pcap of scapy's packets, for foreign_replay: foreign_packets.py FILE MAC PEER_MAC.

Prints as JSON, for each packet in order: what it is, whether the rules of foreign_replay take it, and the counter of
the kernel's stack that counts it else, if there is one that counts nothing but such packets.
"""
import json
import sys

from scapy.all import (AH, ARP, ESP, GRE, ICMP, IP, IPv6, SCTP, TCP, UDP, Dot1AD, Dot1Q, Ether, ICMPv6EchoRequest,
                       IPOption_NOP, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, Raw,
                       fragment, fragment6, wrpcap)

FILE, MAC, PEER_MAC = sys.argv[1:]
PORT = 4242
ETHER = Ether(dst=MAC, src=PEER_MAC)
IP4 = IP(src="10.88.0.1", dst="10.88.0.2")
IP6 = IPv6(src="fd88::1", dst="fd88::2")
packets = []


def add(what, taken, packet, counter=""):
    # Its name is what it carries, so that a packet is not mistaken for another.
    packets.append((what, taken, counter, packet))


def text(what):
    return Raw(what.encode().ljust(64, b"."))


def both(what, taken, headers, counter=""):
    """Over IPv4 and IPv6."""
    for ip, name in ((IP4, "4"), (IP6, "6")):
        add(what + name, taken, ETHER / ip / headers / text(what + name), counter and counter.format(name.replace("4", "")))


def cut(ether, pieces):
    """Ethernet frames of IP packets."""
    return [ether / piece for piece in pieces]


def plain():
    ours, other = UDP(sport=7777, dport=PORT), UDP(sport=7777, dport=PORT + 1)
    both("udp to the port, ip", True, ours)
    both("udp to another port, ip", False, other, "Udp{}NoPorts")
    both("udp from the port, ip", False, UDP(sport=PORT, dport=PORT + 1), "Udp{}NoPorts")
    both("tcp to the port, ip", False, TCP(sport=7777, dport=PORT))
    both("sctp to the port, ip", False, SCTP(sport=7777, dport=PORT))
    both("udp in gre, ip", False, GRE() / IP4 / ours)
    both("tcp to a web server, ip", True, TCP(sport=7777, dport=80, flags="S"))
    add("udp that a rule passes", False, ETHER / IP(src="10.88.0.3", dst="10.88.0.2") / ours / text("passed"), "UdpNoPorts")
    add("empty udp", True, ETHER / IP4 / ours)
    add("ip4 with options", True, ETHER / IP(src="10.88.0.1", dst="10.88.0.2", options=[IPOption_NOP()] * 40) / ours /
        text("options"))
    add("ip in ip", False, ETHER / IP4 / IP4 / ours / text("ip in ip"))
    add("ping", False, ETHER / IP4 / ICMP() / text("ping"), "IcmpInEchos")
    add("ping6", False, ETHER / IP6 / ICMPv6EchoRequest(data=b"ping"), "Icmp6InEchos")
    add("arp", False, ETHER / ARP(op=1, psrc="10.88.0.1", pdst="10.88.0.9"))
    add("a type that nobody has", False, ETHER.copy() / text("unknown"))


def tagged():
    ours = UDP(sport=7777, dport=PORT)
    both("udp with a tag, ip", True, ours)
    for name, tags, taken in (("a tag", Dot1Q(vlan=7), True), ("priority only", Dot1Q(vlan=0, prio=5), True),
                              ("a service tag", Dot1AD(vlan=8), True),
                              ("two tags", Dot1AD(vlan=8) / Dot1Q(vlan=7), True),
                              ("two inner tags", Dot1Q(vlan=8) / Dot1Q(vlan=7), True),
                              ("three tags", Dot1AD(vlan=8) / Dot1Q(vlan=7) / Dot1Q(vlan=6), False)):
        for ip, version in ((IP4, "4"), (IP6, "6")):
            what = f"udp behind {name}, ip{version}"
            add(what, taken, ETHER / tags / ip / ours / text(what))
    add("arp behind a tag", False, ETHER / Dot1Q(vlan=7) / ARP(psrc="10.88.0.1", pdst="10.88.0.9"))
    add("tcp4 behind the tag of a rule", True, ETHER / Dot1Q(vlan=99) / IP4 / TCP(dport=22) / text("vlan 99"))
    add("tcp4 behind another tag", False, ETHER / Dot1Q(vlan=98) / IP4 / TCP(dport=22) / text("vlan 98"))


def extended():
    ours = UDP(sport=7777, dport=PORT)
    hop, routing, options = IPv6ExtHdrHopByHop(), IPv6ExtHdrRouting(segleft=0, addresses=["fd88::7"]), IPv6ExtHdrDestOpt()
    for name, headers in (("hop by hop", hop), ("destination options", options), ("routing", routing),
                          ("all of them", hop / options / routing / options),
                          ("an authentication header", AH(nh=17, payloadlen=4, icv=bytes(12))),
                          ("an atomic fragment header", IPv6ExtHdrFragment(id=77))):
        what = f"udp6 behind {name}"
        add(what, True, ETHER / IP6 / headers / ours / text(what))
    add("udp6 behind a tag and hop by hop", True, ETHER / Dot1Q(vlan=7) / IP6 / hop / options / ours / text("tag"))
    many = IP6 / hop
    for _ in range(16):
        many = many / options.copy()
    add("udp6 behind more headers than are walked", False, ETHER / many / ours / text("many"), "Udp6NoPorts")
    add("ip6 encrypted", False, ETHER / IP6 / ESP(spi=1, seq=1, data=bytes(UDP(dport=PORT)) * 4))
    add("ip6 without a next header", False, ETHER / IPv6(src="fd88::1", dst="fd88::2", nh=59) / Raw(bytes(ours) * 4))


def fragmented():
    # What a later piece carries looks like the header of a packet that a rule takes.
    like = bytes(UDP(sport=7777, dport=PORT)) * 250
    for port, takes_first in ((PORT, True), (PORT + 1, False)):
        udp = UDP(sport=7777, dport=port) / Raw(like)
        pieces4 = fragment(IP(src="10.88.0.1", dst="10.88.0.2", id=port) / udp, fragsize=800)
        whole6 = IPv6(src="fd88::1", dst="fd88::2") / IPv6ExtHdrFragment(id=port) / udp
        for version, pieces in (("4", pieces4), ("6", fragment6(whole6, 800))):
            for number, frame in enumerate(cut(ETHER, pieces)):
                last = number == len(pieces) - 1
                add(f"udp{version} to {port}, piece {number}", takes_first and number == 0, frame,
                    "Ip{0}ReasmOKs Udp{0}NoPorts".format(version.replace("4", "")) if last and not takes_first else "")


def broken():
    ours = UDP(sport=7777, dport=PORT)
    long4 = ETHER / IP(src="10.88.0.1", dst="10.88.0.2", len=1000) / ours / text("longer than the frame")
    add("ip4 longer than its frame", False, long4)
    add("ip6 longer than its frame", False, ETHER / IPv6(src="fd88::1", dst="fd88::2", plen=1000) / ours / text("longer"))
    add("ip4 of version 5", False, ETHER / IP(version=5, src="10.88.0.1", dst="10.88.0.2") / ours / text("version"))
    add("ip4 with a header of 16 bytes", False, ETHER / IP(ihl=4, src="10.88.0.1", dst="10.88.0.2") / ours / text("ihl"))
    padded = bytes(ETHER / IP(src="10.88.0.1", dst="10.88.0.2", len=20, proto=17)) + bytes(ours) + bytes(18)
    add("ip4 whose ports are padding", False, Ether(padded))
    chain = bytes(ETHER / IPv6(src="fd88::1", dst="fd88::2", nh=60, plen=8)) + bytes([17, 9, 1, 4, 0, 0, 0, 0]) + bytes(80)
    add("ip6 whose chain of headers is cut off", False, Ether(chain))


for group in (plain, tagged, extended, fragmented, broken):
    group()
wrpcap(FILE, [packet for *_, packet in packets])
json.dump([packet[:3] for packet in packets], sys.stdout)
