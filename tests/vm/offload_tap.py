"""A wire behind a tap of the host's kernel: QEMU's virtio-net offers to fill in sums and to cut packets only where
its other end takes virtio's headers, which of QEMU's own wires none does.

    NIC ── tap, with virtio's headers ── bridge ── veth without offloads ── veth ──> wire-tap.pcap

What the NIC was asked for the host's kernel then does on the way into the veth. All of it, and QEMU, is in a
network namespace of its own, without privilege in a user namespace of its own. As a program, in there:

    offload_tap.py OUT QEMU...      makes the wire, keeps what comes in OUT, and becomes QEMU
"""
import ctypes
import functools
import os
import signal
import socket
import struct
import subprocess
import sys
import time

from machine import FIRST_SLOT, Machine, mac

TAP, IN, END = "tap0", "veth0", "veth1"
CAPTURE = "wire-tap.pcap"
PR_SET_PDEATHSIG = 1  # linux/prctl.h
ETH_P_ALL = 3  # linux/if_ether.h
SETUP = f"""ip tuntap add dev {TAP} mode tap vnet_hdr
ip link add {IN} type veth peer name {END}
ip link add br0 type bridge
ethtool -K {IN} tx off sg off tso off gso off
ip link set {TAP} master br0
ip link set {IN} master br0"""
UP = "".join(f"\nip link set {name} up" for name in ("br0", TAP, IN, END))


@functools.lru_cache
def possible():
    """Whether this machine lets us make such a wire."""
    return subprocess.run([*unshared(), "sh", "-ec", SETUP], capture_output=True).returncode == 0


def unshared():
    return ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]


class TapMachine(Machine):
    """One whose NICs named tapped stand on such a wire; where there is none, the machine is without."""

    def plan(self):
        plan = super().plan()
        for nic in plan["nics"]:
            nic["absent"] = nic["absent"] or (nic["name"] == "tapped" and not possible())
        return plan

    def command(self, vmlinux, initramfs, out):
        command = super().command(vmlinux, initramfs, out)
        return [*unshared(), sys.executable, "-B", __file__, out, *command] if possible() else command

    def nic_words(self, i, nic, out):
        if nic.name != "tapped":
            return super().nic_words(i, nic, out)
        if not possible():
            return []
        device = ",".join((f"{nic.model},bus=rp{i},netdev=n{i},mac={mac(i)}", *nic.options))
        return ["-device", f"pcie-root-port,id=rp{i},slot={i + 1},chassis={i + 1},addr={FIRST_SLOT + i:#x}",
                "-netdev", f"tap,id=n{i},ifname={TAP},script=no,downscript=no,vhost=off", "-device", device]


def keep(end, path):
    """Writes down what comes out of the wire, for ever."""
    with open(path, "wb", buffering=0) as file:
        file.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65536, 1))
        while True:
            data = end.recv(65536)
            now = time.time()
            file.write(struct.pack("=IIII", int(now), int(now % 1 * 1e6), len(data), len(data)) + data)


def main(out, *qemu):
    subprocess.run(["sh", "-ec", SETUP + UP], check=True, stdout=subprocess.DEVNULL)
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.bind((END, 0))
    die_with_parent = lambda: ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # noqa: E731
    if os.fork() == 0:
        die_with_parent()
        keep(end, f"{out}/{CAPTURE}")
    die_with_parent()  # a new user namespace has forgotten it
    os.execvp(qemu[0], qemu)


if __name__ == "__main__":
    main(*sys.argv[1:])
