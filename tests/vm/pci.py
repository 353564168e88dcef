"""PCI functions of the guest: groups, drivers, VFs; what the kernel says of them in /sys."""
import ctypes
import glob
import mmap
import os
import time

SYS = "/sys/bus/pci"


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


class Function:
    def __init__(self, address):
        self.address = address
        self.path = f"{SYS}/devices/{address}"

    def __repr__(self):
        return self.address

    def driver(self):
        link = f"{self.path}/driver"
        return os.path.basename(os.readlink(link)) if os.path.islink(link) else None

    def group(self):
        """The number of its IOMMU group; None: there is no IOMMU for it."""
        link = f"{self.path}/iommu_group"
        return int(os.path.basename(os.readlink(link))) if os.path.islink(link) else None

    def group_members(self):
        return sorted(os.listdir(f"{self.path}/iommu_group/devices"))

    def netdev(self):
        names = glob.glob(f"{self.path}/net/*") + glob.glob(f"{self.path}/virtio*/net/*")
        return os.path.basename(names[0]) if names else None

    def override(self):
        with open(f"{self.path}/driver_override") as file:
            text = file.read().strip()
        return None if text == "(null)" else text

    def bind(self, driver):
        """By driver_override, as a daemon does."""
        write(f"{self.path}/driver_override", driver)
        self.probe()

    def unbind(self):
        if self.driver():
            write(f"{self.path}/driver/unbind", self.address)

    def probe(self):
        self.unbind()
        write(f"{SYS}/drivers_probe", self.address)

    def to_kernel(self):
        """Back to the kernel's own driver, with no VF, whatever a test did to it."""
        if os.path.exists(f"{self.path}/sriov_numvfs") and self.vfs():
            self.set_vfs(0)
        if self.override() or not self.driver():
            write(f"{self.path}/driver_override", "\n")
            self.probe()

    def set_bus_master(self):
        """What a driver does to let it do DMA: the command register's bits for memory and bus master."""
        write(f"{self.path}/enable", "1")
        with open(f"{self.path}/config", "r+b", buffering=0) as config:
            config.seek(4)
            command = int.from_bytes(config.read(2), "little") | 6
            config.seek(4)
            config.write(command.to_bytes(2, "little"))

    def registers(self):
        """Its BAR 0, while no driver has it."""
        return Registers(f"{self.path}/resource0")

    def vfs(self):
        found = sorted(glob.glob(f"{self.path}/virtfn*"), key=lambda path: int(path.rsplit("virtfn")[-1]))
        return [Function(os.path.basename(os.readlink(path))) for path in found]

    def set_vfs(self, count):
        """By the driver that holds the PF; VFs are left without a driver."""
        write(f"{self.path}/sriov_drivers_autoprobe", "0")
        write(f"{self.path}/sriov_numvfs", str(count))
        for _ in range(100):
            if len(self.vfs()) == count:
                break
            time.sleep(0.01)
        return self.vfs()


class Registers:
    """32-bit registers by their offset in bytes, each one store or load."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        with open(self.path, "r+b", buffering=0) as file:
            self.memory = mmap.mmap(file.fileno(), os.fstat(file.fileno()).st_size)
        self.words = (ctypes.c_uint32 * (len(self.memory) // 4)).from_buffer(self.memory)
        return self

    def __exit__(self, *_):
        del self.words
        self.memory.close()

    def __getitem__(self, offset):
        return self.words[offset // 4]

    def __setitem__(self, offset, value):
        self.words[offset // 4] = value
