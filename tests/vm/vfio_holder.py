#!/usr/bin/env python3
"""vfio_holder: another program of the machine that has a PCI function; prints "held" and sleeps.

    vfio_holder.py open ADDRESS GROUP [VF_TOKEN]   has opened the function by VFIO, as its only user
    vfio_holder.py keep PID                        has what process PID was given: the descriptor of a
                                                   function, and a mapping of its first BAR
"""
import ctypes
import fcntl
import mmap
import os
import struct
import sys
import time

# linux/vfio.h: _IO(VFIO_TYPE, VFIO_BASE + n).
SET_IOMMU, SET_CONTAINER, GET_DEVICE_FD, GET_REGION_INFO = (0x3B64 + n for n in (2, 4, 6, 8))
TYPE1V2 = 3
PIDFD_OPEN, PIDFD_GETFD = 434, 438


def opened(address, group, token=None):
    container = os.open("/dev/vfio/vfio", os.O_RDWR)
    held = os.open(f"/dev/vfio/{group}", os.O_RDWR)
    fcntl.ioctl(held, SET_CONTAINER, struct.pack("i", container))
    fcntl.ioctl(container, SET_IOMMU, TYPE1V2)
    name = address + (f" vf_token={token}" if token else "")
    return container, held, fcntl.ioctl(held, GET_DEVICE_FD, name.encode() + b"\0")


def kept(pid):
    """As if that process had passed it on."""
    for number in os.listdir(f"/proc/{pid}/fd"):
        if os.readlink(f"/proc/{pid}/fd/{number}") == "anon_inode:[vfio-device]":
            libc = ctypes.CDLL(None, use_errno=True)
            device = libc.syscall(PIDFD_GETFD, libc.syscall(PIDFD_OPEN, pid, 0), int(number), 0)
            break
    else:
        raise FileNotFoundError(f"process {pid} has no VFIO device")
    # vfio_region_info: argsz, flags, index, cap_offset, size, offset.
    info = fcntl.ioctl(device, GET_REGION_INFO, struct.pack("IIIIQQ", 32, 0, 0, 0, 0, 0))
    return device, mmap.mmap(device, mmap.PAGESIZE, offset=struct.unpack("IIIIQQ", info)[5])


if __name__ == "__main__":
    what = opened(*sys.argv[2:]) if sys.argv[1] == "open" else kept(int(sys.argv[2]))
    print("held", flush=True)
    time.sleep(3600)
