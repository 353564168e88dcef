#!/usr/bin/env python3
"""vm.offload: what a device does to packets beside moving them, asked for through the public library: it fills
in checksums, cuts long TCP packets, and says of received packets whether their sums hold. Where it does not do
so the lease says it by name. What left is read where the wire ends, as QEMU wrote it down; what is right is
computed by offload_frames.py."""
import json
import select
import socket
import subprocess

from case import check, run, wait_until
from inside import SHARED
from machine import Machine, e1000e, igb, peer, virtio
from offload_frames import ACK, FIN, NAMES, PSH, TCP, UDP, Capture, Frame, frame, why_not_cut
from pci import write
from rogue import namespace
from served import section
from system import TESTS

MACHINE = Machine((igb("igb", wire=1), e1000e("e1000e", wire=1), e1000e("shared", wire=1), virtio("split", wire=1),
                   virtio("packed", wire=1, packed=True), peer("peer", wire=1)), pcap=True)
POOL_MAC, VF_MAC = "02:00:00:00:01:10", "02:00:00:00:01:00"
LONG, MOST = 20000, 1400  # bytes of payload of a packet that is cut, and of each piece
JUNK = 0xDEAD  # for a sum
KINDS = [(version, protocol) for version in (4, 6) for protocol in (UDP, TCP)]
TX_ROLES = ("checksum.l3.request", "checksum.l4.request")
PATIENCE_SECONDS = 60


class Client:
    """offload_client.cc, as uid 65534, on one device."""

    def __init__(self, guest, device, what, mac):
        self.device, self.what, self.mac = device, what, bytes.fromhex(mac.replace(":", ""))
        self.program = guest.start_ready([TESTS + "/offload_client", "--device", device], f"client-{device}",
                                         drop=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def tell(self, *words):
        self.program.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.program.stdin.flush()

    def hear(self):
        if not select.select([self.program.stdout], [], [], PATIENCE_SECONDS)[0]:
            raise RuntimeError(f"{self.device}: no answer for {PATIENCE_SECONDS} s")
        return json.loads(self.program.stdout.readline() or '{"error": "it has ended"}')

    def try_do(self, *words):
        self.tell(*words)
        return self.hear()

    def do(self, *words):
        answer = self.try_do(*words)
        if "error" in answer:
            raise RuntimeError(f"{self.device}: {words[0]}: {answer['error']}")
        return answer

    def send(self, made, ask="34", cut=0):
        return self.do("send", ask or "-", cut, made.data.hex())

    def check(self, what, held, detail=""):
        return check(f"{self.what}: {what}", held, detail)


class Wire:
    """The wire's end at the kernel's peer: all that came there, and raw frames from there."""

    def __init__(self, guest):
        self.netns = guest.kernel_peer("peer", "10.77.1.1/24")
        self.mac = bytes.fromhex(guest.mac("peer").replace(":", ""))
        self.capture = Capture(f"{SHARED}/wire-peer.pcap")
        with namespace(self.netns):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self.socket.bind((guest.netdevs["peer"], 0))

    def came(self, client, marker):
        """Frames from the client that have the marker in them, and pieces that followed from one."""
        return [Frame(data) for data in self.capture.frames() if data[6:12] == client.mac and marker in data]


def marker(client, what):
    return f"<{client.device} {what}>".encode()


def padded(text, size):
    """Bytes that differ from place to place."""
    return text + bytes((i * 7 + i // 251) % 255 for i in range(size - len(text)))


def start_all(guest):
    """A client for each device: those that offer all of it, and those that offer none of it."""
    write("/sys/module/vfio_pci/parameters/enable_sriov", "1")
    nics = {name: guest.nic(name) for name in ("igb", "e1000e", "shared", "split", "packed")}
    guest.tenant = guest.tenant.replace("_queues = 4", "_queues = 6")
    guest.serve(section("igb", nics["igb"], vfs=1, steering="pools") +
                section("vf", vf_of="igb", vf=0, mac=VF_MAC) +
                section("e1000e", nics["e1000e"], mode="direct") + section("shared", nics["shared"], mode="guarded") +
                section("split", nics["split"], mode="direct") + section("packed", nics["packed"], mode="guarded"))
    able = [Client(guest, "igb", "82576 PF, guarded", POOL_MAC), Client(guest, "vf", "82576 VF, direct", VF_MAC),
            Client(guest, "e1000e", "82574, direct", guest.mac("e1000e")),
            Client(guest, "shared", "82574, guarded", guest.mac("shared"))]
    unable = [Client(guest, "split", "virtio-net, split rings, direct", guest.mac("split")),
              Client(guest, "packed", "virtio-net, packed rings, guarded", guest.mac("packed"))]
    return able, unable


def offered(able, unable):
    """What leases and devices say of it. QEMU's virtio-net offers none of it on a wire that is a hub."""
    for client in able:
        said = client.do("lease", "rx=checksum.l3.checked", "rx=checksum.l4.checked",
                         *(f"tx={role}" for role in (*TX_ROLES, "segment.size")))
        client.check("the lease has all of it", said["l3"] and said["l4"] and said["segments"] and
                     not said["software"], said)
    able[0].do("rule", f"flow-type ether dst {POOL_MAC} action 0")
    for client in unable:
        refused = client.try_do("lease", "tx=segment.size")
        client.check("a lease that must cut is refused by name", refused.get("code") == "UNIMPLEMENTED" and
                     "segment.size" in refused["error"], refused)
        said = client.do("lease", "rx=checksum.l4.ok", "rx=checksum.l3.ok", *(f"tx={role}" for role in TX_ROLES))
        client.check("the lease says that the library computes", sorted(said["software"]) ==
                     sorted(["checksum.l4.ok", "checksum.l3.ok", *TX_ROLES]) and
                     not (said["l3"] or said["l4"] or said["segments"]), said)


def says_offloads(guest, able, unable):
    for clients, has in ((able, True), (unable, False)):
        for client in clients:
            shown = guest.qsplit("device", "show", client.device)["device"]["offloads"]
            client.check("the device says the same", all((f"OFFLOAD_{name}" in shown) == has
                                                         for name in ("TX_CHECKSUM", "TSO", "RX_CHECKSUM")), shown)


def sums_left(wire, client):
    """Asks for sums that the bytes have wrong, and for a part of them, and for none."""
    made = {}
    for i, (version, protocol) in enumerate(KINDS):
        for l3, l4, ask in ((JUNK, JUNK, "34"), (0, 0, "34"), (JUNK, JUNK, "4"), (JUNK, JUNK, "")):
            text = marker(client, f"{version} {protocol} {l4} {ask}")
            packet = frame(wire.mac, client.mac, version, protocol, padded(text, 64 + 61 * i)).with_sums(l3, l4)
            client.send(packet, ask)
            made[text] = (packet, ask)
    return made


def check_sums(wire, client, made):
    for version, protocol in KINDS:
        wrong = []
        for text, (packet, ask) in made.items():
            if (packet.version, packet.protocol) != (version, protocol):
                continue
            came = wait_until(lambda t=text: wire.came(client, t), 5) or []
            if len(came) != 1 or came[0].without_sums() != packet.without_sums():
                wrong.append(f"{text}: {len(came)} frames")
                continue
            l3, l4 = came[0].l3_good(), came[0].l4_good()
            if version == 4 and "3" not in ask and came[0].l3_sum != packet.l3_sum:
                wrong.append(f"{text}: IP sum {came[0].l3_sum:#x}, not asked for")
            if "4" not in ask and came[0].l4_sum != packet.l4_sum:
                wrong.append(f"{text}: sum {came[0].l4_sum:#x}, not asked for")
            if ("3" in ask and not l3) or ("4" in ask and not l4):
                wrong.append(f"{text}: sums {came[0].l3_sum}, {came[0].l4_sum}")
        client.check(f"sums of {NAMES[version, protocol]}", not wrong, "; ".join(wrong))


def long_packet(wire, client, version):
    return frame(wire.mac, client.mac, version, TCP, padded(marker(client, f"long {version}"), LONG),
                 flags=ACK | PSH | FIN).with_sums(JUNK, JUNK)


def pieces_of(wire, client, whole):
    """In the order in which they came; each has the whole's addresses and ports, and is longer than the rest."""
    came = [Frame(data) for data in wire.capture.frames() if data[6:12] == client.mac]
    return [piece for piece in came if piece.version == whole.version and piece.protocol == TCP and
            piece.l4[:4] == whole.l4[:4] and len(piece.payload) > 300]


def check_cut(wire, client):
    for version in (4, 6):
        whole = long_packet(wire, client, version)
        wait_until(lambda w=whole: sum(len(p.payload) for p in pieces_of(wire, client, w)) >= LONG, 5)
        pieces = pieces_of(wire, client, whole)
        wrong = why_not_cut(whole, pieces, MOST)
        client.check(f"{NAMES[version, TCP]}, {LONG} bytes cut", not wrong, wrong or f"{len(pieces)} pieces")


def received(wire, client):
    """Sends a client frames with good and bad sums; what it was told of each, "l3 l4"."""
    wanted = {}
    for version, protocol in KINDS:
        base = frame(client.mac, wire.mac, version, protocol, b"")
        right, l3 = base.with_sums(), "good" if version == 4 else "unknown"
        wanted_of = [("good", None, None, (l3, "good")), ("bad", None, right.l4_sum ^ 0x0101, (l3, "bad"))]
        if version == 4:
            wanted_of.append(("bad header", right.l3_sum ^ 0x0101, None, ("bad", "good")))
            if protocol == UDP:
                wanted_of.append(("none", None, 0, (l3, "unknown")))
        for name, l3_sum, l4_sum, told in wanted_of:
            text = marker(client, f"to {version} {protocol} {name}")
            packet = frame(client.mac, wire.mac, version, protocol, padded(text, 65))
            good = packet.with_sums()
            bad_l3 = None if l3_sum is None else good.l3_sum ^ 0x0101
            bad_l4 = l4_sum if l4_sum in (None, 0) else good.l4_sum ^ 0x0101
            wire.socket.send(packet.with_sums(bad_l3, bad_l4).data)
            wanted[text] = told
    other = marker(client, "to nobody's protocol")
    wire.socket.send(client.mac + wire.mac + b"\x88\xb5" + padded(other, 64))
    wanted[other] = ("unknown", "unknown")
    return wanted


def check_received(client, wanted, by_library):
    told = {}
    computed = set()
    for packet in client.hear():
        data = bytes.fromhex(packet["frame"])
        for text in wanted:
            if text in data:
                told[text] = (packet["l3"], packet["l4"])
                if told[text] != ("unknown", "unknown"):
                    computed.add(packet["computed"])
    wrong = [f"{text.decode()}: {told.get(text)}, not {what}" for text, what in wanted.items()
             if told.get(text) != what]
    client.check(f"{'the library' if by_library else 'the device'} tells good sums, bad ones and none apart",
                 not wrong and computed == {by_library}, "; ".join(wrong) or f"{len(told)} packets")


def offloads(guest):
    """sums filled in, packets cut, sums checked, on every device and in both modes; and who does not offer it"""
    wire = Wire(guest)
    able, unable = start_all(guest)
    both = able + unable
    check("every link is up", wait_until(lambda: all(client.do("device")["link"] for client in both)))
    offered(able, unable)
    says_offloads(guest, able, unable)
    made = {client.device: sums_left(wire, client) for client in both}
    for client in able:
        for version in (4, 6):
            client.send(long_packet(wire, client, version), "-", MOST)
    for client in unable:
        answer = client.send(long_packet(wire, client, 4), "-", MOST)
        client.check("what it cannot cut it refuses to send", answer["refused"] == 1, answer)
    wanted = {client.device: received(wire, client) for client in both}
    for client in both:
        client.tell("receive", len(wanted[client.device]), 5000)
    for client in both:
        check_received(client, wanted[client.device], client in unable)
    for client in both:
        check_sums(wire, client, made[client.device])
    for client in able:
        check_cut(wire, client)


if __name__ == "__main__":
    run(__file__, MACHINE, [offloads], seconds=120)
