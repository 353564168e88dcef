#!/usr/bin/env python3
"""How many packets of 64 bytes a second pass between a program and a netdev: through a qsplit lease, and through
what else there is on the same kernel. As root.

    throughput.py [--quick] [--runs N] [--seconds S] [--ways A,B] [--direction D] [--json FILE] [--rows]

One veth pair between two namespaces carries all of it. The program under test has processor 0 to itself, the
other end processor 1; each run begins with a netdev that nobody has a program or socket on.

    receive   throughput_flood, on processor 1, sends as fast as the kernel can; the program counts what it got,
              payload looked at
    send      the program sends as fast as it can; the other end's count of received packets is taken, and its
              kernel drops them (their MAC address is nobody's)

Ways take turns, and who begins changes from round to round, so that a slow spell of the machine meets all of them.
Prints a table with medians, or with --rows what scripts/bench makes its table of. Exit status 77: cannot run here.
"""
import argparse
import datetime
import json
import os
import platform
import re
import select
import shutil
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["QSPLIT_SOURCE_DIR"], "tests/netns/af_xdp"))

from veth_world import VethWorld, need_root, need_tools, skip, wait_until  # noqa: E402

BENCH = os.path.join(os.environ["QSPLIT_BINARY_DIR"], "bench")
PROGRAM_CPU, OTHER_CPU = 0, 1
WARMING_SECONDS = 0.3
SETTLING_SECONDS = 0.2  # after a run: the kernel frees a queue some 30 ms after its socket has gone
ADDRESS = "10.88.0.10/32"  # the packets'; the netdev has it for the UDP socket alone
WAYS = {
    "qsplit": "qsplit lease, uid 65534 without a capability, a rule for one UDP port",
    "qsplit_queue": "qsplit lease, a rule for all packets",
    "qsplit_polling": "qsplit lease, device with busy_poll",
    "libxdp": "AF_XDP socket of libxdp, its own XDP program, for all packets",
    "libxdp_port": "AF_XDP socket of libxdp, a program for one UDP port written by hand",
    "libxdp_polling": "AF_XDP socket of libxdp, SO_PREFER_BUSY_POLL",
    "testpmd": "DPDK testpmd, net_af_xdp, busy polling as is its default",
    "tpacket3": "AF_PACKET, TPACKET_V3 ring",
    "udp": "UDP socket, recvmmsg and sendmmsg",
}
OURS = ("qsplit", "qsplit_queue", "qsplit_polling")
# What takes the same packets as a lease does: one port's, or all of a queue.
LIKE = {"qsplit": ("libxdp_port", "tpacket3", "udp"), "qsplit_queue": ("libxdp", "libxdp_polling", "testpmd")}


def directions(way):
    """Rules and polling are a receiver's."""
    return ["receive"] if "_" in way else ["receive", "send"]


def pinned(cpu, *argv):
    return ["taskset", "-c", str(cpu), *argv]


class Throughput(VethWorld):
    def __init__(self, seconds):
        # The netdev's queue of a packet is the sending processor's number.
        super().__init__(queues=2, start=False)
        self.seconds = seconds
        with open(self.dir + "/qsplitd.toml") as file:
            self.device = file.read()
        for netns, dev in ((self.world, self.peer), (self.host, self.dev)):
            self.try_in(netns, "ethtool", "-K", dev, "tx-checksumming", "on")
        # Frames that an XDP program redirects into a veth need NAPI at its other end, which XDP brings, or GRO.
        self.call("ip", "netns", "exec", self.host, "ethtool", "-K", self.dev, "gro", "on")
        self.call("ip", "-n", self.host, "neigh", "replace", "10.88.0.1", "lladdr", "02:00:00:00:00:99", "dev",
                  self.dev, "nud", "permanent")
        self.witness = self.start(["sleep", "infinity"], "witness", netns=self.world)

    def arrived(self):
        """Packets that the other end has received."""
        with open(f"/proc/{self.witness.pid}/net/dev") as file:
            return int(re.search(rf"{self.peer}: *\d+ +(\d+)", file.read())[1])

    def client(self, way, *words):
        program = self.start(
            pinned(PROGRAM_CPU, BENCH + "/throughput_client", way, words[0], self.dev, str(OTHER_CPU), self.run,
                   *words[1:]),
            "client", drop=way in OURS, netns=None if way in OURS else self.host, stdout=subprocess.PIPE,
            text=True)
        if program.stdout.readline() != "ready\n":
            raise RuntimeError(f"{way}, {words[0]}:\n" + self.log("client"))
        return program

    def testpmd(self, mode):
        """In its interactive mode, forwarding."""
        program = self.start(
            pinned(PROGRAM_CPU, "stdbuf", "-oL", "dpdk-testpmd", "--no-huge", "-m", "256", "--no-pci", "--iova-mode=va",
                   f"--lcores=0@{PROGRAM_CPU},1@{PROGRAM_CPU}", "--vdev",
                   f"net_af_xdp0,iface={self.dev},start_queue={OTHER_CPU},queue_count=1", "--", "-i",
                   f"--forward-mode={mode}", "--txpkts=60", "--rxd=2048", "--txd=2048", "--burst=64",
                   "--no-flush-rx", "--total-num-mbufs=16384"),
            "testpmd", netns=self.host, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.tell(program, "start", rb"packet forwarding - ports=1")
        return program

    def tell(self, program, word, answer):
        """Gives testpmd a command, and waits for what it prints."""
        program.stdin.write(word.encode() + b"\n")
        text, end = b"", time.monotonic() + 20
        while not (match := re.search(answer, text)):
            if not select.select([program.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise RuntimeError(f"testpmd does not answer '{word}':\n{text.decode(errors='replace')}")
            if not (more := os.read(program.stdout.fileno(), 65536)):
                raise RuntimeError(f"testpmd ended:\n{text.decode(errors='replace')}{self.log('testpmd')}")
            text += more
        return match

    def rate(self, count):
        """Packets a second, of a count that is asked for twice."""
        time.sleep(WARMING_SECONDS)
        before, begin = count(), time.monotonic()
        time.sleep(self.seconds)
        return (count() - before) / (time.monotonic() - begin)

    def flood(self):
        return self.start(pinned(OTHER_CPU, BENCH + "/throughput_flood", self.peer, self.mac), "flood",
                          netns=self.world, stdout=subprocess.PIPE, text=True)

    def end(self, program):
        program.send_signal(signal.SIGTERM)
        out = program.communicate(timeout=20)[0]
        if program.returncode:
            raise RuntimeError(f"{program.args} ended in status {program.returncode}")
        return out

    def quit_testpmd(self, program):
        program.communicate(b"stop\nquit\n", timeout=20)
        # It leaves the netdev promiscuous.
        self.call("ip", "-n", self.host, "link", "set", self.dev, "promisc", "off")

    def receive(self, way):
        """Packets received and offered, each a second."""
        if way == "testpmd":
            program = self.testpmd("rxonly")
            flood = self.flood()
            got = self.rate(lambda: int(self.tell(program, "show port stats 0", rb"RX-packets: (\d+)")[1]))
        else:
            program = self.client(way, "receive", str(self.seconds))
            flood = self.flood()
            out = program.communicate(timeout=30 + self.seconds)[0]
            if program.returncode:
                raise RuntimeError(f"{way}, receive:\n" + self.log("client"))
            got = int(out)
        offered, took = self.end(flood).split()
        if way == "testpmd":
            self.quit_testpmd(program)
        return got, int(offered) / float(took)

    def send(self, way):
        program = self.testpmd("txonly") if way == "testpmd" else self.client(way, "send")
        rate = self.rate(self.arrived)
        self.quit_testpmd(program) if way == "testpmd" else self.end(program)
        return rate, None

    def measure(self, direction, way):
        """One run, from a netdev that is nobody's to one that is nobody's again."""
        if way in OURS:
            self.start_qsplitd(polling=way == "qsplit_polling")
        elif way == "udp":
            self.call("ip", "-n", self.host, "addr", "add", ADDRESS, "dev", self.dev)
        result = getattr(self, direction)(way)
        if way in OURS:
            self.end(self.daemon)
        elif way == "udp":
            self.call("ip", "-n", self.host, "addr", "del", ADDRESS, "dev", self.dev)
        if not wait_until(lambda: "prog/xdp" not in self.link_facts(), 2):
            raise RuntimeError(f"after {way} an XDP program is left on the netdev:\n{self.link_facts()}")
        time.sleep(SETTLING_SECONDS)
        return result

    def start_qsplitd(self, polling):
        with open(self.dir + "/qsplitd.toml", "w") as file:
            file.write(re.sub("(?m)^netdev =", "busy_poll = 20\nnetdev =", self.device) if polling else self.device)
        self.start_daemon()

    def link_facts(self):
        return subprocess.run(["ip", "-n", self.host, "-d", "link", "show", self.dev], capture_output=True, text=True,
                              check=True).stdout


def take_turns(world, ways, wanted, runs):
    """(direction, way) -> list of (rate, offered)."""
    found = {(d, w): [] for d in wanted for w in ways if d in directions(w)}
    for run in range(runs):
        begin = run % len(ways)
        for way in ways[begin:] + ways[:begin]:
            for direction in (d for d in wanted if d in directions(way)):
                rate, offered = world.measure(direction, way)
                print(f"round {run + 1}, {direction}, {way}: {rate:,.0f} packets/s", file=sys.stderr)
                if rate < 1:
                    raise RuntimeError(f"{way}, {direction}: no packet arrived")
                found[direction, way].append((rate, offered))
    return found


def summary(found):
    rows = []
    for (direction, way), runs in found.items():
        rates = sorted(rate for rate, _ in runs)
        row = {"direction": direction, "way": way, "what": WAYS[way], "runs": len(runs),
               "median": round(statistics.median(rates)), "least": round(rates[0]), "most": round(rates[-1]),
               "all": [round(rate) for rate, _ in runs]}
        if direction == "receive":
            row["offered_median"] = round(statistics.median(offered for _, offered in runs))
        rows.append(row)
    for row in rows:
        ours = next(r["median"] for r in rows if r["direction"] == row["direction"] and r["way"] == "qsplit")
        row["qsplit_to_this"] = round(ours / row["median"], 3)
    return rows


def cpu_name():
    with open("/proc/cpuinfo") as file:
        found = re.search(r"^model name\s*: *(.*)$", file.read(), re.M)
    return found[1].strip() if found else platform.machine()


def how(row):
    ratio = "" if row["way"] in OURS else f"; qsplit has {row['qsplit_to_this']:.2f}x of it"
    offered = f"; {row['offered_median']:,} packets/s offered" if "offered_median" in row else ""
    return f"{row['runs']} runs of {row['least']:,} to {row['most']:,}{offered}{ratio}"


def against(row, rows):
    """A lease's row and that of the fastest other way that takes the same packets; None: there is none. Who sends, sends
    all."""
    like = LIKE.get(row["way"], ())
    others = [r for r in rows if r["direction"] == row["direction"] and
              (r["way"] in like if row["direction"] == "receive" else row["way"] in LIKE and r["way"] not in OURS)]
    return max(others, key=lambda r: r["median"], default=None)


def ratios(row, other):
    """Round by round."""
    return [ours / theirs for ours, theirs in zip(row["all"], other["all"])]


def target(row, rows):
    """Columns of scripts/bench: the ratio's median, what it is to be, its least and most."""
    best = against(row, rows)
    if not best:
        return []
    found = ratios(row, best)
    return [f"{statistics.median(found):.2f}", ">= 1", f"{min(found):.2f} to {max(found):.2f}"]


def verdicts(rows):
    """No slower than the fastest of the others."""
    for row in rows:
        if best := against(row, rows):
            ratio = statistics.median(ratios(row, best))
            yield (f"{row['direction']}: {row['way']} {row['median']:,} packets/s, fastest of its like ({best['way']}) "
                   f"{best['median']:,}: {ratio:.3f} round by round, target {'reached' if ratio >= 1 else 'missed'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="three short runs: to see that it works, not to quote")
    parser.add_argument("--runs", type=int, default=0, help="of each way and direction [7]")
    parser.add_argument("--seconds", type=float, default=0, help="of each run [1.5]")
    parser.add_argument("--ways", default="", help="some of " + ",".join(WAYS) + "; qsplit must be one [all]")
    parser.add_argument("--direction", choices=("receive", "send"), help="only this one [both]")
    parser.add_argument("--json", metavar="FILE", help="write the results there, too")
    parser.add_argument("--rows", action="store_true", help="print rows for scripts/bench instead of a table")
    options = parser.parse_args()
    need_root()
    need_tools("taskset", "setpriv", "ethtool")
    if not all(os.access(f"{BENCH}/{name}", os.X_OK) for name in ("throughput_client", "throughput_flood")):
        skip(f"throughput_client and throughput_flood are not in {BENCH}: build those targets")
    if os.cpu_count() < 2:
        skip("one processor: the program and the other end need one each")
    ways = options.ways.split(",") if options.ways else list(WAYS)
    if not set(ways) <= set(WAYS) or "qsplit" not in ways:
        parser.error(f"--ways {options.ways}: qsplit, and any of {', '.join(WAYS)}")
    if "testpmd" in ways and not shutil.which("dpdk-testpmd"):
        print("SKIPPED: dpdk-testpmd is not installed (package dpdk-dev): throughput is measured without it.",
              file=sys.stderr)
        ways.remove("testpmd")
    load = os.getloadavg()[0]
    if load > 0.5 and not options.rows:  # scripts/bench tells its own
        print(f"throughput: load {load:.2f} at the start: others need the two processors too, and what follows is "
              "not to be quoted", file=sys.stderr)
    world = Throughput(options.seconds or (0.3 if options.quick else 1.5))
    wanted = [options.direction] if options.direction else ["receive", "send"]
    rows = summary(take_turns(world, ways, wanted, options.runs or (3 if options.quick else 7)))
    facts = {"date": datetime.date.today().isoformat(), "cpu": cpu_name(), "cpus": os.cpu_count(),
             "kernel": platform.release(), "load": round(load, 2), "quick": options.quick, "rows": rows}
    if options.json:
        with open(options.json, "w") as file:
            json.dump(facts, file, indent=1)
            file.write("\n")
    if options.rows:
        for row in rows:
            print(f"veth, 64 bytes, {row['direction']}, {row['what']}", row["median"], "packets/s", how(row),
                  *target(row, rows), sep="\t")
    else:
        print("| 64 bytes on a veth pair | packets/s | how |\n|---|---|---|")
        for row in rows:
            print(f"| {row['direction']}, {row['what']} | {row['median']:,} | {how(row)} |")
        print(f"\n{facts['date']}: {facts['cpu']}, {facts['cpus']} CPUs, Linux {facts['kernel']}, load "
              f"{facts['load']} at the start{'; a quick run, not to be quoted' if options.quick else ''}")
    print(*verdicts(rows), sep="\n", file=sys.stderr)


main()
