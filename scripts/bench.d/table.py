"""A row of the table, and what the table looks like in Markdown."""

import re
from dataclasses import asdict, dataclass


@dataclass
class Row:
    measure: str
    value: str
    unit: str
    how: str
    ratio: str = ""
    target: str = ""

    def figure(self):
        """What the target is about; None where there is no number."""
        try:
            return float(self.ratio or self.value)
        except ValueError:
            return None

    def bound(self):
        """("<=", 1.05); None without a target, or without a figure to hold against it."""
        told = re.fullmatch(r"(<=|<|>=|>) ?([\d.]+)", self.target)
        return (told[1], float(told[2])) if told and self.figure() is not None else None

    def reached(self):
        """None: nothing to reach."""
        if not (bound := self.bound()):
            return None
        how, most = bound
        figure = self.figure()
        return {"<=": figure <= most, "<": figure < most, ">=": figure >= most, ">": figure > most}[how]

    def goal(self):
        """The target in words: "≤ 1.05×", "< 2 ms"."""
        if not (bound := self.bound()):
            return ""
        how = {"<=": "≤", ">=": "≥"}.get(bound[0], bound[0])
        return f"{how} {bound[1]:g}" + ("×" if self.ratio else f" {self.unit}")

    def shown(self):
        """The value as people read it: thousands apart."""
        grouped = f"{int(self.value):,}" if re.fullmatch(r"\d{4,}", self.value) else self.value
        return f"{grouped} {self.unit}"


def rows_of(columns, targets):
    """Rows out of what a reader yields; those that name no target get theirs from the list."""
    for one in columns:
        row = Row(*one)
        if not row.target:
            row.target = next((target for words, target in targets if re.search(words, row.measure)), "")
        yield row


def markdown(rows):
    lines = ["| measure | value | ratio | target | how |", "|---|---|---|---|---|"]
    for row in rows:
        reached = {None: "", True: ", reached", False: ", **missed**"}[row.reached()]
        lines.append(f"| {row.measure} | {row.shown()} | {row.ratio + '×' if row.ratio else ''} | "
                     f"{row.goal()}{reached} | {row.how} |")
    return "\n".join(lines)


def machine(facts):
    """The line under a table."""
    quick = "; a quick run, not to be quoted" if facts["quick"] else ""
    left_out = f"; WITHOUT {', '.join(facts['left_out'])}" if facts["left_out"] else ""
    return (f"{facts['date']}: {facts['cpu']}, {facts['cpus']} CPUs, Linux {facts['kernel']}, load {facts['load']} at "
            f"the start; {facts['version']}{quick}{left_out}")


def as_json(facts, rows):
    return {**facts, "rows": [{**asdict(row), "reached": row.reached()} for row in rows]}


def from_json(facts):
    rows = [Row(**{name: one[name] for name in Row.__dataclass_fields__}) for one in facts["rows"]]
    return {name: value for name, value in facts.items() if name != "rows"}, rows
