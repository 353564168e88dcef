"""A VethWorld whose netdev has ntuple rules and an RSS table, for qsplitd and for `ethtool`: ethtool_nic.cc answers
their ioctls. It steers no packet; what arrives at a queue is as without it."""
import os
import re
import subprocess
import sys
import time

from veth_world import BIN, TESTS, VethWorld, check


class NicWorld(VethWorld):
    def __init__(self, queues, channels, **options):
        """`queues`: which the RSS table has; the netdev has `channels` before anybody changes that."""
        super().__init__(queues=channels, start=False, **options)
        self.in_host("ethtool", "-L", self.dev, "rx", str(channels), "tx", str(channels))
        self.socket = self.dir + "/nic.sock"
        read, write = os.pipe()
        self.start([TESTS + "/ethtool_nic", "serve", self.socket, self.dev, str(queues), str(write)], "nic",
                   pass_fds=[write])
        os.close(write)
        if os.read(read, 6) != b"ready\n":
            sys.exit("ethtool_nic did not start:\n" + self.log("nic"))
        os.close(read)

    def under(self, kill_at=0):
        """What stands in front of a command that is to see the NIC."""
        return [TESTS + "/ethtool_nic", "run", self.socket, str(kill_at)]

    def start_daemon(self, kill_at=0):
        """`kill_at`: it dies at its n-th call to the NIC, after that; of -n, before."""
        try:
            self.daemon = self.await_ready(
                [*self.under(kill_at), BIN + "/qsplitd", "--config", self.dir + "/qsplitd.toml"], "qsplitd",
                netns=self.host)
        except Exception as error:
            self.daemon = getattr(error, "program", self.daemon)
            raise

    def in_host(self, *argv):
        done = subprocess.run(["ip", "netns", "exec", self.host, *(self.under() if hasattr(self, "socket") else []),
                               *argv], capture_output=True, text=True)
        return done.stdout + done.stderr

    def records(self):
        """How many the journal has that are not done."""
        with open(self.run + "/journal" if os.path.exists(self.run + "/journal") else os.devnull) as file:
            text = file.read()
        return len(re.findall(r"^\+ .*\n", text, re.M)) - len(re.findall(r"^- .*\n", text, re.M))

    def shown(self, *kinds):
        """What the tools show of the netdev, and what else a daemon may leave; of these kinds, or of all."""
        looks = {"link": lambda: re.sub(r"state \w+|<.*?>|qlen \d+", "",
                                        self.in_host("ip", "-d", "link", "show", self.dev)),
                 "addresses": lambda: self.in_host("ip", "maddr", "show", "dev", self.dev),
                 "channels": lambda: self.in_host("ethtool", "-l", self.dev),
                 "features": lambda: self.in_host("ethtool", "-k", self.dev),
                 "RSS": lambda: self.in_host("ethtool", "-x", self.dev),
                 "rules": lambda: self.in_host("ethtool", "-n", self.dev),
                 "programs": lambda: self.in_host("bpftool", "net", "show", "dev", self.dev),
                 "processes": lambda: subprocess.run(["ip", "netns", "pids", self.host], capture_output=True).stdout,
                 "journal": self.records}
        return {kind: looks[kind]() for kind in kinds or looks}

    def check_as(self, before, what, seconds=0):
        """Within so many seconds all is as it was; what is not, is shown as it was and as it is."""
        end = time.monotonic() + seconds
        while (now := self.shown()) != before and time.monotonic() < end:
            pass
        return check(what, now == before, [(kind, before[kind], now[kind]) for kind in now if now[kind] != before[kind]]
                     or "")
