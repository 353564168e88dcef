"""DMA that the IOMMU refused, as QEMU's trace tells it: a line for each access, never rate-limited.

    vtd_dmar_fault sid 0x100 fault 5 addr 0xdead0000 write 1
"""
import dataclasses
import re

LINE = re.compile(r"vtd_dmar_fault sid (\w+) fault (\d+) addr (\w+) write (\d)")
FILE = "faults.txt"


@dataclasses.dataclass(frozen=True)
class Fault:
    source: str  # the PCI address of the requester
    reason: int  # VT-d's fault reason: 5 write not allowed, 6 read not allowed, 1 to 3 nothing maps it
    address: int  # iova
    write: bool  # by the device, into memory

    def __str__(self):
        return f"{self.source} {'writes' if self.write else 'reads'} {self.address:#x} (reason {self.reason})"


def read(folder):
    """All faults so far."""
    try:
        with open(f"{folder}/{FILE}") as file:
            return [parse(match) for match in LINE.finditer(file.read())]
    except FileNotFoundError:
        return []


def parse(match):
    source = int(match[1], 16)
    return Fault(f"0000:{source >> 8:02x}:{source >> 3 & 31:02x}.{source & 7}", int(match[2]), int(match[3], 16),
                 match[4] == "1")
