#!/usr/bin/env python3
"""bpf_test: the emitted headers for BPF, of each spec, compile for that machine without a warning.

A program reads each number and tests each condition, so that inlined bodies are generated too. A
header with a mistake put into it must fail, or nothing here says anything.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("QSPLIT_SOURCE_DIR") or os.path.realpath(os.path.join(__file__, "../../../.."))
BIN = os.environ.get("QSPLIT_BIN_DIR") or os.path.join(SOURCE, "build/debug/bin")
CLANG = ["clang-14", "-target", "bpf", "-O2", "-Wall", "-Werror", "-c", "-x", "c"]
READS = re.compile(r"^static inline .*?(qsplit_u64|int) (\w+)\(const qsplit_u8 \*d\) \{", re.M)


def compile_text(text, folder):
    source = os.path.join(folder, "program.c")
    with open(source, "w") as file:
        file.write(text)
    return subprocess.run([*CLANG, source, "-o", os.path.join(folder, "program.o")], capture_output=True, text=True)


def main():
    if shutil.which("clang-14") is None:
        print("SKIPPED: no clang-14, so no header was compiled for BPF; scripts/setup installs it", file=sys.stderr)
        return 77
    failed, functions, last = [], 0, ""
    specs = sorted(glob.glob(os.path.join(SOURCE, "descriptor-specs/*.qdl")))
    with tempfile.TemporaryDirectory() as folder:
        for spec in specs:
            name = os.path.basename(spec)
            made = subprocess.run([os.path.join(BIN, "qdlc"), spec, "--emit", "bpf"], capture_output=True, text=True)
            if made.returncode != 0:
                failed.append(f"{name}: qdlc: {made.stderr}")
                continue
            names = [match.group(2) for match in READS.finditer(made.stdout)]
            if not names:
                failed.append(f"{name}: no function reads anything")
            functions += len(names)
            last = made.stdout + "\n" + "".join(
                f"unsigned long long use_{one}(const qsplit_u8 *d) {{ return {one}(d); }}\n" for one in names)
            result = compile_text(last, folder)
            if result.returncode != 0:
                failed.append(f"{name}: {result.stderr[:2000]}")
        if compile_text(last.replace("return d[", "return e[").replace("(qsplit_u64)d[", "(qsplit_u64)e["),
                        folder).returncode == 0:
            failed.append("a header with a wrong name in it compiled")
    for message in failed:
        print(message, file=sys.stderr)
    print(f"bpf: {len(specs)} specs, {functions} functions, {len(failed)} failures")
    return 1 if failed or not specs else 0


sys.exit(main())
