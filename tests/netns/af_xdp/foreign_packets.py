#!/usr/bin/env python3
"""Writes a pcap of scapy's packets, for foreign_replay: foreign_packets.py FILE MAC PEER_MAC.

Prints as JSON, for each packet in order: what it is, whether the rules of foreign_replay take it, and the counters of
the kernel's stack that count it otherwise, where those count nothing but such packets.
"""
import json
import sys

from scapy.all import (AH, ARP, ESP, GRE, ICMP, IP, SCTP, TCP, UDP, Dot1AD, Dot1Q, Ether, ICMPv6EchoRequest,
                       IPOption_NOP, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                       IPv6ExtHdrRouting, Raw, fragment, fragment6, wrpcap)

FILE, MAC, PEER_MAC = sys.argv[1:]
PORT = 4242
ETHER = Ether(dst=MAC, src=PEER_MAC)
TO4, TO6 = {"src": "10.88.0.1", "dst": "10.88.0.2"}, {"src": "fd88::1", "dst": "fd88::2"}
IP4, IP6 = IP(**TO4), IPv6(**TO6)
UDP_TAKEN, UDP_OTHER = UDP(sport=7777, dport=PORT), UDP(sport=7777, dport=PORT + 1)
packets = []


def add(what, taken, packet, counters=""):
    packets.append((what, taken, counters, packet))


def text(what):
    """A payload by which a packet is not mistaken for another."""
    return Raw(what.encode().ljust(64, b"."))


def both(what, taken, headers, counter="", tags=None):
    """Over IPv4 and IPv6; {} in the counter's name is "" or 6."""
    for ip, name, number in ((IP4, "4", ""), (IP6, "6", "6")):
        ether = ETHER / tags if tags else ETHER
        add(what + ", ip" + name, taken, ether / ip / headers / text(what + name), counter.format(number))


def plain():
    both("udp to the port", True, UDP_TAKEN)
    both("udp to another port", False, UDP_OTHER, "Udp{}NoPorts")
    both("udp from the port", False, UDP(sport=PORT, dport=PORT + 1), "Udp{}NoPorts")
    both("tcp to the port", False, TCP(sport=7777, dport=PORT))
    both("tcp to a web server", True, TCP(sport=7777, dport=80))
    both("sctp to the port", False, SCTP(sport=7777, dport=PORT))
    add("sctp6 to a web server", True, ETHER / IP6 / SCTP(sport=7777, dport=80) / text("sctp6"))
    both("udp in gre", False, GRE() / IP4 / UDP_TAKEN)
    both("udp in ip", False, IP4 / UDP_TAKEN)
    add("udp that a rule passes", False, ETHER / IP(src="10.88.0.3", dst="10.88.0.2") / UDP_TAKEN / text("passed"),
        "UdpNoPorts")
    add("empty udp", True, ETHER / IP4 / UDP_TAKEN)
    add("udp behind options of ip4", True,
        ETHER / IP(**TO4, options=[IPOption_NOP()] * 40) / UDP_TAKEN / text("options"))
    add("ping", False, ETHER / IP4 / ICMP() / text("ping"), "IcmpInEchos")
    add("ping6", False, ETHER / IP6 / ICMPv6EchoRequest(data=b"ping"), "Icmp6InEchos")
    add("arp", False, ETHER / ARP(psrc="10.88.0.1", pdst="10.88.0.9"))
    add("a type that nobody has", False, ETHER / text("unknown"))


def tagged():
    for name, tags, taken in (("a tag", Dot1Q(vlan=7), True),
                              ("a priority", Dot1Q(vlan=0, prio=5), True),
                              ("a service tag", Dot1AD(vlan=8), True),
                              ("a service tag and a tag", Dot1AD(vlan=8) / Dot1Q(vlan=7), True),
                              ("two tags", Dot1Q(vlan=8) / Dot1Q(vlan=7), True),
                              ("three tags", Dot1AD(vlan=8) / Dot1Q(vlan=7) / Dot1Q(vlan=6), False)):
        both("udp behind " + name, taken, UDP_TAKEN, tags=tags)
    add("arp behind a tag", False, ETHER / Dot1Q(vlan=7) / ARP(psrc="10.88.0.1", pdst="10.88.0.9"))
    for vlan, taken in ((99, True), (98, False)):
        what = f"tcp to port 22 in vlan {vlan}"
        add(what, taken, ETHER / Dot1Q(vlan=vlan, prio=3) / IP4 / TCP(sport=7777, dport=22) / text(what))


def extended():
    hop, options = IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt()
    routing = IPv6ExtHdrRouting(segleft=0, addresses=["fd88::7"])
    for name, headers in (("hop by hop", hop), ("destination options", options), ("routing", routing),
                          ("all of these", hop / options / routing / options),
                          ("the header of a fragment that is alone", IPv6ExtHdrFragment(id=77))):
        what = "udp6 behind " + name
        add(what, True, ETHER / IP6 / headers / UDP_TAKEN / text(what))
    add("udp6 behind a tag and more", True, ETHER / Dot1Q(vlan=7) / IP6 / hop / options / UDP_TAKEN / text("more"))
    many = IP6 / hop
    for _ in range(16):
        many = many / options.copy()
    add("udp6 behind more headers than are walked", False, ETHER / many / UDP_TAKEN / text("many"), "Udp6NoPorts")
    add("without a next header", False, ETHER / IPv6(**TO6, nh=59) / Raw(bytes(UDP_TAKEN) * 4))


def ipsec():
    # What is authenticated is not looked at, and what is encrypted cannot be.
    for spi, taken in ((77, True), (78, False)):
        ah = AH(nh=17, payloadlen=4, spi=spi, icv=bytes(12))
        both(f"udp authenticated by {spi}", taken, ah / UDP_TAKEN)
        what = f"udp6 authenticated by {spi} behind a tag, hop by hop and options"
        add(what, taken, ETHER / Dot1Q(vlan=7) / IP6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / ah / UDP_TAKEN /
            text(what))
    for spi, taken in ((0x4e01, True), (0x4e0102, False)):
        both(f"encrypted by {spi:#x}", taken, ESP(spi=spi, seq=1, data=bytes(UDP_TAKEN)))
    both("encrypted by the ports that a rule takes", False, ESP(spi=7777 << 16 | PORT, seq=1))
    both("udp from and to the index of esp", False, UDP(sport=0, dport=0x4e01), "Udp{}NoPorts")
    whole = IPv6(**TO6) / IPv6ExtHdrFragment(id=50) / ESP(spi=0x4e01, seq=1, data=bytes.fromhex("00004e01") * 400)
    for i, piece in enumerate(fragment6(whole, 800)):
        add(f"encrypted, piece {i}", i == 0, ETHER / piece)


def fragmented():
    # Later pieces begin like packets that a rule takes.
    payload = Raw(bytes(UDP_TAKEN) * 250)
    for udp, takes_first in ((UDP_TAKEN, True), (UDP_OTHER, False)):
        whole4 = IP(**TO4, id=udp.dport) / udp / payload
        whole6 = IPv6(**TO6) / IPv6ExtHdrFragment(id=udp.dport) / udp / payload
        for name, number, pieces in (("4", "", fragment(whole4, 800)), ("6", "6", fragment6(whole6, 800))):
            for i, piece in enumerate(pieces):
                completes = not takes_first and i == len(pieces) - 1
                add(f"udp{name} to {udp.dport}, piece {i}", takes_first and i == 0, ETHER / piece,
                    f"Ip{number}ReasmOKs Udp{number}NoPorts" if completes else "")


def broken():
    add("ip4 longer than its frame", False, ETHER / IP(**TO4, len=1000) / UDP_TAKEN / text("longer"))
    add("ip6 longer than its frame", False, ETHER / IPv6(**TO6, plen=1000) / UDP_TAKEN / text("longer"))
    add("ip4 of version 5", False, ETHER / IP(**TO4, version=5) / UDP_TAKEN / text("version"))
    add("ip4 with a header of 16 bytes", False, ETHER / IP(**TO4, ihl=4) / UDP_TAKEN / text("header"))
    # What stands behind the IP packet's end is padding, whatever it looks like.
    add("ip4 whose ports are padding", False, ETHER / IP(**TO4, len=20, proto=17) / Raw(bytes(UDP_TAKEN) + bytes(18)))
    add("ip6 whose headers go on behind its end", False,
        ETHER / IPv6(**TO6, nh=60, plen=8) / Raw(bytes([17, 9, 1, 4, 0, 0, 0, 0]) + bytes(80)))


for group in (plain, tagged, extended, ipsec, fragmented, broken):
    group()
wrpcap(FILE, [packet for *_, packet in packets])
json.dump([packet[:3] for packet in packets], sys.stdout)
