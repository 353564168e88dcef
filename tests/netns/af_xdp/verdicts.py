#!/usr/bin/env python3
"""What operators' rules do with packets of the wire: they pass them to the kernel, drop them, or send them back with
their two MAC addresses exchanged and nothing else, before any rule of a lease, and count each under its rule. A client's
own rule may send back where policy lets it transmit."""
import struct
import subprocess

from veth_world import BIN, NOBODY, System, VethWorld, check, finish, need_root, need_tools, wait_until
from wire import Wire, udp4, udp6

REFLECT, REFLECT6, PASS, DROP, TAKEN = 7, 77, 8, 9, 10  # ports
COUNT = 20  # frames of a kind


class Unable(VethWorld):
    """Its tenant may only receive."""

    tenant = """
[[tenant]]
name = "nobody"
uids = [65534]
"""


def frames_to(w, port):
    """Frames for a rule by IPv4 port: plain, tagged, behind options, as long as the MTU. Each is unlike any other."""
    kinds = ((40, {}), (40, {"tag": struct.pack("!HH", 0x8100, 3 << 13 | 5)}), (40, {"options": b"\x01" * 40}),
             (1500 - 28, {}))
    return [udp4(w.mac, w.peer_mac, port, (b"verdict" + struct.pack("!BHI", kind, port, number)).ljust(size, b"."), **more)
            for number in range(COUNT) for kind, (size, more) in enumerate(kinds)]


def frames6(w):
    """Behind a hop-by-hop and a destination options header."""
    headers = bytes([60, 0, 1, 4, 0, 0, 0, 0]) + bytes([17, 0, 1, 4, 0, 0, 0, 0])
    return [udp6(w.mac, w.peer_mac, REFLECT6, b"verdict" + struct.pack("!I", number) * 8, headers, 0)
            for number in range(COUNT)]


def turned(frame):
    return frame[6:12] + frame[:6] + frame[12:]


def ours(frame):
    """Not the host's "port unreachable", which quotes what it is about."""
    icmp = frame[12:14] == b"\x08\x00" and frame[23] == 1
    return b"verdict" in frame and not icmp


def rules(w):
    return {rule.get("location", 0): (int(rule.get("packets", 0)), int(rule.get("bytes", 0)))
            for rule in w.qsplit("rule", "list", "eth")["rules"]}


def reasons(w):
    stats = w.qsplit("stats", "show", "eth")["stats"]
    more = {one["name"]: int(one.get("value", 0)) for one in stats["more"]}
    return {"passed": more["xdp_passed_by_rule"], "back": more["xdp_sent_back"], "taken": more["xdp_redirected"],
            "dropped": int(stats.get("drops_rule", 0))}


def meets(w, what, frames, location, verdict):
    """Sends frames that a rule takes; what came back to the sender, and what the host's kernel had of them."""
    rules_before, reasons_before = rules(w), reasons(w)
    def counted():
        return {place: (packets - rules_before[place][0], size - rules_before[place][1])
                for place, (packets, size) in rules(w).items()}

    w.at_peer.send(frames)
    due = {place: (len(frames), sum(map(len, frames))) if place == location else (0, 0) for place in rules_before}
    wait_until(lambda: counted() == due, 20)  # from then on none of them is still to come
    back = w.at_peer.receive(ours, len(frames) if verdict == "back" else 0)
    passed = w.at_dev.receive(ours, len(frames) if verdict == "passed" else 0)
    check(f"{what}: counted, packets and bytes, under its rule alone", counted() == due, counted())
    now = reasons(w)
    grown = {name: now[name] - reasons_before[name] for name in now}
    check(f"{what}: and by what became of them", grown == {name: len(frames) * (name == verdict) for name in grown},
          grown)
    return back, passed


def operators_rules(w):
    lease = w.responder("lease", "10.88.0.10", TAKEN, "--rule", "flow-type udp4 action 0")
    for location, words in enumerate((f"udp4 dst-port {REFLECT} action reflect", f"udp6 dst-port {REFLECT6} action reflect",
                                      f"udp4 dst-port {PASS} action pass", f"udp4 dst-port {DROP} action -1")):
        w.qsplit("rule", "add", "eth", "flow-type", *words.split(), "loc", str(location))
    for what, frames, location in (("reflect", frames_to(w, REFLECT), 0), ("reflect, IPv6", frames6(w), 1)):
        back, passed = meets(w, what, frames, location, "back")
        check(f"{what}: every frame comes back, its MAC addresses exchanged and nothing else",
              back == [turned(frame) for frame in frames], (len(back), back[:1]))
        check(f"{what}: the host's kernel has none", not passed, passed[:1])
    frames = frames_to(w, PASS)
    back, passed = meets(w, "pass", frames, 2, "passed")
    check("pass: the host's kernel has every frame as it was sent, and nobody else", passed == frames and not back,
          (len(passed), passed[:1]))
    back, passed = meets(w, "drop", frames_to(w, DROP), 3, "dropped")
    check("drop: nobody has them", not back and not passed, (back[:1], passed[:1]))
    place = next(rule["location"] for rule in w.qsplit("rule", "list", "eth")["rules"]
                 if set(rule["match"]) == {"flow_type"})
    back, passed = meets(w, "no operator's rule", frames_to(w, REFLECT6), place, "taken")
    check("no operator's rule: the lease has them, and nobody else", not back and not passed, (back[:1], passed[:1]))
    for location in range(4):
        w.qsplit("rule", "del", "eth", str(location))
    back, passed = meets(w, "a rule that is removed", frames_to(w, REFLECT), place, "taken")
    check("a rule that is removed: sends nothing back", not back and not passed, (back[:1], passed[:1]))
    lease.terminate()
    lease.wait(20)


def clients_rule(w):
    capture = w.start_ready([BIN + "/qsplit-capture", "--device", "eth", "--write", "/dev/null", "--rule",
                             f"flow-type udp4 dst-port {REFLECT} action reflect"], "capture", drop=True)
    frames = frames_to(w, REFLECT)
    back, _ = meets(w, "a client's reflect", frames, max(rules(w)), "back")
    check("a client's reflect: every frame comes back", back == [turned(frame) for frame in frames], (len(back), back[:1]))
    capture.kill()
    capture.wait(20)
    check("and it dies with its program", wait_until(lambda: not rules(w), 20), rules(w))
    w.at_peer.send(frames)
    back = w.at_peer.receive(ours, 0)
    check("so that nothing comes back", not back, back[:1])


def refused():
    w = Unable(queues=1)
    done = subprocess.run([*NOBODY, BIN + "/qsplit-capture", "--runtime-dir", w.run, "--device", "eth", "--write",
                           "/dev/null", "--rule", f"flow-type udp4 dst-port {REFLECT} action reflect"],
                          capture_output=True, text=True, timeout=20)
    check("without the grant a client's reflect is refused, and policy's key named",
          done.returncode == 1 and "may_transmit" in done.stderr, done.stderr)
    w.close()
    w.daemon = None


def taking(w):
    """A daemon at the other end, for its XDP program alone: veth leaves what is sent back lying where there is none."""
    other = System()
    other.netns = w.world
    other.configure(f'[[device]]\nname = "peer"\nbackend = "af_xdp"\nnetdev = "{w.peer}"\n')
    other.start_daemon()
    return other


need_root()
need_tools("setpriv")
w = VethWorld(queues=1)
other = taking(w)
w.peer_mac = w.mac_of(w.world, w.peer)
w.at_peer, w.at_dev = Wire(w.world, w.peer), Wire(w.host, w.dev)
operators_rules(w)
clients_rule(w)
w.daemon.terminate()
check("qsplitd ends in status 0", w.daemon.wait(20) == 0, w.log("qsplitd")[-500:])
w.close()
w.daemon = None
other.close()
other.daemon = None
refused()
finish()
