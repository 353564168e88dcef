"""A row of the table, and what the table looks like in Markdown."""

import json
import re
from dataclasses import asdict, dataclass

QUIET_LOAD = 0.5  # above it, something else was running

@dataclass
class Row:
    measure: str
    value: str
    unit: str
    how: str
    ratio: str = ""
    target: str = ""
    ratios: str = ""  # of single runs, least to most: "0.85 to 0.91"

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

    def ratio_shown(self):
        return f"{self.ratio}×" + (f" ({self.ratios})" if self.ratios else "") if self.ratio else ""

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
        lines.append(f"| {row.measure} | {row.shown()} | {row.ratio_shown()} | "
                     f"{row.goal()}{reached} | {row.how} |")
    return "\n".join(lines)


def machine(facts):
    """The line under a table."""
    busy = f", ABOVE {QUIET_LOAD}: others had the machine too" if facts["load"] > QUIET_LOAD else ""
    quick = "; a quick run, not to be quoted" if facts["quick"] else ""
    only = f"; ONLY {facts['only']}" if facts.get("only") else ""
    missing = [*facts["left_out"], *facts.get("not_built", []), *facts.get("failed", [])]
    left_out = f"; WITHOUT {', '.join(missing)}" if missing else ""
    access = "; QSPLIT_JIT=0: NOTHING had machine code" if facts.get("interpreted") else ""
    return (f"{facts['date']}: {facts['cpu']}, {facts['cpus']} CPUs, Linux {facts['kernel']}, load {facts['load']} at "
            f"the start{busy}; {facts['version']}{access}{quick}{only}{left_out}")


def json_text(facts, rows):
    """All that was measured; from_json makes the same of it."""
    busy = facts["load"] > QUIET_LOAD
    rows = [{**asdict(row), "reached": row.reached()} for row in rows]
    return json.dumps({**facts, "busy": busy, "rows": rows}, indent=1) + "\n"


def from_json(facts):
    rows = [Row(**{name: one[name] for name in Row.__dataclass_fields__ if name in one}) for one in facts["rows"]]
    return {name: value for name, value in facts.items() if name != "rows"}, rows
