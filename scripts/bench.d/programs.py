"""What scripts/bench runs, and what is to be reached: a line for each.

A program prints rows, with tabs between their columns:

    measure   value   unit   how it was taken   [ratio   [target   [ratios]]]

`ratio` is that of the value to what it is compared with; `target` is "<= 1.05", of the ratio where there is one, else
of the value; `ratios` are the least and the most of single runs, "0.85 to 0.91". Rows that name no target get that of the first line of TARGETS that fits their measure. Programs that
print another table have a reader (readers.py) that makes rows of it.
"""

from typing import NamedTuple

import readers


class Program(NamedTuple):
    target: str  # of the build; also its name
    command: str  # {bench}: build/release/bench; {source}: the source tree
    quick: str = "--quick"  # added for a quick run
    full: str = ""  # added otherwise
    read: object = readers.tabs
    processes: tuple = ({},)  # what takes the place of {words} of the command in each; what all print is read as one text


# Code and data stand elsewhere in each.
ELSEWHERE = tuple({"farther": farther, "skew": str(1040 * i)} for i, farther in enumerate(("", "_16", "_32", "_48") * 2))

PROGRAMS = (
    Program("qsplit_bench", "{bench}/qsplit_bench"),
    Program("qsplit_bench_leases", "{bench}/qsplit_bench_leases"),
    Program("softnic_client", "python3 -B {source}/tests/bench/memif/throughput.py --rows"),
    Program("bench_steering_lookup", "{bench}/bench_steering_lookup --rows"),
    Program("throughput_client", "python3 -B {source}/tests/bench/af_xdp/throughput.py --rows"),
    Program("bench_access", "{bench}/bench_access{farther} --skew {skew}", "7", "9", readers.contests, ELSEWHERE),
    Program("bench_dataplane", "{bench}/bench_dataplane", "--benchmark_min_time=0.05", "--benchmark_min_time=0.5",
            readers.dataplane),
    Program("bench_device_side", "{bench}/bench_device_side --rows"),
    Program("bench_guard_burst", "{bench}/bench_guard_burst --rows"),
    Program("bench_layout", "{bench}/bench_layout", "--benchmark_min_time=0.005", "--benchmark_min_time=0.2",
            readers.layouts),
    Program("bench_packets", "{bench}/bench_packets", "--benchmark_min_time=0.005", "--benchmark_min_time=0.2",
            readers.packets),
)

# What they need beside themselves.
TARGETS_OF_BUILD = ("qsplit_layouts", "throughput_flood", "memif_ping", "bench_access_16", "bench_access_32",
                    "bench_access_48")

# (words of a measure as a regular expression, target)
TARGETS = (
    (r"^receive, with SIMD, .*, compiled$", "<= 0.7"),
    (r"^(receive|transmit), .*, compiled$", "<= 1.05"),
    (r"^(receive|transmit), .*, interpreted$", "<= 3"),
    (r"^one core, descriptors, .*, received and posted$", "<= 1"),
    (r"^Steering, 1,024 rules", "<= 1"),
    (r"^Guard, descriptors checked", ">= 100"),
    (r"^Guard, descriptors forwarded", ">= 40"),
)
