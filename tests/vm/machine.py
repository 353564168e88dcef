"""The guest's machine: which NICs stand on which wires, and what is wrong with the IOMMU on purpose.

Every NIC has a root port of its own, and so a group of its own. A wire is a hub: whatever stands on it
sees every frame. The other end of a wire is a NIC that the guest's kernel drives (`peer`), or a process
on the host (`host_wires`).
"""
import dataclasses
import functools
import os
import shutil
import subprocess

import hang
import tsc
from where import Missing

QEMU = "qemu-system-x86_64"
FIRST_SLOT = 16  # root ports stand on bus 0 from here on


@dataclasses.dataclass(frozen=True)
class Nic:
    """One NIC. `name` is how a case asks for it; `options` and `port` go to the device and its root port."""
    name: str
    model: str
    wire: int
    options: tuple = ()
    port: tuple = ()


def igb(name, wire, port=()):
    return Nic(name, "igb", wire, ("romfile=",), tuple(port))


def e1000e(name, wire):
    return Nic(name, "e1000e", wire, ("romfile=",))


def vmxnet3(name, wire):
    return Nic(name, "vmxnet3", wire, ("romfile=",))


def virtio(name, wire, packed=False):
    """Modern, behind the IOMMU, with the ring form asked for."""
    return Nic(name, "virtio-net-pci", wire, (
        "romfile=", "disable-legacy=on", "disable-modern=off", "iommu_platform=on",
        f"packed={'on' if packed else 'off'}"))


def peer(name, wire):
    """For the guest's kernel; it goes round the IOMMU."""
    return Nic(name, "virtio-net-pci", wire, ("romfile=",))


@dataclasses.dataclass(frozen=True)
class Machine:
    nics: tuple = ()
    iommu: bool = True
    interrupt_remapping: bool = True
    memory_mib: int = 512
    huge_pages: int = 0  # of 2 MiB
    host_wires: tuple = ()  # (wire, address that a process on the host pings there): host_wire.py
    # Its two processors run at the same time, for tests whose programs race with each other. Otherwise they take
    # turns in one thread, which costs a third of the time, and keeps off a fault of QEMU before 10.0.4 and 10.1
    # (its commit 2865bf1c5795): while one processor moves or hides a function's registers, as each bind, reset
    # and SR-IOV enable does, another may look registers up in a map that was freed. QEMU aborts then (`Assertion
    # section_index < d->map.sections_nb'), or a doorbell or a timer's setting goes elsewhere, and the guest waits
    # for ever. Cases of such a machine have one processor until their daemon is ready, and behind their end.
    parallel: bool = False
    newer_kernel: bool = False  # kernel.py: for what Debian 12's has not
    pcap: bool = False  # keeps what each NIC's wire carried, as wire-NAME.pcap in the out folder

    def plan(self):
        """What the inside has to know of it, as JSON."""
        return {"nics": [{"name": nic.name, "model": nic.model, "mac": mac(i), "wire": nic.wire,
                          "root_port": f"0000:00:{FIRST_SLOT + i:02x}.0",
                          "absent": nic.model not in models()} for i, nic in enumerate(self.nics)],
                "iommu": self.iommu, "interrupt_remapping": self.interrupt_remapping,
                "parallel": self.parallel}

    def command(self, vmlinux, initramfs, out):
        """QEMU's argv; `out` is the folder that guest and host share."""
        threads = "multi" if self.parallel else "single"
        words = f"""{QEMU} -machine q35,hpet=off -accel tcg,thread={threads},tb-size=256 -cpu max -smp 2 -m
            {self.memory_mib} -nodefaults -no-user-config -vga none -display none -no-reboot
            -fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap
            -device virtio-9p-pci,fsdev=root,mount_tag=root
            -device virtio-9p-pci,fsdev=out,mount_tag=out""".split()
        words += hang.options(out)
        words += ["-fsdev", f"local,id=out,path={out},security_model=none", "-kernel", vmlinux,
                  "-initrd", initramfs, "-append", self.kernel_line()]
        if self.iommu:
            words += ["-device", f"intel-iommu,intremap={'on' if self.interrupt_remapping else 'off'}",
                      "-trace", "vtd_dmar_fault", "-D", f"{out}/faults.txt"]
        for i, nic in enumerate(self.nics):
            if nic.model in models():  # else the cases that want it are skipped
                words += self.nic_words(i, nic, out)
        for wire, _ in self.host_wires:
            words += ["-netdev", f"dgram,id=host{wire},local.type=unix,local.path={out}/wire{wire}.qemu,"
                                 f"remote.type=unix,remote.path={out}/wire{wire}.host",
                      "-netdev", f"hubport,id=hosthub{wire},hubid={wire},netdev=host{wire}"]
        return words

    def kernel_line(self):
        words = """console=ttyS0 quiet loglevel=3 iommu.strict=1 mitigations=off tsc=reliable
            no_timer_check panic=-1 8250.nr_uarts=1 random.trust_cpu=on sysrq_always_enabled
            unknown_nmi_panic""".split()
        if tsc.khz():
            words.append(f"tsc_early_khz={tsc.khz()}")
        if self.iommu:
            words.append("intel_iommu=on")
        if self.huge_pages:
            words.append(f"hugepages={self.huge_pages}")
        return " ".join(words)

    def nic_words(self, i, nic, out):
        port = ",".join((f"pcie-root-port,id=rp{i},slot={i + 1},chassis={i + 1},addr={FIRST_SLOT + i:#x}", *nic.port))
        device = ",".join((f"{nic.model},bus=rp{i},netdev=n{i},mac={mac(i)}", *nic.options))
        words = ["-device", port, "-netdev", f"hubport,id=n{i},hubid={nic.wire}", "-device", device]
        if self.pcap:
            words += ["-object", f"filter-dump,id=dump{i},netdev=n{i},file={out}/wire-{nic.name}.pcap"]
        return words


def mac(i):
    return f"52:54:00:00:00:{i + 1:02x}"


@functools.lru_cache
def models():
    """Names of the devices that this machine's QEMU has."""
    if not shutil.which(QEMU):
        raise Missing(f"{QEMU} is not installed; scripts/setup gets it where it can")
    shown = subprocess.run([QEMU, "-device", "help"], capture_output=True, text=True, check=True)
    return {line.split('"')[1] for line in shown.stdout.splitlines() if line.startswith('name "')}
