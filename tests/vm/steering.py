#!/usr/bin/env python3
"""vm.steering: the XDP program that steers, with another kernel than this machine's: it loads, matches as
the daemon's own engine does, and is on netdevs as it should; tests/netns/af_xdp says what."""
import os
import subprocess

from case import check, run
from machine import Machine
from where import BINARY

MACHINE = Machine(iommu=False)
FRAMES = "20000"  # emulation is slow


def of_program(name):
    ended = subprocess.run([os.path.join(BINARY, "tests", name), "--gtest_brief=1"], check=False,
                           env=os.environ | {"QSPLIT_STEERING_PACKETS": FRAMES, "TEST_TMPDIR": "/tmp"})
    check(name, ended.returncode == 0, f"status {ended.returncode}")


def engine(guest):
    """the program agrees with the daemon's engine"""
    of_program("xdp_steering_engine")


def netdevs(guest):
    """the program on netdevs, and what it does with packets"""
    of_program("xdp_steering")


if __name__ == "__main__":
    run(__file__, MACHINE, [engine, netdevs], seconds=240)
