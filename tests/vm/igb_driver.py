#!/usr/bin/env python3
"""vm.igb_driver: the drivers of an 82576, PF and VF, on one that is emulated; igb_driver_test.cc says what."""
import os
import subprocess

from case import check, run, wait_until
from machine import Machine, igb, peer
from where import BINARY

MACHINE = Machine((igb("igb", wire=1), peer("kernel", wire=1)))


def call(guest, suite, environment):
    dev = wait_until(guest.nic("kernel").netdev)
    for words in (f"link set {dev} promisc on", f"link set {dev} up"):
        guest.call("ip", *words.split())
    ended = subprocess.run([os.path.join(BINARY, "tests/vm_igb_driver"), f"--gtest_filter={suite}.*"],
                           check=False, env={**os.environ, "IGB_PEER": dev, **environment})
    check("vm_igb_driver", ended.returncode == 0, f"status {ended.returncode}")


def pf(guest):
    """the PF by this driver, and its VFs"""
    nic = guest.nic("igb")
    with open("/sys/module/vfio_pci/parameters/enable_sriov", "w") as file:
        file.write("1")
    nic.bind("vfio-pci")
    call(guest, "IgbOnVfio", {"IGB_PF": nic.address, "IGB_GROUP": str(nic.group())})


def vf_of_the_kernels(guest):
    """a VF by this driver, the PF by the kernel's"""
    nic = guest.nic("igb")
    dev = wait_until(nic.netdev)
    vf = nic.set_vfs(2)[1]
    guest.call("ip", "link", "set", dev, "up")
    guest.call("ip", "link", "set", dev, "vf", "1", "mac", "02:00:00:00:00:77")
    vf.bind("vfio-pci")
    call(guest, "IgbVfOnVfio", {"IGB_VF": vf.address, "IGB_VF_GROUP": str(vf.group())})


if __name__ == "__main__":
    run(__file__, MACHINE, [pf, vf_of_the_kernels], seconds=120)
