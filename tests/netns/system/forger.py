#!/usr/bin/env python3
"""forger: a tenant whose source addresses are checked answers the kernel; what it forges never gets there.

The same program sends under three policies. A packet socket at the other end of the wire says what came out.
"""
import os
import select
import subprocess
import time

from world import MAC, NOBODY, World, check, finish, need_root, wait_until

OWN, FORGED, FORGED_MAC = "10.99.0.10", "10.99.0.77", "02:00:00:00:00:77"
COUNT = 50
SOURCES = f'source_mac = ["{MAC}"]\nsource_ip = ["{OWN}/32"]\n'
LISTEN = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 0))
print("up", flush=True)
while True:
    frame, where = s.recvfrom(2048)
    if where[2] != socket.PACKET_OUTGOING and frame[12:14] == b"\\x08\\0" and frame[23] == 17:
        print(frame[6:12].hex(":"), socket.inet_ntoa(frame[26:30]), flush=True)
"""


class ForgerWorld(World):
    def command(self, *more):
        return [os.environ["QSPLIT_BIN_DIR"] + "/qsplit-generate", "--runtime-dir", self.run, "--device", "nic0",
                "--dst-ip", "10.99.0.1", "--dst-mac", "02:00:00:00:00:55", "--size", "100", *more]

    def arrives(self, due, *more):
        """Runs `generate` as nobody; how it ended, and the set of sources that came out, with their count, of which
        `due` are to."""
        listener = self.start(["python3", "-c", LISTEN, self.tap], "listener", netns=self.world,
                              stdout=subprocess.PIPE, bufsize=0)
        assert listener.stdout.readline() == b"up\n"
        done = subprocess.run([*NOBODY, *self.command("--count", str(COUNT), *more)], capture_output=True, text=True,
                              timeout=20)
        # What is to come has so long, what is not to come has less.
        lines, end = "", time.monotonic() + (20 if due else 0.3)
        while lines.count("\n") < (due or 1) and select.select(
                [listener.stdout], [], [], max(0, end - time.monotonic()))[0]:
            lines += os.read(listener.stdout.fileno(), 65536).decode()
        time.sleep(0.1)  # for more than are due
        listener.terminate()
        seen = (lines + listener.communicate()[0].decode()).splitlines()
        return done, {tuple(line.split()) for line in seen}, len(seen)

    def policy(self, keys):
        self.configure(f'{self.device_text(None, "")}{self.tenant}steer = "any"\n{keys}')
        self.qsplit("policy", "reload")


def drops(world):
    queues = world.qsplit("stats", "show", "nic0")["stats"]["queues"]
    return sum(int(queue["drops_source"]) for queue in queues if queue["transmit"])


def main():
    need_root()
    w = ForgerWorld(steer=f'"any"\n{SOURCES}')
    w.responder("honest", OWN, 4242)
    w.ping("an honest program answers ping", OWN)
    w.udp("and UDP, every datagram", OWN, 4242)
    lease = w.qsplit("lease", "list")["leases"][0]
    check("its lease says that its sources are checked", lease["source_check"] == "SOURCE_CHECK_ENFORCED")
    done, sources, count = w.arrives(COUNT, "--src-ip", OWN)
    check("datagrams from its own addresses all come out", (sources, count) == ({(MAC, OWN)}, COUNT),
          (done.stderr, sources, count))
    forgeries = (("IP", "--src-ip", FORGED), ("MAC", "--src-ip", OWN, "--src-mac", FORGED_MAC),
                 ("IP behind a VLAN tag", "--src-ip", FORGED, "--vlan", "5"))
    for what, *words in forgeries:
        done, _, count = w.arrives(0, *words)
        check(f"with a forged {what} none does, and the program is none the wiser", (done.returncode, count) == (0, 0),
              (done.stderr, count))
    forger = w.start(w.command("--src-ip", FORGED, "--rate", "1000"), "forger", drop=True)
    check("they are counted", wait_until(lambda: drops(w) > 100))
    check("and the honest one lost none", drops(w) > 0 and w.try_in(w.world, "ping", "-q", "-c", "20", "-i", "0.01",
                                                                    "-W", "2", OWN)[0])
    forger.terminate()
    forger.wait(20)

    w.policy("")
    for what, *words in forgeries:
        _, sources, count = w.arrives(COUNT, *words)
        check(f"without a check a forged {what} does come out", count == COUNT, (sources, count))
    w.policy("may_transmit = false\n")
    done, _, count = w.arrives(0, "--src-ip", OWN)
    check("without transmission there is no transmit queue", (done.returncode, count) == (1, 0) and
          "may_transmit" in done.stderr, (done.stderr, count))
    w.ping("what was leased before stays leased", OWN)
    finish()


if __name__ == "__main__":
    main()
