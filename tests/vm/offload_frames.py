"""Frames and their sums, for offload.py: made, taken apart and summed up here, by nothing that qsplit has.

RFC 791, 8200, 768, 9293; sums by RFC 1071.
"""
import dataclasses
import ipaddress
import struct

UDP, TCP = 17, 6
NAMES = {(4, UDP): "UDP over IPv4", (4, TCP): "TCP over IPv4", (6, UDP): "UDP over IPv6", (6, TCP): "TCP over IPv6"}
FIN, PSH, ACK = 0x01, 0x08, 0x10
FROM = {4: ipaddress.ip_address("10.77.1.10").packed, 6: ipaddress.ip_address("fd00:77::10").packed}
TO = {4: ipaddress.ip_address("10.77.1.99").packed, 6: ipaddress.ip_address("fd00:77::99").packed}
FIRST_ID, FIRST_SEQUENCE = 0xFFFA, 0xFFFFF000  # both wrap within a long packet


def ones_sum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@dataclasses.dataclass
class Frame:
    """What stands in its bytes, and where; version is None if it is no UDP or TCP over IP."""
    data: bytes

    def __post_init__(self):
        kind = struct.unpack_from("!H", self.data, 12)[0]
        self.version = {0x0800: 4, 0x86DD: 6}.get(kind)
        if self.version is None:
            return
        ip = self.data[14:]
        if self.version == 4:
            self.ip_bytes, self.total, self.id = (ip[0] & 15) * 4, *struct.unpack_from("!HH", ip, 2)
            self.protocol, self.addresses = ip[9], ip[12:20]
            self.l3_sum = struct.unpack_from("!H", ip, 10)[0]
        else:
            self.ip_bytes, self.total = 40, 40 + struct.unpack_from("!H", ip, 4)[0]
            self.protocol, self.addresses, self.id, self.l3_sum = ip[6], ip[8:40], None, None
        if self.protocol not in (UDP, TCP):
            self.version = None
            return
        self.l4_at = 14 + self.ip_bytes
        self.l4 = self.data[self.l4_at:14 + self.total]
        if self.protocol == TCP:
            self.sequence, self.flags = struct.unpack_from("!I", self.l4, 4)[0], self.l4[13]
            self.header_bytes = (self.l4[12] >> 4) * 4
            self.sum_at = 16
        else:
            self.header_bytes, self.sum_at = 8, 6
        self.payload = self.l4[self.header_bytes:]
        self.port = struct.unpack_from("!H", self.l4)[0]
        self.l4_sum = struct.unpack_from("!H", self.l4, self.sum_at)[0]

    def l3_good(self):
        return self.version != 4 or ones_sum(self.data[14:self.l4_at]) == 0xFFFF

    def l4_good(self):
        pseudo = self.addresses + struct.pack("!II", len(self.l4), self.protocol)
        return ones_sum(pseudo + self.l4) == 0xFFFF and not (self.protocol == UDP and self.l4_sum == 0)

    def without_sums(self):
        """All bytes but the sums, and without padding of the wire."""
        data = bytearray(self.data[:14 + self.total])
        if self.version == 4:
            data[24:26] = b"\0\0"
        data[self.l4_at + self.sum_at:self.l4_at + self.sum_at + 2] = b"\0\0"
        return bytes(data)

    def with_sums(self, l3=None, l4=None):
        """A copy with these numbers as its sums; None: the right ones."""
        data = bytearray(self.without_sums())
        if self.version == 4:
            right = ~ones_sum(bytes(data[14:self.l4_at])) & 0xFFFF
            struct.pack_into("!H", data, 24, right if l3 is None else l3)
        body = bytes(data[self.l4_at:])
        right = ~ones_sum(self.addresses + struct.pack("!II", len(body), self.protocol) + body) & 0xFFFF
        if self.protocol == UDP and right == 0:
            right = 0xFFFF
        struct.pack_into("!H", data, self.l4_at + self.sum_at, right if l4 is None else l4)
        return Frame(bytes(data))


def frame(to, source, version, protocol, payload, flags=ACK, port=4000):
    """Without sums: they are zero."""
    if protocol == UDP:
        body = struct.pack("!HHHH", port, 4242, 8 + len(payload), 0) + payload
    else:
        body = struct.pack("!HHIIBBHHH", port, 4242, FIRST_SEQUENCE, 1, 5 << 4, flags, 8192, 0, 0) + payload
    if version == 4:
        kind = 0x0800
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), FIRST_ID, 0x4000, 64, protocol, 0)
    else:
        kind = 0x86DD
        header = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64)
    return Frame(to + source + struct.pack("!H", kind) + header + FROM[version] + TO[version] + body)


def why_not_cut(whole, pieces, most):
    """What is wrong with the pieces into which a device cut a long TCP packet, in the order in which they
    came; "" if nothing is. `most`: bytes of payload in each but the last."""
    if not pieces:
        return "no piece"
    payload = whole.payload
    if len(pieces) != -(-len(payload) // most):
        return f"{len(pieces)} pieces, {[len(piece.payload) for piece in pieces]}"
    done = 0
    for i, piece in enumerate(pieces):
        last = i == len(pieces) - 1
        wrong = {
            "payload": piece.payload != payload[done:done + most],
            "length": piece.total != piece.ip_bytes + piece.header_bytes + len(piece.payload),
            "identification": whole.version == 4 and piece.id != (whole.id + i) % 2**16,
            "sequence number": piece.sequence != (whole.sequence + done) % 2**32,
            # PSH and FIN belong to the last alone. QEMU's NICs take them out of that one too.
            "flags": piece.flags not in ({whole.flags, whole.flags & ~(FIN | PSH)} if last else
                                         {whole.flags & ~(FIN | PSH)}),
            "addresses": piece.data[:14] + piece.addresses != whole.data[:14] + whole.addresses,
            "IP sum": not piece.l3_good(),
            "TCP sum": not piece.l4_good(),
        }
        if any(wrong.values()):
            return f"piece {i}: {', '.join(what for what, is_wrong in wrong.items() if is_wrong)}"
        done += len(piece.payload)
    return "" if done == len(payload) else f"{done} bytes of {len(payload)}"


class Capture:
    """A pcap file that somebody is writing."""

    def __init__(self, path):
        self.path, self.at, self.seen = path, 24, []

    def frames(self):
        """All that it has by now."""
        with open(self.path, "rb", buffering=0) as file:
            file.seek(self.at)
            data = file.readall()
        at = 0
        while at + 16 <= len(data):
            length = struct.unpack_from("=I", data, at + 8)[0]
            if at + 16 + length > len(data):
                break
            self.seen.append(data[at + 16:at + 16 + length])
            at += 16 + length
        self.at += at
        return self.seen
