#!/usr/bin/env python3
"""vm.ethtool_nics: RSS, channels and what steers of NICs by their kernel drivers; ethtool_nics_test.cc says what."""
import os
import subprocess

from case import check, run, wait_until
from machine import Machine, e1000e, igb
from where import BINARY

MACHINE = Machine((igb("igb", wire=1), e1000e("e1000e", wire=1)))


def call(guest, name, suite):
    nic = guest.nic(name)
    dev = wait_until(nic.netdev)
    guest.call("ip", "link", "set", dev, "up")
    wait_until(lambda: read(f"/sys/class/net/{dev}/carrier") == "1")
    environment = {**os.environ, "NETDEV": dev, "PCI_ADDRESS": nic.address}
    ended = subprocess.run([os.path.join(BINARY, "tests/vm_ethtool_nics"), f"--gtest_filter={suite}.*"],
                           check=False, env=environment)
    check("vm_ethtool_nics", ended.returncode == 0, f"status {ended.returncode}")


def read(path):
    with open(path) as file:
        return file.read().strip()


def many_queues(guest):
    """an 82576 has queues and an RSS table"""
    call(guest, "igb", "ManyQueues")


def two_queues(guest):
    """an 82574 has neither that ethtool would show"""
    call(guest, "e1000e", "TwoQueues")


if __name__ == "__main__":
    run(__file__, MACHINE, [many_queues, two_queues], seconds=240)
