#!/usr/bin/env python3
"""vm.offload: what a device does to packets beside moving them, asked for through the public library: it fills
in checksums, cuts long TCP packets, and says of received packets whether their sums hold. Where it does not do
so the lease says it by name. What left is read where the wire ends, as somebody else wrote it down; what is right
is computed by offload_frames.py."""
import json
import os
import select
import socket
import subprocess

from case import check, run, wait_until
from inside import SHARED, Absent
from machine import e1000e, igb, peer, virtio
from offload_frames import ACK, FIN, NAMES, PSH, TCP, UDP, Capture, Frame, frame, why_not_cut
from offload_tap import CAPTURE, TapMachine
from pci import write
from rogue import namespace
from served import section
from system import TESTS

MACHINE = TapMachine((igb("igb", wire=1), e1000e("e1000e", wire=1), e1000e("shared", wire=1), virtio("split", wire=1),
                      virtio("packed", wire=1, packed=True), peer("peer", wire=1),
                      virtio("tapped", wire=0, packed=True)), pcap=True)
POOL_MAC, VF_MAC = "02:00:00:00:01:10", "02:00:00:00:01:00"
LONG, MOST = 20000, 1400  # bytes of payload of a packet that is cut, and of each piece
JUNK = 0xDEAD  # for a sum
KINDS = [(version, protocol) for version in (4, 6) for protocol in (UDP, TCP)]
ASKED = ((JUNK, "34"), (0, "34"), (JUNK, "4"), (JUNK, ""))  # sums that the bytes have, and what is asked for
TX_ROLES = ("checksum.l3.request", "checksum.l4.request")
PATIENCE_SECONDS = 60


class Client:
    """offload_client.cc, as uid 65534, on one device."""

    def __init__(self, guest, device, what, mac):
        self.device, self.what, self.mac = device, what, bytes.fromhex(mac.replace(":", ""))
        self.port = 4000  # of what it sends now
        self.heard = b""
        self.program = guest.start([TESTS + "/offload_client", "--device", device, "--runtime-dir", guest.run],
                                   f"client-{device}", drop=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def tell(self, *words):
        self.program.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.program.stdin.flush()

    def hear(self):
        while b"\n" not in self.heard:
            if not select.select([self.program.stdout], [], [], PATIENCE_SECONDS)[0]:
                raise RuntimeError(f"{self.device}: no answer for {PATIENCE_SECONDS} s")
            more = os.read(self.program.stdout.fileno(), 65536)
            if not more:
                raise RuntimeError(f"{self.device}: its client ended with status {self.program.wait()}")
            self.heard += more
        line, self.heard = self.heard.split(b"\n", 1)
        return json.loads(line)

    def hear_good(self):
        answer = self.hear()
        if "error" in answer:
            raise RuntimeError(f"{self.device}: {answer['error']}")
        return answer

    def try_do(self, *words):
        self.tell(*words)
        return self.hear()

    def do(self, *words):
        self.tell(*words)
        return self.hear_good()

    def check(self, what, held, detail=""):
        return check(f"{self.what}: {what}", held, detail)


class Wire:
    """The wire's end at the kernel's peer: all that came there, and raw frames from there."""

    def __init__(self, guest):
        netns = guest.kernel_peer("peer", "10.77.1.1/24")
        self.mac = bytes.fromhex(guest.mac("peer").replace(":", ""))
        self.hub, self.tap = Capture(f"{SHARED}/wire-peer.pcap"), Capture(f"{SHARED}/{CAPTURE}")
        with namespace(netns):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self.socket.bind((guest.netdevs["peer"], 0))

    def came(self, client):
        """From the client's port, in the order in which they came."""
        capture = self.tap if client.device == "tapped" else self.hub
        found = [Frame(data) for data in capture.frames() if data[6:12] == client.mac]
        return [made for made in found if made.version and made.port == client.port]


def padded(text, size):
    """Bytes that differ from place to place."""
    return text + bytes((i * 7 + i // 251) % 255 for i in range(size - len(text)))


def start_all(guest):
    """A client for each device: those that offer all of it on a hub, those that offer none, and one on a tap. (A
    QEMU that has no igb cuts TCP of its e1000e into IP fragments: all of it is skipped there.)"""
    write("/sys/module/vfio_pci/parameters/enable_sriov", "1")
    nics = {name: guest.nic(name) for name in ("igb", "e1000e", "shared", "split", "packed")}
    guest.tenant = guest.tenant.replace("_queues = 4", "_queues = 7")
    guest.serve(section("igb", nics["igb"], vfs=1, steering="pools") +
                section("vf", vf_of="igb", vf=0, mac=VF_MAC) +
                section("e1000e", nics["e1000e"], mode="direct") + section("shared", nics["shared"], mode="guarded") +
                section("split", nics["split"], mode="direct") + section("packed", nics["packed"], mode="guarded") +
                (section("tapped", guest.nic("tapped"), mode="guarded") if has_tap(guest) else ""))
    able = [Client(guest, "igb", "82576 PF, guarded", POOL_MAC), Client(guest, "vf", "82576 VF, direct", VF_MAC),
            Client(guest, "e1000e", "82574, direct", guest.mac("e1000e")),
            Client(guest, "shared", "82574, guarded", guest.mac("shared"))]
    unable = [Client(guest, "split", "virtio-net, split rings, direct", guest.mac("split")),
              Client(guest, "packed", "virtio-net, packed rings, guarded", guest.mac("packed"))]
    tapped = Client(guest, "tapped", "virtio-net behind a tap", guest.mac("tapped")) if has_tap(guest) else None
    return able, unable, tapped


def has_tap(guest):
    return not next(nic for nic in guest.plan["nics"] if nic["name"] == "tapped")["absent"]


def offered(guest, able, unable):
    """What leases and devices say of it. QEMU's virtio-net offers none of it on a wire that is a hub."""
    wanted = [f"tx={role}" for role in (*TX_ROLES, "segment.size")]
    for client in able:
        said = client.do("lease", "rx=checksum.l3.checked", "rx=checksum.l4.checked", *wanted,
                         "rss" if client.device == "shared" else "")
        client.check("the lease has all of it", said["l3"] and said["l4"] and said["segments"] and
                     not said["software"], said["layout"])
    able[0].do("rule", f"flow-type ether dst {POOL_MAC} action 0")
    for client in unable:
        refused = client.try_do("lease", "tx=segment.size")
        client.check("a lease that must cut is refused by name", refused.get("code") == "UNIMPLEMENTED" and
                     "lacks segment.size" in refused["error"], refused)
        said = client.do("lease", "rx=checksum.l4.ok", "rx=checksum.l3.ok", *wanted[:2])
        client.check("the lease says that the library computes", sorted(said["software"]) ==
                     sorted(["checksum.l4.ok", "checksum.l3.ok", *TX_ROLES]) and
                     not (said["l3"] or said["l4"] or said["segments"]), said["software"])
    shown = {device["name"]: device["offloads"] for device in guest.qsplit("device", "list")["devices"]}
    for client in able + unable:
        has = [f"OFFLOAD_{name}" in shown[client.device] for name in ("RX_CHECKSUM", "TX_CHECKSUM", "TSO")]
        client.check("the device says the same", has == [client in able] * 3, shown[client.device])


def send(wire, client, cuts=True, carries_junk=True):
    """Asks for sums that the bytes have wrong, for a part of them, for none; then for long packets to be cut.
    carries_junk: the wire takes IPv4 headers with wrong sums."""
    made, texts = {}, [f"<{version} {protocol} {junk} {ask}>".encode() for version, protocol in KINDS
                       for junk, ask in ASKED]
    for i, text in enumerate(texts):
        version, protocol = KINDS[i // len(ASKED)]
        junk, ask = ASKED[i % len(ASKED)]
        packet = frame(wire.mac, client.mac, version, protocol, padded(text, 64 + 61 * i), port=client.port)
        packet = packet.with_sums(junk if carries_junk or "3" in ask else None, junk)
        client.tell("send", ask or "-", 0, packet.data.hex())
        made[text] = (packet, ask)
    long = [frame(wire.mac, client.mac, version, TCP, padded(b"<long>", LONG), flags=ACK | PSH | FIN,
                  port=client.port).with_sums(JUNK, JUNK) for version in (4, 6)]
    for whole in long:
        client.tell("send", "-", MOST, whole.data.hex())
    return made, long if cuts else []


def sent(client, made, cuts=True):
    answers = [client.hear_good() for _ in range(len(made) + 2)]
    if not cuts:
        client.check("what it cannot cut it refuses to send", answers[-1]["refused"] == 2, answers[-1])


def what_is_wrong(packet, ask, came):
    if len(came) != 1:
        return f"{len(came)} frames"
    if came[0].without_sums() != packet.without_sums():
        return "other bytes"
    wrong = []
    for name, asked, good, left in (("IP", "3" in ask, came[0].l3_good(), came[0].l3_sum == packet.l3_sum),
                                    ("transport", "4" in ask, came[0].l4_good(), came[0].l4_sum == packet.l4_sum)):
        if asked and not good:
            wrong.append(f"{name} sum wrong")
        if not asked and not left:
            wrong.append(f"{name} sum not asked for")
    return ", ".join(wrong)


def check_sent(wire, client, made, long):
    """What arrived at the wire's other end."""
    expected = len(made) + len(long) * -(-LONG // MOST)
    wait_until(lambda: len(wire.came(client)) >= expected, 5)
    came = wire.came(client)
    short = [packet for packet in came if b"<long>" not in packet.data and len(packet.payload) < MOST and
             packet.payload.startswith(b"<")]
    for version, protocol in KINDS:
        wrong = [f"{text.decode()} {why}" for text, (packet, ask) in made.items()
                 if (packet.version, packet.protocol) == (version, protocol) and
                 (why := what_is_wrong(packet, ask, [f for f in short if f.payload.startswith(text)]))]
        client.check(f"sums of {NAMES[version, protocol]}", not wrong, "; ".join(wrong))
    for whole in long:
        pieces = [packet for packet in came if (packet.version, packet.protocol) == (whole.version, TCP) and
                  packet not in short]
        wrong = why_not_cut(whole, pieces, MOST)
        client.check(f"{NAMES[whole.version, TCP]}, {LONG} bytes cut", not wrong, wrong or f"{len(pieces)} pieces")


def send_to(wire, client):
    """Sends a client frames with good and bad sums; what it is to be told of each, IP and transport."""
    wanted = {}
    for version, protocol in KINDS:
        kinds = {"good": (0, 0, "good", "good"), "bad": (0, 1, "good", "bad")}
        if version == 4:
            kinds["bad header"] = (1, 0, "bad", "good")
            if protocol == UDP:
                kinds["none"] = (0, None, "good", "unknown")
        for name, (l3_off, l4_off, l3, l4) in kinds.items():
            text = f"<to {version} {protocol} {name}>".encode()
            good = frame(client.mac, wire.mac, version, protocol, padded(text, 65)).with_sums()
            wire.socket.send(good.with_sums(good.l3_sum ^ l3_off if version == 4 else None,
                                            0 if l4_off is None else good.l4_sum ^ l4_off).data)
            wanted[text] = (l3 if version == 4 else "unknown", l4)
    wire.socket.send(client.mac + wire.mac + b"\x88\xb5" + padded(b"<of no protocol>", 64))
    return {**wanted, b"<of no protocol>": ("unknown", "unknown")}


def check_told(client, wanted, by_library):
    told, computed = {}, set()
    for packet in client.hear_good():
        for text in wanted:
            if text in bytes.fromhex(packet["frame"]):
                told[text] = (packet["l3"], packet["l4"])
                if told[text] != ("unknown", "unknown"):
                    computed.add(packet["computed"])
    wrong = [f"{text.decode()}: {told.get(text)}, not {what}" for text, what in wanted.items()
             if told.get(text) != what]
    client.check(f"{'the library' if by_library else 'the device'} tells good sums, bad ones and none apart",
                 not wrong and computed == {by_library}, "; ".join(wrong) or f"{len(told)} packets")


def on_a_tap(wire, client):
    """virtio-net that offers it, with both of its rings, behind the guard."""
    device = client.what
    for port, layout in enumerate(("virtio.packed", "virtio.split"), 5000):
        client.what, client.port = f"{device}, {layout}", port
        said = client.do("lease", f"layout={layout}", "tx=checksum.l4.request", "tx=segment.size")
        client.check("the lease has it", said["l4"] and said["segments"] and not said["software"], said)
        made, long = send(wire, client, carries_junk=False)  # a bridge may drop it
        sent(client, made)
        check_sent(wire, client, made, long)


def offloads(guest):
    """sums filled in, packets cut, sums checked, on every device and in both modes; and who does not offer it"""
    wire = Wire(guest)
    able, unable, tapped = start_all(guest)
    clients = able + unable
    check("every link is up", wait_until(lambda: all(client.do("device")["link"] for client in clients)))
    offered(guest, able, unable)
    made = [send(wire, client, client in able) for client in clients]
    for client, (packets, _) in zip(clients, made):
        sent(client, packets, client in able)
    for client in clients:
        wanted = send_to(wire, client)
        client.tell("receive", len(wanted), 5000)
    for client in clients:
        check_told(client, wanted, client in unable)
    for client, (packets, long) in zip(clients, made):
        check_sent(wire, client, packets, long)
    if tapped is None:
        raise Absent("this machine gives nobody a tap on a bridge: virtio-net's offloads")
    on_a_tap(wire, tapped)


if __name__ == "__main__":
    run(__file__, MACHINE, [offloads], seconds=240)
