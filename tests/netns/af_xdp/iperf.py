#!/usr/bin/env python3
"""iperf3 talks to the kernel's stack, both ways, over the queue of a netdev that is leased and given back all the
while, by programs that end well and by programs that are killed: no connection is lost, none stands still."""
import json
import math
import signal
import time

from veth_world import VethWorld, check, finish, need_root, need_tools, wait_until

LEASES = 20  # at least
SECONDS = 5  # at least
INTERVAL = 0.5
BITS_PER_SECOND = 200_000_000  # each way; without a limit iperf3 leaves nobody else a processor
SEGMENT_BYTES = 1448


class Iperf:
    """One run of both its ends."""

    def __init__(self, w, name, seconds):
        self.name, self.seconds, self.file = name, seconds, f"{w.dir}/{name}.json"
        self.server = w.start(["iperf3", "-s", "-1"], name + "-server", netns=w.host)
        wait_until(lambda: w.try_in(w.host, "ss", "-Hltn", "sport = :5201")[1], 5)
        words = ["iperf3", "-c", "10.88.0.2", "--bidir", "-J", "-t", seconds, "-i", INTERVAL, "-b", BITS_PER_SECOND]
        self.client = w.start(w.pinned(0, *map(str, words)), name, netns=w.world, stdout=open(self.file, "wb"))

    def runs(self):
        return self.client.poll() is None

    def checked(self):
        """The part of the segments that was sent again."""
        ended = self.client.wait(self.seconds + 20), self.server.wait(20)
        with open(self.file) as file:
            said = json.load(file)
        check(f"{self.name}: both ends of iperf3 end in status 0", ended == (0, 0), said.get("error", ""))
        end, intervals = said["end"], said["intervals"]
        due = BITS_PER_SECOND / 8 * self.seconds
        for way, suffix in (("to the kernel", ""), ("from the kernel", "_bidir_reverse")):
            slowest = min(interval["sum" + suffix]["bytes"] for interval in intervals)
            check(f"{self.name}: {way}, none of its intervals of {INTERVAL} s is without bytes",
                  len(intervals) >= self.seconds / INTERVAL and slowest > 0,
                  f"{slowest} at the slowest of {len(intervals)}")
            received = end["sum_received" + suffix]["bytes"]
            check(f"{self.name}: {way}, all that was to go went", received > 0.95 * due, f"{received / due:.3f}")
        sent = [end["sum_sent" + suffix] for suffix in ("", "_bidir_reverse")]
        again, segments = sum(way["retransmits"] for way in sent), sum(way["bytes"] for way in sent) / SEGMENT_BYTES
        print(f"  {self.name}: {again} of {segments:.0f} segments were sent again")
        return again / segments


def leases(w, more):
    """Leases come and go while more(gone so far): how many did, and in how many a program answered."""
    gone = answered = 0
    while more(gone):
        client = w.responder("client", "10.88.0.10", 4242, "--queues", str(1 + gone % 2))
        answered += w.try_in(w.world, *w.pinned(0, "ping", "-q", "-c", "5", "-i", "0.002", "-W", "2", "10.88.0.10"))[0]
        if gone % 3:
            client.kill()
        else:
            client.send_signal(signal.SIGTERM)
        client.wait(5)
        gone += 1
    return gone, answered


need_root()
need_tools("ping", "setpriv", "taskset", "iperf3", "ss")
w = VethWorld(queues=2)
again_before = Iperf(w, "before", SECONDS).checked()
# How long so many leases take is the machine's affair.
begin = time.monotonic()
leases(w, lambda gone: gone < 3)
seconds = max(SECONDS, math.ceil((time.monotonic() - begin) / 3 * LEASES * 2))
iperf = Iperf(w, "meanwhile", seconds)
gone, answered = leases(w, lambda _: iperf.runs())
again = iperf.checked()
check(f"{LEASES} leases and more came and went meanwhile", gone >= LEASES, gone)
check("and in each a program answered", answered == gone, answered)
# The veth's ring overflows now and then on a busy machine, with leases and without.
check("hardly more was sent again than before", again <= again_before + 0.001,
      f"{again:.6f} of all, {again_before:.6f} before")
w.daemon.send_signal(signal.SIGTERM)
check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
finish()
