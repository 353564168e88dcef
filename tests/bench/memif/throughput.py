#!/usr/bin/env python3
"""How many packets a second a software NIC carries between two ends, and DPDK's net_memif between two testpmd
processes: the same two processors, the same sizes. As root.

    throughput.py [--quick] [--runs N] [--seconds S] [--json FILE] [--rows] [--ways A,B] [--layouts A,B]
                  [--modes A,B] [--memif SETTING] [--softnic SETTING]

    wire     softnic: one client process on processor 0 sends on nic1 and receives on nic0, the device's thread is
             on processor 1. memif: testpmd txonly on processor 0, testpmd rxonly on processor 1
    forward  softnic: the client's generator on nic1 sends and receives, its forwarder on nic0 sends back; all on
             processor 0, the device's thread on processor 1. memif: testpmd flowgen on processor 0 over one memif
             port, testpmd io on processor 1 between that port and itself. Both generators go through 1,024 flows
    forward_one   the software NIC with one flow, of which it parses and steers one packet in a burst, beside
             memif's forward, to which flows are all one
    latency  one packet at a time, there and back, halved. softnic: client to client, both ends in one thread on
             processor 0, through the device's thread on processor 1, and back the same way. memif: to a testpmd io
             on processor 1 and back (memif_ping). Halves of a sum have fewer extremes than either way alone
    one_way  the software NIC's, one way: without a peer, for memif's two ends have a clock each
    waking   the same 5 ms after the packet before, so that the device's thread sleeps
    idle     what the daemon takes of a processor, with a lease on each NIC and no packets. testpmd always takes all

Every sender writes its packets anew (testpmd: their headers), no receiver looks at their bytes. Two memif
processes are one hop; a client, the device and a client are two, and each packet crosses between the processors
twice. Ways take turns, and who begins changes from round to round; ratios are of each round. Both have hugepages
where the machine gives them. Each has in each case the setting that was the fastest of those that were tried
(docs/measured.md): MEMIF_BEST and SOFTNIC_BEST. Exit status 77: cannot run here.

SETTING: SLOTS,BURST for the software NIC, SLOTS,BURST,copy|zero-copy for memif, such as 1024,32,copy: for all of its
rows, instead of the best.
"""
import argparse
import contextlib
import datetime
import glob
import json
import os
import platform
import re
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

BUILD = os.environ["QSPLIT_BINARY_DIR"]
CLIENT = BUILD + "/bench/softnic_client"
PING = BUILD + "/bench/memif_ping"
QSPLITD = os.environ["QSPLIT_BIN_DIR"] + "/qsplitd"
LAYOUTS = ["intel.e1000.legacy", "intel.ixgbe.advanced"]
FIRST_CPU, SECOND_CPU = 0, 1
WARMING_SECONDS = 0.3
HUGEPAGES = 256
TARGETS = {"wire": ">= 1.5", "forward": ">= 1.5", "latency": "<= 1", "latency, 99.9th percentile": "<= 1"}
MODES = ["wire", "forward", "forward_one", "latency", "one_way", "waking", "idle"]
WITHOUT_PEER = ("one_way", "waking", "idle")  # of these, one layout, and not so many runs
RUNS_WITHOUT_PEER = 3
UNITS = {"latency": "ns", "latency, 99.9th percentile": "ns", "one_way": "ns", "one_way, 99.9th percentile": "ns",
         "waking": "ns", "idle": "% of a processor"}  # else THROUGHPUT
THROUGHPUT = "packets/s"
NICS = """
[[device]]
name = "nic0"
mac = "02:00:00:00:00:01"
queues = 1
cpu = 1
wire = {peer = "nic1"}
[[device]]
name = "nic1"
mac = "02:00:00:00:00:01"
queues = 1
"""


class Memif(NamedTuple):
    """What net_memif and testpmd can be told. slots: of a ring, a power of two."""
    slots: int
    burst: int
    zero_copy: bool  # the receiver copies out of the sender's own buffers, without a copy into memif's

    @staticmethod
    def parse(text):
        slots, burst, copy = text.split(",")
        if copy not in ("copy", "zero-copy") or int(slots).bit_count() != 1:
            raise argparse.ArgumentTypeError(f"'{text}' is not like 1024,32,copy")
        return Memif(int(slots), int(burst), copy == "zero-copy")

    def vdev(self, role, folder):
        return (f"net_memif0,role={role},socket-abstract=no,socket={folder}/memif.sock,rsize={self.slots.bit_length() - 1}"
                + (",zero-copy=yes" if self.zero_copy and role == "client" else ""))

    def eal(self, role):
        return ["--single-file-segments"] if self.zero_copy and role == "client" else []


class Softnic(NamedTuple):
    """What a program can choose. slots: of each ring, a power of two."""
    slots: int
    burst: int

    @staticmethod
    def parse(text):
        slots, burst = text.split(",")
        return Softnic(int(slots), int(burst))


# (mode, bytes), else (None, None).
MEMIF_BEST = {(None, None): Memif(512, 64, True), ("wire", 1500): Memif(256, 64, True),
              ("forward", 1500): Memif(256, 64, True)}
SOFTNIC_BEST = {(None, None): Softnic(512, 64), ("wire", 64): Softnic(1024, 128), ("wire", 1500): Softnic(256, 32),
                ("forward", 64): Softnic(1024, 128), ("forward", 1500): Softnic(128, 32)}


def best(settings, mode, size):
    return settings.get((mode, size), settings[None, None])


def skip(why):
    print("SKIPPED:", why, file=sys.stderr)
    sys.exit(77)


@contextlib.contextmanager
def hugepages():
    """True where there are enough; as many as before are there afterwards."""
    path = "/proc/sys/vm/nr_hugepages"
    with open(path) as file:
        before = int(file.read())

    def reserve(count):
        with open(path, "w") as file:
            file.write(str(count))
        with open(path) as file:
            return int(file.read())

    try:
        yield reserve(before + HUGEPAGES) == before + HUGEPAGES
    finally:
        reserve(before)


def memory(huge):
    return ["--in-memory", "-m", "200"] if huge else ["--no-huge", "-m", "512"]


class Testpmd:
    """One of a pair, with one port, in its interactive mode."""

    def __init__(self, folder, name, cpu, role, huge, memif, *options):
        self.log = open(f"{folder}/{name}.log", "w+")
        self.process = subprocess.Popen(
            ["stdbuf", "-oL", "dpdk-testpmd", f"--file-prefix={name}{os.getpid()}", *memory(huge), "--no-pci",
             *memif.eal(role), f"--lcores=0@{cpu},1@{cpu}", "--vdev", memif.vdev(role, folder), "--", "-i",
             f"--burst={memif.burst}",
             "--total-num-mbufs=32768", "--no-flush-rx", *options],
            env=os.environ | {"RUNTIME_DIRECTORY": folder}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.log, bufsize=0)
        self.tell("show port info 0", rb"Device error handling")

    def tell(self, word, answer):
        """Gives it a command, and waits for what it prints."""
        self.process.stdin.write(word.encode() + b"\n")
        text, end = b"", time.monotonic() + 20
        while not (match := re.search(answer, text)):
            ready = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]
            more = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not more:
                raise RuntimeError(f"testpmd does not answer '{word}':\n{text.decode(errors='replace')}")
            text += more
        return match

    def received(self):
        return int(self.tell("show port stats 0", rb"RX-packets: (\d+)")[1])

    def end(self):
        with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
            self.process.communicate(b"stop\nquit\n", timeout=10)
        self.process.kill()
        self.process.wait()
        self.log.close()


class Bench:
    def __init__(self, seconds, huge, memif, softnic, first_layout):
        self.seconds = seconds
        self.first_layout = first_layout
        self.huge = huge
        self.settings = {"memif": memif, "softnic": softnic}

    def setting(self, mode, size, way):
        return best(self.settings["memif" if way == "memif" else "softnic"], mode, size)

    def memif(self, mode, size):
        """Packets a second, or nanoseconds: median and 99.9th percentile."""
        memif = self.setting(mode, size, "memif")
        with tempfile.TemporaryDirectory(prefix="memif.") as folder:
            far = Testpmd(folder, "far", SECOND_CPU, "server", self.huge, memif,
                          "--forward-mode=" + ("rxonly" if mode == "wire" else "io"))
            try:
                if mode == "latency":
                    far.tell("start", rb"packet forwarding")
                    return self.ping(folder, size, memif)
                near = Testpmd(folder, "near", FIRST_CPU, "client", self.huge, memif,
                               "--forward-mode=" + ("txonly" if mode == "wire" else "flowgen"), f"--txpkts={size}")
                try:
                    self.wait_for_link(near)
                    far.tell("start", rb"packet forwarding")
                    near.tell("start", rb"packet forwarding")
                    counts = far if mode == "wire" else near
                    time.sleep(WARMING_SECONDS)
                    before, begin = counts.received(), time.monotonic()
                    time.sleep(self.seconds)
                    return [(counts.received() - before) / (time.monotonic() - begin)]
                finally:
                    near.end()
            finally:
                far.end()

    def ping(self, folder, size, memif):
        out = subprocess.run(
            [PING, f"--file-prefix=ping{os.getpid()}", *memory(self.huge), "--no-pci", *memif.eal("client"),
             f"--lcores=0@{FIRST_CPU}", "--vdev", memif.vdev("client", folder), "--log-level=error", "--", str(size),
             str(self.seconds)], env=os.environ | {"RUNTIME_DIRECTORY": folder},
            capture_output=True, text=True, timeout=60 + self.seconds)
        if out.returncode:
            raise RuntimeError(f"memif_ping: {out.stderr}")
        return [float(word) for word in out.stdout.split()[-2:]]

    @staticmethod
    def wait_for_link(testpmd):
        for _ in range(100):
            if testpmd.tell("show port info 0", rb"Link status: (\w+)")[1] == b"up":
                return
            time.sleep(0.05)
        raise RuntimeError("the memif has no link")

    def softnic(self, mode, size, layout):
        with tempfile.TemporaryDirectory(prefix="softnic.") as folder:
            with open(folder + "/qsplitd.toml", "w") as file:
                file.write(f'[daemon]\nruntime_dir = "{folder}/run"\nlog_level = "warning"\n' + NICS)
            ready, told = os.pipe()
            daemon = subprocess.Popen(
                [QSPLITD, "--config", folder + "/qsplitd.toml", "--layouts", os.environ["QSPLIT_LAYOUT_DIR"],
                 "--ready-fd", str(told)], pass_fds=[told])
            os.close(told)
            try:
                if not os.read(ready, 1):
                    raise RuntimeError("qsplitd did not start")
                setting = self.setting(mode, size, layout)
                client = subprocess.Popen(
                    ["taskset", "-c", str(FIRST_CPU), CLIENT, folder + "/run", layout, mode, str(size),
                     str(self.seconds), str(setting.slots), str(setting.burst)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                share = [self.share_of(daemon.pid)] if mode == "idle" and client.stdout.readline() else []
                out, wrong = client.communicate(timeout=60 + self.seconds)
                if client.returncode:
                    raise RuntimeError(f"softnic_client {layout} {mode}: {wrong}")
                values = share or [float(word) for word in out.split()]
                return values[:1] if mode == "waking" else values  # too few packets for a percentile
            finally:
                os.close(ready)
                daemon.terminate()
                daemon.wait(timeout=20)

    def share_of(self, pid):
        """What a process takes of a processor while nothing happens, in percent."""
        def taken_ns():
            of_threads = glob.glob(f"/proc/{pid}/task/*/schedstat")
            return sum(int(open(file).read().split()[0]) for file in of_threads)

        time.sleep(WARMING_SECONDS)
        before, begin = taken_ns(), time.monotonic_ns()
        time.sleep(self.seconds)
        return 100 * (taken_ns() - before) / (time.monotonic_ns() - begin)

    def measure(self, mode, size, way):
        """None: this way cannot, or need not."""
        if way != "memif":
            return None if mode in WITHOUT_PEER and way != self.first_layout else self.softnic(mode, size, way)
        if mode == "forward_one" or mode in WITHOUT_PEER:
            return None
        return None if mode == "latency" and not os.access(PING, os.X_OK) else self.memif(mode, size)


def take_turns(bench, cases, ways, runs):
    """(measure, size, way) -> values."""
    found = {}
    for run in range(runs):
        begin = run % len(ways)
        for mode, size in cases:
            if mode in WITHOUT_PEER and run >= RUNS_WITHOUT_PEER:
                continue
            for way in ways[begin:] + ways[:begin]:
                values = bench.measure(mode, size, way)
                if values is None:
                    continue
                print(f"round {run + 1}, {mode}, {size} bytes, {way}:", *(f"{v:,.2f}" if v < 100 else f"{v:,.0f}" for v in values),
                      file=sys.stderr)
                if values[0] < 1 and mode != "idle":
                    raise RuntimeError(f"{way}, {mode}, {size} bytes: no packet arrived")
                for measure, value in zip((mode, mode + ", 99.9th percentile"), values):
                    found.setdefault((measure, size, way), []).append(value)
    return found


def summary(found):
    rows = []
    for (measure, size, way), values in found.items():
        digits = 2 if measure == "idle" else None
        row = {"measure": measure, "bytes": size, "way": way, "runs": len(values),
               "median": round(statistics.median(values), digits), "least": round(min(values), digits),
               "most": round(max(values), digits), "unit": UNITS.get(measure, THROUGHPUT),
               "all": [round(v, digits) for v in values]}
        beside = found.get(("forward" if measure == "forward_one" else measure, size, "memif"))
        if way != "memif" and beside:
            ratios = [mine / theirs for mine, theirs in zip(values, beside)]
            row["to_memif"] = round(statistics.median(ratios), 3)
            row["ratios"] = f"{min(ratios):.2f} to {max(ratios):.2f}"
            row["target"] = TARGETS.get(measure, "")
        rows.append(row)
    return rows


def name(row):
    kinds = {"wire": "transmit to receive", "forward": "forwarded, 1,024 flows", "forward_one": "forwarded, one flow",
             "latency": "there and back, halved, median",
             "latency, 99.9th percentile": "there and back, halved, 99.9th percentile",
             "one_way": "one way, median", "one_way, 99.9th percentile": "one way, 99.9th percentile",
             "waking": "one way to a sleeping device thread, median"}
    peers = {"wire": "testpmd txonly to rxonly", "forward": "testpmd flowgen to io and back"}
    if row["measure"] == "idle":
        return f"Software NIC, idle, two leases held, what the daemon takes, {row['way']}"
    if row["way"] != "memif":
        return f"Software NIC, {row['bytes']:,} bytes, {kinds[row['measure']]}, {row['way']}"
    return f"memif, {row['bytes']:,} bytes, {peers.get(row['measure'], kinds[row['measure']])}"


def how(row, bench):
    # Percentiles and medians are of the same runs.
    setting = bench.setting(row["measure"].split(",")[0], row["bytes"], row["way"])
    bursts = f", bursts of {setting.burst}" if THROUGHPUT in row["unit"] else ""
    copy = ", zero-copy" if row["way"] == "memif" and setting.zero_copy else ""
    return (f"two processors; {row['runs']} runs of {row['least']:,} to {row['most']:,}; rings of {setting.slots:,} "
            f"slots{bursts}{copy}{'' if bench.huge else '; WITHOUT huge pages'}")


def cpu_name():
    with open("/proc/cpuinfo") as file:
        found = re.search(r"^model name\s*: *(.*)$", file.read(), re.M)
    return found[1].strip() if found else platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="three short runs: to see that it works, not to quote")
    parser.add_argument("--runs", type=int, default=0, help="of each way and case [7]")
    parser.add_argument("--seconds", type=float, default=0, help="of each run [1]")
    parser.add_argument("--ways", default="memif,softnic", help="some of memif,softnic")
    parser.add_argument("--layouts", default=",".join(LAYOUTS), help=f"of the software NIC [{','.join(LAYOUTS)}]")
    parser.add_argument("--modes", default=",".join(MODES), help=f"some of {','.join(MODES)}")
    parser.add_argument("--memif", type=Memif.parse, metavar="SETTING", help="instead of the best: 1024,32,copy")
    parser.add_argument("--softnic", type=Softnic.parse, metavar="SETTING", help="instead of the best: 512,32")
    parser.add_argument("--json", metavar="FILE", help="write the results there, too")
    parser.add_argument("--rows", action="store_true", help="print rows for scripts/bench instead of a table")
    options = parser.parse_args()
    if os.geteuid() != 0:
        skip("needs root, for hugepages and for testpmd")
    if not all(os.access(program, os.X_OK) for program in (CLIENT, QSPLITD)):
        skip(f"{CLIENT} and {QSPLITD} are not there: build the targets softnic_client and qsplitd")
    if os.cpu_count() < 2:
        skip("one processor: the ends need one each")
    wanted = options.ways.split(",")
    if "memif" in wanted and not shutil.which("dpdk-testpmd"):
        print("SKIPPED: dpdk-testpmd is not installed (package dpdk-dev): the software NIC stands alone.",
              file=sys.stderr)
        wanted.remove("memif")
    if "memif" in wanted and not os.access(PING, os.X_OK):
        print(f"SKIPPED: {PING} is not there (package dpdk-dev): latency is measured without memif.", file=sys.stderr)
    ways = [way for word in wanted for way in (options.layouts.split(",") if word == "softnic" else [word])]
    load = os.getloadavg()[0]
    if load > 0.5 and not options.rows:  # scripts/bench tells its own
        print(f"throughput: load {load:.2f} at the start: others need the two processors too, and what follows is "
              "not to be quoted", file=sys.stderr)
    with hugepages() as huge:
        if not huge:
            print(f"throughput: {HUGEPAGES} huge pages are not to be had: all ways have small ones, and what follows is "
                  "not to be quoted", file=sys.stderr)
        bench = Bench(options.seconds or (0.3 if options.quick else 1), huge,
                      {(None, None): options.memif} if options.memif else MEMIF_BEST,
                      {(None, None): options.softnic} if options.softnic else SOFTNIC_BEST,
                      options.layouts.split(",")[0])
        cases = [(mode, size) for mode in options.modes.split(",") for size in (64, 1500)
                 if mode in ("wire", "forward") or size == 64]
        rows = summary(take_turns(bench, cases, ways, options.runs or (3 if options.quick else 7)))
    facts = {"date": datetime.date.today().isoformat(), "cpu": cpu_name(), "cpus": os.cpu_count(),
             "kernel": platform.release(), "load": round(load, 2), "quick": options.quick, "hugepages": huge,
             "rows": rows}
    if options.json:
        with open(options.json, "w") as file:
            json.dump(facts, file, indent=1)
            file.write("\n")
    if options.rows:
        for row in rows:
            against = [row["to_memif"], row["target"], row["ratios"]] if "to_memif" in row else []
            print(name(row), row["median"], row["unit"], how(row, bench), *against, sep="\t")
    else:
        print("| between two processors | value | ratio | how |\n|---|---|---|---|")
        for row in rows:
            ratio = f"{row['to_memif']:.2f}x memif's ({row['ratios']})" if "to_memif" in row else ""
            print(f"| {name(row)} | {row['median']:,} {row['unit']} | {ratio} | {how(row, bench)} |")


if __name__ == "__main__":
    main()
