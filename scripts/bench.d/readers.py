"""Rows out of what the programs print. A reader takes the text and yields tuples of the columns of a row."""

import re
import statistics
from typing import NamedTuple


def tabs(text):
    """Rows as they are, and nothing else."""
    for line in text.splitlines():
        columns = line.split("\t")
        if len(columns) >= 4:
            yield tuple(columns[:7])


def contests(text):
    """tests/bench/dataplane/contest.cc, once or, for several processes, one behind the other. Ratios are to the fastest
    loop by hand of the same process, else to the first of the contest; the median of them is the row's.

    receive, NAME                median        least .. most    ratio
      by hand, in words         3.80 ns     3.79 ..   3.93 ns    1.00x
      compiled                  2.73 ns     2.71 ..   2.79 ns    0.72x
    """
    every, current = {}, []
    for line in text.splitlines():
        if head := re.match(r"(\S.*?)\s+median\s+least \.\. most\s+ratio$", line):
            current = []
            every.setdefault(head[1], []).append(current)
        elif one := re.match(r"\s+(\S.*?)\s+([\d.]+) ns\s+([\d.]+) \.\.\s+([\d.]+) ns\s+[\d.]+x$", line):
            current.append(_Contender(one[1], *map(float, one.groups()[1:])))
    for name, processes in every.items():
        against = [_compared_with(contest) for contest in processes]
        beside = min(against, key=lambda one: one.median).name
        for contender in dict.fromkeys(one.name for contest in processes for one in contest):
            if contender == beside:
                continue
            pairs = [(one, best) for contest, best in zip(processes, against) for one in contest
                     if one.name == contender]
            ratios = [one.median / best.median for one, best in pairs]
            mine, theirs = _together([one for one, _ in pairs]), _together([best for _, best in pairs])
            yield (f"{name}, {contender}", f"{mine.median:.2f}", "ns/packet",
                   f"{mine.least:.2f} to {mine.most:.2f}; {beside} {theirs.median:.2f} ns ({theirs.least:.2f} to "
                   f"{theirs.most:.2f})" + _in_processes(mine, [best for _, best in pairs]),
                   f"{statistics.median(ratios):.2f}", "",
                   f"{min(ratios):.2f} to {max(ratios):.2f}" if len(ratios) > 1 else "")


class _Contender(NamedTuple):
    """Of one process, or of several together; nanoseconds."""
    name: str
    median: float
    least: float
    most: float


def _compared_with(contest):
    by_hand = [one for one in contest if one.name.startswith("by hand")]
    return min(by_hand, key=lambda one: one.median) if by_hand else contest[0]


def _together(of_processes):
    return _Contender(of_processes[0].name, statistics.median(one.median for one in of_processes),
                      min(one.least for one in of_processes), max(one.most for one in of_processes))


def _in_processes(mine, against):
    """What the ratio is to the process in which the other was fastest: where code stands is then its luck, not ours."""
    if len(against) < 2:
        return ""
    best = min(one.median for one in against)
    return f"; {len(against)} processes; to the best of them, {best:.2f} ns, {mine.median / best:.2f}x"


def _table(text, head, columns):
    """The lines of a table behind the line that begins with `head`, that have so many columns."""
    lines = text.splitlines()
    begin = next((i for i, line in enumerate(lines) if line.startswith(head)), len(lines))
    return [words for words in map(str.split, lines[begin + 1:]) if len(words) == columns]


def dataplane(text):
    """Lines such as "RxNoMetadata   3.10 ns   2.50 ns   1.24x"."""
    word = {"RxAllMetadata": "receive with all metadata", "RxNoMetadata": "receive, lengths only",
            "TxNoRequest": "transmit"}
    for name, layout, _, hand, _, ratio in _table(text, "driver's side", 6):
        yield (f"Engine, client side alone, {word.get(name, name)}", layout, "ns/packet",
               f"by hand in C++ for the same layout {hand} ns", ratio.rstrip("x"))


def layouts(text):
    """Lines such as "NAME   950 us   120 us   1.60 ns   0.90 ns   1.77x"."""
    for name, compiled, _, loaded, _, read, _, emitted, _, ratio in _table(text, "layout  ", 10):
        yield (f"Spec compiled, {'mean of all' if name == 'mean' else name}", compiled, "us",
               f"layout loaded and verified {loaded} us; field read {read} ns, by the emitted header {emitted} ns: "
               f"{ratio}")


def packets(text):
    """Lines such as "NAME   16.83   59.82   76.65 ...": the driver's side, the device's and both, of receiving, of
    that with all metadata, and of sending."""
    for name, rx, _, both_rx, all_rx, _, all_both_rx, tx, _, both_tx in _table(text, "layout  ", 10):
        of = f"{name} of all" if name in ("least", "median", "most") else name
        yield (f"Packet, engine, client side, {of}", f"{rx}", f"ns received, {tx} ns sent",
               f"client and device side {both_rx} and {both_tx} ns; received with all metadata {all_rx} ns, with the "
               f"device side {all_both_rx} ns")
