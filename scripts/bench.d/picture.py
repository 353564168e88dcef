"""Bars against their targets, as SVG that is read on light and on dark pages.

A bar that reaches the line has reached its target; its length is how many times so: a target of at most 1.05 that is
0.7 has a bar of 1.5. Longer ones than MOST are cut off, and say so.
"""

from html import escape

WIDTH, LEFT, RIGHT, LINE, TOP = 1000, 470, 230, 20, 46
MOST = 3.0
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #222 }
  .page { fill: #fff } .line { stroke: #222; stroke-width: 1.5 } .grid { stroke: #ccc }
  .yes { fill: #0a8a5f } .no { fill: #d9822b } .small { fill: #666 }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .page { fill: #161b22 } .line { stroke: #ddd } .grid { stroke: #3a414a }
    .yes { fill: #2fb886 } .no { fill: #e8a04c } .small { fill: #999 }
  }
"""


def times(row):
    """How many times the target is reached."""
    how, bound = row.bound()
    figure = row.figure()
    if figure == 0 or bound == 0:
        return MOST
    return bound / figure if how.startswith("<") else figure / bound


def draw(rows, caption):
    """The rows that have a target; others are left out."""
    rows = [row for row in rows if row.bound()]
    scale = (WIDTH - LEFT - RIGHT) / MOST
    height = TOP + LINE * len(rows) + 40
    missed = sum(not row.reached() for row in rows)
    title = f"{len(rows) - missed} of {len(rows)} targets are reached"
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t d">',
           f'<title id="t">{title}</title>',
           f'<desc id="d">{escape("; ".join(f"{r.measure}: {label(r)}" for r in rows))}</desc>',
           f"<style>{STYLE}</style>", f'<rect class="page" width="{WIDTH}" height="{height}"/>',
           f'<text x="12" y="22" font-weight="600">{title}</text>',
           f'<text x="{LEFT + scale}" y="{TOP - 8}" text-anchor="middle">target</text>']
    bottom = TOP + LINE * len(rows)
    for mark in (2, 3):
        x = LEFT + mark * scale
        out.append(f'<path class="grid" d="M{x:.0f} {TOP}V{bottom}"/>'
                   f'<text class="small" x="{x:.0f}" y="{TOP - 8}" text-anchor="middle">{mark}×</text>')
    for i, row in enumerate(rows):
        y = TOP + LINE * i
        length = max(min(times(row), MOST) * scale, 1)
        more = f'<text x="{LEFT + length + 2:.1f}" y="{y + 14}">›</text>' if times(row) > MOST else ""
        out.append(f'<text x="{LEFT - 10}" y="{y + 14}" text-anchor="end">{escape(short(row.measure))}</text>'
                   f'<rect class="{"yes" if row.reached() else "no"}" x="{LEFT}" y="{y + 3}" width="{length:.1f}" '
                   f'height="{LINE - 6}" rx="2"/>{more}'
                   f'<text x="{WIDTH - RIGHT + 12}" y="{y + 14}">{escape(label(row))}</text>')
    out.append(f'<path class="line" d="M{LEFT + scale:.0f} {TOP - 4}V{bottom + 4}"/>')
    out.append(f'<text class="small" x="12" y="{height - 14}">{escape(caption)}</text></svg>')
    return "\n".join(out) + "\n"


def short(measure):
    return measure if len(measure) <= 70 else measure[:67] + "…"


def label(row):
    figure = f"{row.ratio}×" if row.ratio else row.shown()
    return f"{figure} ({row.goal().removesuffix(' ' + row.unit)})"
