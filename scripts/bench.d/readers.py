"""Rows out of what the programs print. A reader takes the text and yields tuples of the columns of a row."""

import re


def tabs(text):
    """Rows as they are, and nothing else."""
    for line in text.splitlines():
        columns = line.split("\t")
        if len(columns) >= 4:
            yield tuple(columns[:6])


def contests(text):
    """tests/bench/dataplane/contest.cc: ratios are to the fastest loop by hand, else to the first of the contest.

    receive, NAME                median        least .. most    ratio
      by hand, in words         3.80 ns     3.79 ..   3.93 ns    1.00x
      compiled                  2.73 ns     2.71 ..   2.79 ns    0.72x
    """
    every = {}
    for line in text.splitlines():
        if head := re.match(r"(\S.*?)\s+median\s+least \.\. most\s+ratio$", line):
            every[head[1]] = contest = []
        elif one := re.match(r"\s+(\S.*?)\s+([\d.]+) ns\s+([\d.]+) \.\.\s+([\d.]+) ns\s+([\d.]+)x$", line):
            contest.append(one.groups())
    for name, contest in every.items():
        by_hand = [one for one in contest if one[0].startswith("by hand")]
        best = min(by_hand, key=lambda one: float(one[1])) if by_hand else contest[0]
        for one in contest:
            if one is not best:
                yield (f"{name}, {one[0]}", one[1], "ns/packet",
                       f"{one[2]} to {one[3]}; {best[0]} {best[1]} ns ({best[2]} to {best[3]})", one[4])


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
