"""The other end of a wire, held by a process on the host: it asks for an address by ARP, then pings it,
until enough echoes came back with the bytes that were sent. No stack but these few lines.

QEMU sends each frame of the wire as a datagram to wireN.host, and takes those sent to wireN.qemu.
"""
import os
import socket
import struct
import threading

MAC = bytes.fromhex("525400ffff01")
ADDRESS = socket.inet_aton("10.77.0.99")
ENOUGH = 20


def answered_file(folder, wire):
    """There when enough echoes came back."""
    return f"{folder}/wire{wire}.answered"


class HostWire:
    """Pings `address` on that wire until it is closed or has had enough answers."""

    def __init__(self, folder, wire, address):
        self.folder, self.wire, self.target = folder, wire, socket.inet_aton(address)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"{folder}/wire{wire}.host")
        self.socket.settimeout(0.1)
        self.closed = False
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def close(self):
        self.closed = True
        self.thread.join()
        self.socket.close()

    def send(self, frame):
        try:
            self.socket.sendto(frame.ljust(60, b"\0"), f"{self.folder}/wire{self.wire}.qemu")
        except OSError:
            pass  # QEMU has not come yet, or has gone

    def receive(self, wanted):
        """The first frame within 0.1 s of silence for which wanted() is true."""
        while not self.closed:
            try:
                frame = self.socket.recv(65536)
            except TimeoutError:
                return None
            if wanted(frame):
                return frame
        return None

    def work(self):
        peer, answers = None, 0
        while not self.closed and answers < ENOUGH:
            if peer is None:
                self.send(arp_request(self.target))
                reply = self.receive(lambda f: f[12:14] == b"\x08\x06" and f[20:22] == b"\0\2" and
                                     f[28:32] == self.target)
                peer = reply and reply[6:12]
                continue
            sent = echo_request((MAC, ADDRESS), (peer, self.target), answers)
            self.send(sent)
            # An echo reply (type 0) with the rest of what was sent.
            if self.receive(lambda f: f[23:24] == b"\1" and f[34:35] == b"\0" and f[38:98] == sent[38:98]):
                answers += 1
        if answers >= ENOUGH:
            with open(answered_file(self.folder, self.wire) + ".new", "w") as file:
                file.write(str(answers))
            os.rename(file.name, answered_file(self.folder, self.wire))
        while not self.closed:  # QEMU would try again and again to send what nobody takes
            self.receive(lambda frame: False)


def arp_request(target):
    return b"\xff" * 6 + MAC + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + MAC + ADDRESS + b"\0" * 6 + target


def echo_request(source, target, number, size=56):
    """From and to (MAC, address); that many bytes of data, an even number."""
    message = with_checksum(struct.pack("!BBHHH", 8, 0, 0, 0x4242, number) + bytes(n & 255 for n in range(size)), 2)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(message), number, 0, 64, 1, 0) + source[1] + target[1]
    return target[0] + source[0] + b"\x08\0" + with_checksum(header, 10) + message


def with_checksum(data, at):
    """RFC 1071, over all of data (of even length), stored at that offset."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return data[:at] + struct.pack("!H", ~total & 0xFFFF) + data[at + 2:]
