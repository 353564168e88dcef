#!/usr/bin/env python3
"""iperf3 talks to the kernel's stack in both directions over a netdev whose queues are leased and given back all the
while, by programs that end well and by programs that are killed: no connection is lost, none stands still."""
import json
import signal
import subprocess

from veth_world import VethWorld, check, finish, need_root, need_tools, wait_until

LEASES = 20
SECONDS = 6
INTERVAL = 0.5
BITS_PER_SECOND = 200_000_000  # in each direction: iperf3 without a limit leaves nobody else a processor


def iperf(w, name, meanwhile=lambda w: None):
    """What iperf3 says of both directions, and what `meanwhile` returns."""
    server = w.start(["iperf3", "-s", "-1"], name + "-server", netns=w.host)
    wait_until(lambda: w.try_in(w.host, "ss", "-Hltn", "sport = :5201")[1], 5)
    client = w.start(["iperf3", "-c", "10.88.0.2", "--bidir", "-t", str(SECONDS), "-i", str(INTERVAL), "-b",
                      str(BITS_PER_SECOND), "-J"], name, netns=w.world, stdout=open(f"{w.dir}/{name}.json", "wb"))
    result = meanwhile(w)
    check(f"{name}: leases end before iperf3 does", client.poll() is None)
    ended = client.wait(SECONDS + 10), server.wait(10)
    with open(f"{w.dir}/{name}.json") as file:
        said = json.load(file)
    check(f"{name}: both ends of iperf3 end in status 0", ended == (0, 0) and "error" not in said,
          said.get("error", w.log(name + "-server")[-300:]))
    ends = said["end"]
    intervals = said["intervals"]
    due = BITS_PER_SECOND / 8 * SECONDS
    for direction, one, end in (("to the kernel", "sum", "sum_received"), ("from the kernel", "sum_bidir_reverse", "sum_received_bidir_reverse")):
        slowest = min(interval[one]["bytes"] for interval in intervals)
        check(f"{name}: {direction}, no interval of {INTERVAL} s without bytes",
              len(intervals) >= SECONDS / INTERVAL and slowest > 0, f"{slowest} bytes in the slowest of {len(intervals)}")
        check(f"{name}: {direction}, all that was to go", ends[end]["bytes"] > 0.95 * due, f"{ends[end]['bytes']} of {due:.0f}")
    return ends["sum_sent"]["retransmits"] + ends["sum_sent_bidir_reverse"]["retransmits"], result


def leases(w):
    """How many programs leased queues and were reached."""
    reached = 0
    for number in range(LEASES):
        client = w.responder("client", "10.88.0.10", 4242, "--queues", str(1 + number % 2))
        reached += w.try_in(w.world, *w.pinned(0, "ping", "-q", "-c", "5", "-i", "0.002", "-W", "2", "10.88.0.10"))[0]
        if number % 3:
            client.send_signal(signal.SIGTERM)
        else:
            client.kill()
        client.wait(5)
    return reached


need_root()
need_tools("ping", "setpriv", "taskset", "iperf3", "ss")
w = VethWorld(queues=2)
before, _ = iperf(w, "before")
during, reached = iperf(w, "during", leases)
check(f"{LEASES} programs leased queues meanwhile, and all answered ping", reached == LEASES, reached)
check("no more was sent again than before", during <= before, f"{during} segments, {before} before")
w.daemon.send_signal(signal.SIGTERM)
check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
finish()
