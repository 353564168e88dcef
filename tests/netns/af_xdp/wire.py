"""Frames at an end of the pair, by packet sockets in its namespace."""
import ctypes
import os
import socket
import struct
import time

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
SO_RCVBUFFORCE = 33  # beyond what the machine has as the most
SOL_PACKET, PACKET_AUXDATA, VLAN_VALID = 263, 8, 1 << 4
libc = ctypes.CDLL(None, use_errno=True)


def socket_in(netns, *what):
    """A socket of that namespace, for a thread that stays in its own."""
    with open("/proc/thread-self/ns/net") as ours, open(f"/var/run/netns/{netns}") as theirs:
        if libc.setns(theirs.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {netns}")
        try:
            return socket.socket(*what)
        finally:
            if libc.setns(ours.fileno(), CLONE_NEWNET):
                os._exit(1)  # nothing may go on elsewhere


class Wire:
    """Sends frames out of a netdev, and has those that come in from outside, with their tags where they were."""

    def __init__(self, netns, dev):
        self.sock = socket_in(netns, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.bind((dev, 0))
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)

    def send(self, frames):
        for frame in frames:
            self.sock.send(frame)

    def receive(self, wanted, count, seconds=20.0, quiet=0.1):
        """Frames for which wanted(frame) holds: until there are `count`, and then for `quiet` seconds more."""
        frames = []
        end = time.monotonic() + (seconds if count else quiet)
        while (left := end - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                frame, extra, _, where = self.sock.recvmsg(65536, 256)
            except TimeoutError:
                break
            if where[2] == socket.PACKET_OUTGOING:
                continue
            for _, kind, data in extra:
                status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", data[:20])
                if kind == PACKET_AUXDATA and status & VLAN_VALID:
                    frame = frame[:12] + struct.pack("!HH", tpid or 0x8100, tci) + frame[12:]
            if wanted(frame):
                frames.append(frame)
                if len(frames) == count:
                    end = time.monotonic() + quiet
        return frames


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def udp4(dst, src, port, payload, address="10.88.0.2", tag=b"", options=b""):
    """A frame between these MAC addresses; options: whole words. UDP's checksum is left out."""
    udp = struct.pack("!HHHH", 7000, port, 8 + len(payload), 0) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(udp), 1, 0, 64, 17, 0,
                     socket.inet_aton("10.88.0.1"), socket.inet_aton(address)) + options
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return mac_bytes(dst) + mac_bytes(src) + tag + b"\x08\x00" + ip + udp


def udp6(dst, src, port, payload, headers=b"", first=17):
    """Over IPv6, behind extension headers of which `first` is the first one's type."""
    udp = struct.pack("!HHHH", 7000, port, 8 + len(payload), 0) + payload
    ip = struct.pack("!IHBB16s16s", 6 << 28, len(headers) + len(udp), first, 64,
                     socket.inet_pton(socket.AF_INET6, "fd88::1"), socket.inet_pton(socket.AF_INET6, "fd88::2"))
    return mac_bytes(dst) + mac_bytes(src) + b"\x86\xdd" + ip + headers + udp
