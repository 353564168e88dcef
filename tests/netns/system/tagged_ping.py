#!/usr/bin/env python3
"""tagged_ping: UDP datagrams with a VLAN tag out of a packet socket, and their echoes with the same tag.

    tagged_ping.py INTERFACE MAC ADDRESS PORT       exit status 0: all were answered
    tagged_ping.py --answer INTERFACE ADDRESS PORT  answers those to ADDRESS and PORT until it is ended;
                                                    prints "listening" first

A packet socket needs no VLAN netdev, so this runs on kernels without 802.1Q too.
"""
import socket
import struct
import sys
import time

COUNT, TCI = 50, 3 << 13 | 5  # priority 3, VLAN 5
MOST_LOST = 3  # then it gives up
SOL_PACKET, PACKET_AUXDATA, VLAN_VALID = 263, 8, 1 << 4


def opened(interface):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((interface, 0))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    return sock


def received(sock):
    """The next frame from the wire without its tag, and the tag; None: it had none."""
    while True:
        frame, extra, _, where = sock.recvmsg(2048, 256)
        # Our own frames come by as well.
        if where[2] != socket.PACKET_OUTGOING:
            break
    for _, kind, data in extra:
        status, _, _, _, _, value, _ = struct.unpack("=IIIHHHH", data[:20])
        if kind == PACKET_AUXDATA and status & VLAN_VALID:
            return frame, value  # the kernel took it out
    if frame[12:14] == b"\x81\x00":
        return frame[:12] + frame[16:], struct.unpack("!H", frame[14:16])[0]
    return frame, None


def tagged(frame, tci):
    return frame[:12] + struct.pack("!HH", 0x8100, tci) + frame[12:]


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ping(interface, mac, address, port):
    sock = opened(interface)
    mine = sock.getsockname()[4]
    src, dst = socket.inet_aton("10.99.5.1"), socket.inet_aton(address)
    answered = 0
    for number in range(COUNT):
        if number - answered > MOST_LOST:
            break
        payload = struct.pack("!I", number) + b"tagged" * 8
        udp = struct.pack("!HHHH", 7000, port, 8 + len(payload), 0) + payload
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), number, 0, 64, 17, 0, src, dst)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        sock.send(tagged(bytes.fromhex(mac.replace(":", "")) + mine + struct.pack("!H", 0x0800) + ip + udp, TCI))
        deadline = time.monotonic() + 10
        while (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            try:
                frame, tci = received(sock)
            except TimeoutError:
                break
            if frame.endswith(payload):
                answered += tci == TCI
                break
    print(f"{answered} of {COUNT} answered with the tag")
    return 0 if answered == COUNT else 1


def answer(interface, address, port):
    sock = opened(interface)
    print("listening", flush=True)
    wanted = socket.inet_aton(address)
    while True:
        frame, tci = received(sock)
        ip, udp = frame[14:34], frame[34:]
        if tci is None or frame[12:15] != b"\x08\x00\x45" or ip[9] != 17 or ip[16:20] != wanted:
            continue
        if struct.unpack("!H", udp[2:4])[0] != port:
            continue
        back = frame[6:12] + frame[:6] + frame[12:14] + ip[:12] + ip[16:20] + ip[12:16]
        sock.send(tagged(back + udp[2:4] + udp[:2] + udp[4:], tci))


if sys.argv[1] == "--answer":
    answer(sys.argv[2], sys.argv[3], int(sys.argv[4]))
sys.exit(ping(*sys.argv[1:4], int(sys.argv[4])))
