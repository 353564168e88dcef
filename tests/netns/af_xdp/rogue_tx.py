#!/usr/bin/env python3
"""A hostile program with a lease that may send: descriptors of every wrong kind, chains without an end, garbage in the
cells of its transmit and completion rings and in its packets' metadata. Nothing leaves but what it could have sent
anyway, each wrong descriptor is counted, `queue why` says what is wrong, another program on the netdev loses no packet,
and the queue can be leased as soon as the hostile one is gone."""
import os
import re
import signal
import struct

from stolen import Ring, memory_of, socket_of, told
from veth_world import TESTS, NotReady, VethWorld, check, finish, need_root, need_tools
from wire import Wire, mac_bytes

CHUNK, METADATA = 2048, 24  # bytes
CONTD, TXMD = 1, 2  # XDP_PKT_CONTD, XDP_TX_METADATA: linux/if_xdp.h
CHECKSUM = 2  # XDP_TXMD_FLAGS_CHECKSUM
MAX_FRAGMENTS = 17  # CONFIG_MAX_SKB_FRAGS
FILLING = 0xA5  # where no frame stands
AT = 64  # of a frame in its chunk: behind room for metadata
SIZE = 64
U64 = 1 << 64


class Rogue:
    """A program that is stopped, and whose socket and memory are in the hands of this test."""

    def __init__(self, w, name, *features):
        words = [word for choice in features for word in ("--feature", choice)]
        self.w, self.sent, self.refused = w, 0, 0
        self.program = w.start_ready([TESTS + "/choosing_echo", "--rule", "flow-type udp4 dst-port 4242 action 0",
                                      *words], name, drop=True)
        os.kill(self.program.pid, signal.SIGSTOP)
        lease = next(one for one in w.qsplit("lease", "list")["leases"] if one["pid"] == self.program.pid)
        self.queue = lease["tx_queues"][0]
        self.sock, self.memory = socket_of(self.program), memory_of(self.program)
        self.tx, self.completion = Ring(self.sock, "tx"), Ring(self.sock, "completion")
        self.memory[:] = bytes([FILLING]) * len(self.memory)

    def frame(self, number):
        """The bytes of a frame like no other, and where they stand."""
        content = mac_bytes(self.w.peer_mac) + mac_bytes(self.w.mac) + b"\x88\xb5rogue" + struct.pack("!I", number)
        content = content.ljust(SIZE, bytes([FILLING]))
        at = number % 64 * CHUNK + AT
        self.memory[at:at + SIZE] = content
        return content, at

    def post(self, *descriptors):
        """(address, length, options) each."""
        at = self.tx.get("producer")
        for number, (address, length, options) in enumerate(descriptors):
            self.tx.write(at + number, struct.pack("QII", address % U64, length, options))
        self.tx.set("producer", at + len(descriptors))

    def tell(self):
        """Until the kernel has taken what is posted, or takes no more. What sendto said last."""
        for _ in range(200):
            before = self.tx.get("consumer")
            said = told(self.sock)
            self.completion.set("consumer", self.completion.get("producer"))
            if self.tx.get("consumer") == self.tx.get("producer"):
                return ""
            if said not in ("", "EAGAIN") and self.tx.get("consumer") == before:
                return said
        return "EAGAIN"

    def between(self, what, *wrong):
        """Posts it between two frames: of all these, the two leave."""
        first, last = self.frame(self.sent), self.frame(self.sent + 1)
        self.sent += 2
        self.post((first[1], SIZE, 0), *wrong, (last[1], SIZE, 0))
        said = self.tell()
        frames = self.w.wire.receive(of_rogue, 2)
        held(f"{what}: nothing leaves but what is before and behind it",
             not said and frames == [first[0], last[0]], (said, frames))

    def stuck(self, what, wrong):
        """Likewise, where the kernel gives one back to whoever posted it: what is behind it waits until it is mended."""
        first, mended, last = (self.frame(self.sent + number) for number in range(3))
        self.sent += 3
        at = self.tx.get("producer")
        self.post((first[1], SIZE, 0), wrong, (last[1], SIZE, 0))
        said = self.tell()
        frames = self.w.wire.receive(of_rogue, 1)
        held(f"{what}: sendto fails, and nothing leaves but what is before it",
             said == "EINVAL" and frames == [first[0]], (said, frames))
        ring = self.found("transmit ring")
        held(f"{what}: queue why says that packets wait, and what sendto says",
             "2 of" in ring["finding"] and "EINVAL" in ring["remedy"], ring)
        self.tx.write(at + 1, struct.pack("QII", mended[1], SIZE, 0))
        said = self.tell()
        frames = self.w.wire.receive(of_rogue, 2)
        held(f"{what}: it harms nothing else", not said and frames == [mended[0], last[0]], (said, frames))

    def why(self):
        return self.w.qsplit("queue", "why", "eth", str(self.queue), "--tx")

    def found(self, subject):
        return next(one for one in self.why()["checks"] if one["subject"] == subject)

    def looks(self, what):
        """Whoever looks at the queue is answered, and the daemon lives."""
        for words in (("queue", "why", "eth", str(self.queue), "--tx"),
                      ("queue", "dump", "eth", str(self.queue), "--tx", "--slots", "0-1"), ("stats", "show", "eth"),
                      ("lease", "list")):
            held(f"{what}: `qsplit {words[0]} {words[1]}` answers", bool(self.w.qsplit_text(*words)))
        held(f"{what}: the daemon lives", self.w.daemon.poll() is None)

    def end(self, what):
        """It dies, and the next program has its queue and sends."""
        self.program.kill()
        self.program.wait()
        for ring in (self.tx, self.completion):
            ring.close()
        self.sock.close()
        self.memory.close()
        after = self.w.responder("after", "10.88.0.11", 4343)
        lease = next(one for one in self.w.qsplit("lease", "list")["leases"] if one["pid"] == after.pid)
        held(f"{what}: the next program has its queue", lease["tx_queues"] == [self.queue], lease)
        self.w.udp(f"{what}: and answers on it", "10.88.0.11", 4343, queue=self.queue)
        after.terminate()
        after.wait(20)


def held(what, so, detail=""):
    """A check that is brief where it holds: there are hundreds."""
    check(what, so, "" if so else detail)


def of_rogue(frame):
    """Whatever is neither of the kernel's own nor of the other program's."""
    return frame[12:14] not in (b"\x08\x00", b"\x08\x06", b"\x86\xdd")


def common(rogue, end):
    """Wrong in every mode of the memory. `end`: its length."""
    good = rogue.frame(63)[1]
    wrong = {"behind the memory": (end, SIZE, 0), "from the memory out of it": (end - 32, SIZE, 0),
             "far behind the memory": (1 << 47, SIZE, 0), "the highest address": (U64 - 1, SIZE, 0),
             "over the end of all addresses": (U64 - 32, SIZE, 0), "no byte": (good, 0, 0),
             "more than a chunk": (good, CHUNK + 1, 0), "a length of 4 GiB": (good, 0xFFFFFFFF, 0),
             "unknown option bits": (good, SIZE, 0xFFFFFFFC), "one unknown option bit": (good, SIZE, 4)}
    for what, descriptor in wrong.items():
        rogue.between(what, descriptor)
        rogue.refused += 1
    rogue.between("all of them in a row", *wrong.values())
    rogue.refused += len(wrong)


def counted(rogue, name):
    finding = rogue.found("UMEM")["finding"]
    held(f"{name}: each is counted, and queue why says so", f"refused {rogue.refused} descriptors" in finding, finding)
    answer = rogue.why()["answer"]
    held(f"{name}: its first line says that the program is stopped, which it is", "is stopped" in answer, answer)


def chains(rogue):
    good = rogue.frame(63)[1]
    rogue.between("a packet whose second piece is nowhere", (good, SIZE, CONTD), (U64 - 1, SIZE, 0))
    rogue.between("a packet of more pieces than the kernel takes",
                  *[(good, SIZE, CONTD)] * (MAX_FRAGMENTS + 1), (good, SIZE, 0))


def endless(rogue, pieces):
    """The packet is never whole; the program dies over it."""
    rogue.post(*[(rogue.frame(63)[1], SIZE, CONTD)] * pieces)
    said = rogue.tell()
    frames = rogue.w.wire.receive(of_rogue, 0)
    held(f"{pieces} pieces of a packet without an end: none of it leaves", not said and not frames, (said, frames[:1]))
    rogue.looks(f"{pieces} pieces without an end")


def cells(rogue):
    """Indices of its own making, in cells that the kernel reads and in those that it writes."""
    for ring, cell in ((rogue.tx, "consumer"), (rogue.completion, "producer"), (rogue.completion, "consumer")):
        for garbage in (0xDEADBEEF, 0xFFFFFFFF, 0x80000000, 0):
            what = f"{garbage:#x} in the {ring.name} ring's {cell}"
            ring.set(cell, ring.get(cell) + garbage)
            rogue.looks(what)
            torn = rogue.found("transmit ring" if ring is rogue.tx else "completion ring")
            held(f"{what}: queue why tells it", garbage in (0, 0xFFFFFFFF) or "further apart" in torn["finding"], torn)
            rogue.between(what)
    # All that stands in the ring is wrong, so that whatever the kernel takes of it must not leave.
    for slot in range(rogue.tx.slots):
        rogue.tx.write(slot, struct.pack("QII", U64 - 1, SIZE, 0))
    for garbage in (0xDEADBEEF, 0x80000000, 0xFFFFFFFF):
        rogue.tx.set("producer", rogue.tx.get("consumer") + garbage)
        for _ in range(100):
            told(rogue.sock)
        rogue.looks(f"a transmit producer {garbage:#x} ahead")
        frames = rogue.w.wire.receive(of_rogue, 0)
        held(f"a transmit producer {garbage:#x} ahead: nothing leaves", not frames, frames[:1])
        finding = rogue.found("transmit ring")["finding"]
        held(f"a transmit producer {garbage:#x} ahead: queue why tells it", "further apart" in finding, finding)


def aligned(w):
    rogue = Rogue(w, "aligned", "Chunks=aligned", "Metadata=off")
    common(rogue, len(rogue.memory))
    rogue.between("from one chunk into the next", (2 * CHUNK - 32, SIZE, 0))
    rogue.refused += 1
    counted(rogue, "aligned chunks")
    rogue.stuck("metadata where the memory has no room for it", (rogue.frame(63)[1], SIZE, TXMD))
    chains(rogue)
    endless(rogue, 2 * MAX_FRAGMENTS)
    rogue.end("an endless packet")
    rogue = Rogue(w, "cells", "Chunks=aligned", "Metadata=off")
    cells(rogue)
    rogue.end("wrong indices")


def unaligned(w):
    rogue = Rogue(w, "unaligned", "Chunks=unaligned", "Metadata=off")
    end = len(rogue.memory)
    common(rogue, end)
    for what, address in (("an offset that leads out of the memory", end - CHUNK | CHUNK << 48),
                          ("the largest offset", end - CHUNK | 0xFFFF << 48)):
        rogue.between(what, (address, SIZE, 0))
        rogue.refused += 1
    counted(rogue, "unaligned chunks")
    chains(rogue)
    endless(rogue, 5)
    rogue.end("unaligned chunks")


def metadata(w):
    try:
        rogue = Rogue(w, "metadata", "Chunks=aligned", "Metadata=on")
    except NotReady as refused:
        # Linux before 6.11.
        held("what the kernel lacks is refused by name", "etadata" in refused.log, refused.log)
        return
    common(rogue, len(rogue.memory))
    for what, address in (("no room for metadata in the chunk", 3 * CHUNK + METADATA - 1),
                          ("no room for metadata in the memory", METADATA - 1), ("metadata before the memory", 0)):
        rogue.between(what, (address, SIZE, TXMD))
        rogue.refused += 1
    counted(rogue, "memory with metadata")
    at = rogue.frame(63)[1]
    for what, flags, start, offset in (("unknown flags", 0xFFFFFFFFFFFFFFF8, 0, 0), ("one unknown flag", 1 << 63, 0, 0),
                                       ("a checksum behind the packet", CHECKSUM, SIZE, 0),
                                       ("a checksum that is cut off", CHECKSUM, 0, SIZE - 1),
                                       ("a checksum of 64 KiB", CHECKSUM, 0xFFFF, 0xFFFF)):
        rogue.memory[at - METADATA:at] = struct.pack("QHHIQ", flags, start, offset, 0, 0)
        rogue.stuck("metadata: " + what, (at, SIZE, TXMD))
    rogue.looks("metadata")
    rogue.end("metadata")


need_root()
need_tools("ping", "setpriv", "taskset")
w = VethWorld(queues=2)
w.peer_mac, w.wire = w.mac_of(w.world, w.peer), Wire(w.world, w.peer)
w.responder("other", "10.88.0.10", 4444)
ping = w.start(w.pinned(0, "ping", "-i", "0.01", "10.88.0.10"), "ping", netns=w.world)
aligned(w)
unaligned(w)
metadata(w)
ping.send_signal(signal.SIGINT)
ping.wait(20)
# What is sent behind the last one that was answered is under way.
answered = {int(number) for number in re.findall(r"icmp_seq=(\d+)", w.log("ping"))}
lost = set(range(1, max(answered, default=0) + 1)) - answered
check("meanwhile the other program received and sent, and lost nothing", len(answered) > 100 and not lost,
      f"{len(answered)} pings answered, not those of {sorted(lost)[:5]}")
w.ping("and so did the kernel's stack", "10.88.0.2", queue=1, count=20)
w.daemon.send_signal(signal.SIGTERM)
check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
finish()
