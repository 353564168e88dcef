#!/usr/bin/env python3
"""run: one command in a guest with real VFIO, by hand; what it printed, its faults, its status.

    tests/vm/run.py -- lspci -nnk
    tests/vm/run.py --nic igb:1 --nic peer:1 -- python3 $PWD/try.py
    tests/vm/run.py --nic e1000e:1 --nic peer:1 --pcap --keep -- sh -c 'dmesg | tail'

The command is the guest's root and sees this machine's file system, read only, with empty /tmp and /run;
/run/vm is a folder that both see. Without --nic the guest has one of each kind and a kernel's NIC beside it.
"""
import argparse
import os
import shutil
import sys
import tempfile

import faults
import guest
import machine
from where import BUILD, Missing

KINDS = {
    "igb": machine.igb, "e1000e": machine.e1000e, "virtio": machine.virtio, "vmxnet3": machine.vmxnet3,
    "virtio-packed": lambda name, wire: machine.virtio(name, wire, packed=True), "peer": machine.peer,
}


def nics(texts):
    made = []
    for i, text in enumerate(texts):
        kind, _, wire = text.partition(":")
        if kind not in KINDS or not wire.isdigit():
            sys.exit(f"run: --nic {text}: want KIND:WIRE, KIND one of {' '.join(KINDS)}, WIRE a number")
        made.append(KINDS[kind](f"nic{i}", int(wire)))
    return tuple(made)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nic", action="append", metavar="KIND:WIRE", help=" ".join(KINDS))
    parser.add_argument("--no-iommu", action="store_true")
    parser.add_argument("--no-interrupt-remapping", action="store_true")
    parser.add_argument("--memory-mib", type=int, default=512)
    parser.add_argument("--huge-pages", type=int, default=0, help="of 2 MiB")
    parser.add_argument("--parallel", action="store_true", help="processors at the same time: see machine.py")
    parser.add_argument("--newer-kernel", action="store_true", help="see kernel.py")
    parser.add_argument("--pcap", action="store_true", help="what each wire carried; wants --keep")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--keep", action="store_true", help="leave the folder that is /run/vm in the guest")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    default = [f"{kind}:{i}" for i, kind in enumerate(("igb", "e1000e", "virtio"), 1)]
    made = nics(args.nic or [*default, "peer:1", "peer:2", "peer:3"])
    box = machine.Machine(made, iommu=not args.no_iommu, interrupt_remapping=not args.no_interrupt_remapping,
                          memory_mib=args.memory_mib, huge_pages=args.huge_pages, parallel=args.parallel,
                          newer_kernel=args.newer_kernel, pcap=args.pcap)
    os.makedirs(f"{BUILD}/vm", exist_ok=True)
    out = tempfile.mkdtemp(prefix="run-", dir=f"{BUILD}/vm")
    try:
        ended = guest.boot(box, args.command, out, args.seconds)
        sys.stdout.write(ended.text("output"))
        for fault in faults.read(out):
            print(f"fault: {fault}")
        if ended.status is None:
            print(f"{ended.why}; the kernel said:\n{ended.text('console')}", file=sys.stderr)
        return 1 if ended.status is None else ended.status
    except Missing as missing:
        print(f"run: {missing}", file=sys.stderr)
        return 77
    finally:
        if args.keep:
            print(f"run: kept {out}", file=sys.stderr)
        else:
            shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
