"""masks: output of the command without what differs from run to run."""

import json
import re

# Columns of tables, lines of sheets and keys of JSON that are volatile.
COLUMNS = {"UID", "PID", "AGE", "EVENTS", "WAKEUPS"}
KEYS = {"uid", "pid", "age_ns", "time_ns", "digest", "events", "wakeups", "sequence"}
TEXT = [
    (re.compile(r"\b[0-9a-f]{64}\b"), "DIGEST"),
    (re.compile(r"@[0-9a-f]{12}\b"), "@DIGEST"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "DIGEST......"),
    (re.compile(r"\b(pid|uid) \d+"), r"\1 N"),
    (re.compile(r"-CONT \d+"), "-CONT N"),
    (re.compile(r"\b(came in|take for|buffers in) \d\.\d s\b"), r"\1 N s"),
    (re.compile(r"^\d\d:\d\d:\d\d\.\d\d\d", re.M), "TIME"),
    (re.compile(r"^(age: +).*", re.M), r"\1AGE"),
    (re.compile(r"^( +\w+_(events|wakeups)): \d+$", re.M), r"\1: N"),
    (re.compile(r"^(qsplitd?) \d+\.\d+\.\d+$", re.M), r"\1 VERSION"),
]


def _cells(line):
    return re.split(r" {2,}", line.strip())


def _table(text):
    """Where a table has volatile columns, its cells are two spaces apart and those are masked."""
    out, volatile = [], {}
    for line in text.split("\n"):
        cells = _cells(line)
        if set(cells) & COLUMNS:
            volatile = {i: cell for i, cell in enumerate(cells) if cell in COLUMNS}
            width = len(cells)
        elif volatile and len(cells) == width:
            cells = [volatile.get(i, cell) for i, cell in enumerate(cells)]
        else:
            volatile = {}
            out.append(line)
            continue
        out.append("  ".join(cells))
    return "\n".join(out)


def text(output, folder):
    output = _table(output.replace(folder, "DIR"))
    for pattern, instead in TEXT:
        output = pattern.sub(instead, output)
    return output


def _masked(value, key=None):
    if isinstance(value, dict):
        return {k: _masked(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_masked(v, key) for v in value]
    return key.upper() if key in KEYS else value


def json_text(output, one_a_line):
    """JSON as JSON: keys sorted, lists of plain values on a line. `one_a_line`: as -j promises."""
    messages, rest = [], output
    if one_a_line:
        messages = [json.loads(line) for line in output.splitlines()]
    else:
        while rest.strip():
            message, end = json.JSONDecoder().raw_decode(rest.lstrip())
            messages.append(message)
            rest = rest.lstrip()[end:]
    out = ""
    for message in messages:
        shown = json.dumps(_masked(message), indent=1, sort_keys=True, ensure_ascii=False)
        out += re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", shown) + "\n"
    return out
