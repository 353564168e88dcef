#!/usr/bin/env python3
"""tagged_ping: UDP datagrams with a VLAN tag out of a packet socket, and their echoes with the same tag.

    tagged_ping.py INTERFACE MAC ADDRESS PORT       exit status 0: all were answered

A packet socket needs no VLAN netdev, so this runs on kernels without 802.1Q too.
"""
import socket
import struct
import sys
import time

COUNT, TCI = 50, 3 << 13 | 5  # priority 3, VLAN 5
SOL_PACKET, PACKET_AUXDATA, VLAN_VALID = 263, 8, 1 << 4


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def main():
    interface, mac, address, port = sys.argv[1:]
    port = int(port)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((interface, 0))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    mine = sock.getsockname()[4]
    src, dst = socket.inet_aton("10.99.5.1"), socket.inet_aton(address)
    answered = 0
    for number in range(COUNT):
        payload = struct.pack("!I", number) + b"tagged" * 8
        udp = struct.pack("!HHHH", 7000, port, 8 + len(payload), 0) + payload
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), number, 0, 64, 17, 0, src, dst)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        sock.send(bytes.fromhex(mac.replace(":", "")) + mine + struct.pack("!HHH", 0x8100, TCI, 0x0800) + ip + udp)
        deadline = time.monotonic() + 2
        while (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            try:
                frame, extra, _, where = sock.recvmsg(2048, 256)
            except TimeoutError:
                break
            # Our own frames come by as well.
            if where[2] == socket.PACKET_OUTGOING or not frame.endswith(payload):
                continue
            tci = None
            for _, kind, data in extra:
                status, _, _, _, _, value, _ = struct.unpack("=IIIHHHH", data[:20])
                if kind == PACKET_AUXDATA and status & VLAN_VALID:
                    tci = value  # the kernel took it out
            if tci is None and frame[12:14] == b"\x81\x00":
                tci = struct.unpack("!H", frame[14:16])[0]
            answered += tci == TCI
            break
    print(f"sent {COUNT} answered with the tag {answered}")
    return 0 if answered == COUNT else 1


sys.exit(main())
