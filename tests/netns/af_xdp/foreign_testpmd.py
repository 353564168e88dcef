"""DPDK's testpmd on a netdev of a VethWorld, through DPDK's own AF_XDP driver: a peer, or a rival, of qsplitd."""
import collections
import os
import re
import subprocess

from veth_world import wait_until

BURST = 32  # packets that it sends at once
FLOWS = 64  # destinations of its mode flowgen: 10.253.0.0 and on, from port 1000 to port 1001
FLOWS_TO_MAC = "00:01:02:03:04:01"  # whatever it was told

# An element of its packets' pool has to be a page. The AF_XDP driver of DPDK 22.11 takes the pool's memory to be as
# long as its elements are together; without huge pages each of them has a page of its own, so that most would lie
# behind that end, and the kernel refuses to send them.
MBUF_BYTES = 4096 - 64 - 128  # without the element's header and the mbuf's
MEMORY_CHANNELS = 1  # with more of them DPDK makes elements longer

COMES_UP = "Checking link statuses...\nDone"
COMES_NOT_UP = "Start ports failed"
STATS = (r"RX-packets: (\d+).*?RX-bytes: +(\d+).*?TX-packets: (\d+) +TX-errors: (\d+) +TX-bytes: +(\d+).*?"
         r"Throughput")

Stats = collections.namedtuple("Stats", "rx_packets rx_bytes tx_packets tx_errors tx_bytes")


class Testpmd:
    """The program, reading commands. All that arrives at the netdev goes to it, by an XDP program of libxdp's."""

    def __init__(self, w, name, netns, dev, to_mac="ff:ff:ff:ff:ff:ff", to_ip="10.88.0.10", to_port=4242):
        self.w, self.name = w, name
        # Both of its threads on the last processor: one sends and receives, the other waits for commands.
        processor = os.cpu_count() - 1
        self.program = w.start(
            ["stdbuf", "-oL", "dpdk-testpmd", "--lcores", f"(0,1)@{processor}", "-n", str(MEMORY_CHANNELS), "--no-huge",
             "-m", "64", "--no-pci", "--no-telemetry", "--vdev", f"net_af_xdp0,iface={dev}",
             "--", "-i", "--total-num-mbufs=8192", f"--mbuf-size={MBUF_BYTES}", f"--burst={BURST}",
             f"--eth-peer=0,{to_mac}", f"--tx-ip=10.88.0.1,{to_ip}", f"--tx-udp=4999,{to_port}",
             f"--flowgen-flows={FLOWS}"],
            name, netns=netns, stdin=subprocess.PIPE, text=True, env={**os.environ, "RUNTIME_DIRECTORY": w.dir})
        wait_until(lambda: self.came_up() or COMES_NOT_UP in self.log() or self.program.poll() is not None, 20)

    def came_up(self):
        return COMES_UP in self.log() and COMES_NOT_UP not in self.log() and self.program.poll() is None

    def log(self):
        return self.w.log(self.name)

    def say(self, *lines):
        self.program.stdin.write("".join(line + "\n" for line in lines))
        self.program.stdin.flush()

    def answer(self, line, pattern):
        """What it prints after this command, as far as the pattern goes."""
        begin = len(self.log())
        self.say(line)
        found = wait_until(lambda: re.compile(pattern, re.S).search(self.log(), begin), 20)
        if not found:
            raise RuntimeError(f"testpmd has no answer to '{line}':\n{self.log()[begin:]}")
        return found

    def mac(self):
        return self.answer("show port info 0", r"MAC address: (\S+)")[1].lower()

    def stats(self):
        """What its port has sent and received since it came up."""
        return Stats(*map(int, self.answer("show port stats 0", STATS).groups()))

    def gained(self, before):
        return Stats(*(now - then for now, then in zip(self.stats(), before)))

    def stop(self):
        self.answer("stop", "Done")

    def quit(self):
        """Its exit status."""
        self.say("quit")
        return self.program.wait(10)
