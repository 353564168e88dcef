#!/usr/bin/env python3
"""vm.functions: PCI functions through the real VFIO, by the daemon's own code; function_access_test.cc and
function_ownership_test.cc say what."""
import os
import subprocess

from case import check, run
from machine import Machine, e1000e, igb
from where import BINARY

MACHINE = Machine((igb("igb", wire=1), e1000e("e1000e", wire=2)))


def functions(guest):
    """functions are taken, used, handed over and given back"""
    guest.nic("igb"), guest.nic("e1000e")
    ended = subprocess.run([os.path.join(BINARY, "tests/vm_functions")], check=False)
    check("vm_functions", ended.returncode == 0, f"status {ended.returncode}")


if __name__ == "__main__":
    run(__file__, MACHINE, [functions], seconds=120)
