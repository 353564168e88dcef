#!/usr/bin/env python3
"""Sending needs policy's grant; without it a lease receives. `queue why` says what keeps a queue empty, and
`queue dump` decodes its rings."""
import os
import signal
import subprocess

from veth_world import BIN, NOBODY, VethWorld, check, finish, need_root, need_tools, wait_until


def verdicts(w):
    answer = w.qsplit("queue", "why", "eth", "0")
    return answer["answer"], {c["subject"]: (c["verdict"].rsplit("_", 1)[1], c["finding"]) for c in answer["checks"]}


class Receiving(VethWorld):
    tenant = """
[[tenant]]
name = "nobody"
uids = [65534]
"""


def without_a_grant(w):
    done = subprocess.run([*NOBODY, BIN + "/qsplit-responder", "--runtime-dir", w.run, "--device", "eth", "--ip",
                           "10.88.0.10"], capture_output=True, text=True, timeout=20)
    check("transmit queues are refused without a grant", done.returncode == 1 and "may_transmit" in done.stderr,
          done.stderr)
    answer, _ = verdicts(w)
    check("queue why: nobody has leased it", "no lease holds receive queue 0" in answer, answer)
    capture = w.start_ready([BIN + "/qsplit-capture", "--device", "eth", "--write", "/dev/null", "--rule",
                             "flow-type udp4 dst-port 4242 action 0"], "capture", drop=True)
    w.try_in(w.world, "python3", "-c", """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(100): s.sendto(bytes(64), ("10.88.0.2", 4242))
""")
    lease = w.qsplit("lease", "list")["leases"][0]
    check("a lease that only receives is granted", lease.get("rx_queues") and not lease.get("tx_queues"), lease)
    def received(answer):
        return answer.startswith("nothing is wrong: ") and " 100 before" in answer
    check("it receives, and nothing comes now", wait_until(lambda: received(verdicts(w)[0]), 20), verdicts(w))
    return capture


def send(w, count):
    w.try_in(w.world, "python3", "-c", f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range({count}): s.sendto(bytes(64), ("10.88.0.2", 4242))
""")


def stop(program):
    """Until it stands still, which takes a CPU that is free for it."""
    program.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, program.pid, os.WSTOPPED | os.WNOWAIT)


def hangs_with_few(w, capture):
    """Its ring is far from full."""
    stop(capture)
    send(w, 20)
    answer, checks = verdicts(w)
    check("queue why: the program's process is stopped",
          "does not run: its process is stopped" in answer and f"`kill -CONT {capture.pid}`" in answer, answer)
    check("and packets wait for it", checks["program"][0] == "WRONG" and
          checks["program"][1].startswith("20 packets wait in its ring, and it has taken none for"), checks)
    capture.send_signal(signal.SIGCONT)
    check("which takes them then", wait_until(lambda: " 120 before" in verdicts(w)[0], 20), verdicts(w))


def outdone(w):
    """An operator's rule takes all that the program's would."""
    rule = w.qsplit("rule", "add", "eth", "flow-type", "ip4", "action", "pass", "loc", "0")
    send(w, 10)
    answer, checks = verdicts(w)
    check("queue why: another rule takes the packets", "rule 0 (10 packets), which passes" in answer and
          "nothing is left for the queue" in answer, (answer, checks, rule))
    w.qsplit("rule", "del", "eth", "0")
    check("and no longer", wait_until(lambda: verdicts(w)[0].startswith("nothing is wrong"), 20), verdicts(w))


def tagged():
    """A rule by a VLAN tag, which this netdev takes off what it receives."""
    w = Receiving(queues=1)
    capture = w.start_ready([BIN + "/qsplit-capture", "--device", "eth", "--write", "/dev/null", "--rule",
                             "flow-type udp4 vlan 5 m 0xf000 action 0"], "tagged", drop=True)
    answer, _ = verdicts(w)
    check("queue why: the NIC takes the rule's tag off, and how it leaves it", "the NIC takes tags off" in answer and
          f"`ethtool -K {w.dev} rxvlan off`" in answer, answer)
    w.call("ip", "netns", "exec", w.host, "ethtool", "-K", w.dev, "rxvlan", "off")
    check("and when it leaves it, no longer", "tags" not in verdicts(w)[0], verdicts(w)[0])
    capture.send_signal(signal.SIGTERM)
    capture.wait(5)
    w.close()
    w.daemon = None


def elsewhere():
    """The packets arrive at a queue that the lease does not hold."""
    w = VethWorld(queues=2)
    client = w.responder("client", "10.88.0.10", 4242)
    w.ping("ping to its queue", "10.88.0.10", queue=0, count=5)
    w.try_in(w.world, *w.pinned(1, "ping", "-q", "-c", "5", "-i", "0.01", "-W", "1", "10.88.0.10"))
    answer, checks = verdicts(w)
    check("queue why: packets arrive at another queue",
          answer.startswith("no packet came in") and "arrived at a queue that it does not hold" in answer,
          (answer, checks))
    client.send_signal(signal.SIGTERM)
    client.wait(20)


def stopped(w, capture):
    stop(capture)
    w.try_in(w.world, "python3", "-c", """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(5000): s.sendto(bytes(64), ("10.88.0.2", 4242))
""")
    answer, checks = verdicts(w)
    check("queue why: a program that hangs is what is wrong", "its process is stopped" in answer and
          "WRONG" in (checks["fill ring"][0], checks["receive ring"][0]), (answer, checks))
    dump = w.qsplit_text("queue", "dump", "eth", "0", "--slots", "0-3")
    check("queue dump decodes its rings", all(word in dump for word in ("fill", "packets", "address", "length")), dump)
    capture.send_signal(signal.SIGCONT)
    check("and it goes on", wait_until(lambda: verdicts(w)[0].startswith("nothing is wrong"), 20), verdicts(w))


def detached(w):
    """Somebody takes the program off the netdev by force."""
    w.detach_program()
    check("queue why: the program is gone from the netdev", "somebody has detached it" in verdicts(w)[0], verdicts(w))


def down(w):
    w.call("ip", "-n", w.host, "link", "set", w.dev, "down")
    check("queue why: the netdev is down", wait_until(lambda: "is down; `ip link set" in verdicts(w)[0], 20), verdicts(w))
    w.call("ip", "-n", w.host, "link", "set", w.dev, "up")
    check("and up again", wait_until(lambda: "is down" not in verdicts(w)[0], 20), verdicts(w))


need_root()
need_tools("ping", "setpriv", "taskset", "bpftool")
w = Receiving(queues=1)
capture = without_a_grant(w)
hangs_with_few(w, capture)
outdone(w)
stopped(w, capture)
down(w)
detached(w)
capture.send_signal(signal.SIGTERM)
check("the program ends in status 0", capture.wait(20) == 0, w.log("capture"))
w.close()
w.daemon = None
tagged()
if os.cpu_count() > 1:
    elsewhere()
finish()
