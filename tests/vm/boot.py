#!/usr/bin/env python3
"""vm.boot: a guest is what the other tests of this folder take it for."""
import os
import time

from case import check, run, wait_until
from machine import Machine, e1000e, igb, peer, virtio

MACHINE = Machine((igb("igb", wire=1), e1000e("e1000e", wire=2), virtio("virtio", wire=3), peer("kernel", wire=2)),
                  host_wires=((2, "10.77.0.1"),))


def groups(guest):
    """each NIC has an IOMMU group of its own, and vfio-pci takes it"""
    for name in ("e1000e", "virtio", "igb"):
        nic = guest.nic(name)
        former = nic.driver()
        check(f"{name} is its group's only function", nic.group_members() == [nic.address], nic.group_members())
        nic.bind("vfio-pci")
        check(f"vfio-pci takes {name}", nic.driver() == "vfio-pci", f"from {former}")
        check("its group can be opened", wait_until(lambda n=nic: os.path.exists(f"/dev/vfio/{n.group()}")))
        nic.to_kernel()
        check(f"{former} has it back", nic.driver() == former, nic.driver())


def virtual_functions(guest):
    """VFs of igb have groups of their own"""
    vfs = guest.nic("igb").set_vfs(2)
    check("two VFs", len(vfs) == 2, vfs)
    check("each alone in its group", all(vf.group_members() == [vf.address] for vf in vfs))


def refused_dma(guest):
    """DMA to an address that nothing maps is refused, and seen"""
    nic = guest.nic("e1000e")
    nic.unbind()
    nic.set_bus_master()
    with guest.faults() as seen, nic.registers() as registers:
        # A transmit ring of 8 descriptors at an address that is nobody's, then one descriptor to fetch:
        # 82574 datasheet 10.2.6, TDBAL, TDBAH, TDLEN, TDH, TCTL.EN, TDT.
        for offset, value in ((0x3800, 0xDEAD0000), (0x3804, 0), (0x3808, 128), (0x3810, 0), (0x400, 2), (0x3818, 1)):
            registers[offset] = value
    check("the read at the ring's base", seen.of(nic, write=False, address=0xDEAD0000), "; ".join(map(str, seen.all)))


def wires(guest):
    """the kernel's NIC reaches what is on its wire"""
    guest.kernel_peer("e1000e", "10.77.0.1/24")
    netns = guest.kernel_peer("kernel", "10.77.0.2/24")
    guest.ping("e1000e answers the guest's kernel", "10.77.0.1", netns, count=20)
    guest.host_is_answered("e1000e answers a process on the host", wire=2)


def software_nic(guest):
    """qsplitd starts, and a program without privilege answers"""
    began = time.monotonic()
    guest.call("ip", "netns", "add", "world")
    guest.namespaces.append("world")
    guest.serve('''
[[device]]
name = "nic0"
queues = 4
mac = "02:00:00:00:00:01"
wire = { tap = "wire0", netns = "world" }
''')
    print(f"  qsplitd was ready after {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    devices = guest.qsplit("device", "list")["devices"]
    check("`qsplit device list` answers", [d["name"] for d in devices] == ["nic0"], devices[0]["name"])
    print(f"  `qsplit` answered after {time.monotonic() - began:.1f} s")
    guest.call("ip", "-n", "world", "addr", "add", "10.99.0.1/24", "dev", "wire0")
    guest.call("ip", "-n", "world", "link", "set", "wire0", "up")
    guest.responder("responder", "10.99.0.10", 4242)
    guest.call("ip", "-n", "world", "neigh", "add", "10.99.0.10", "lladdr", "02:00:00:00:00:01", "dev", "wire0")
    guest.ping("ping to a queue", "10.99.0.10", "world", count=20)
    guest.udp("UDP to a queue", "10.99.0.10", 4242, "world", count=50)


if __name__ == "__main__":
    run(__file__, MACHINE, [groups, virtual_functions, refused_dma, wires, software_nic], seconds=120)
