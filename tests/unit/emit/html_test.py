#!/usr/bin/env python3
"""html_test: the page of each spec, and the index, in a headless Chromium as wide as a phone and as a desk.

Nothing may be wider than the screen, each descriptor shows one picture with letters that can be
read, and nothing is asked of a network. A page that is too wide must fail, or nothing here says
anything.
"""

import glob
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("QSPLIT_SOURCE_DIR") or os.path.realpath(os.path.join(__file__, "../../../.."))
BIN = os.environ.get("QSPLIT_BIN_DIR") or os.path.join(SOURCE, "build/debug/bin")
WIDTHS = (390, 1400)
SMALLEST_LETTERS_PX = 7.5
# Each page in a frame of its own, which has the width of a screen for the page's style.
FRAME = '<iframe data-name="{name}" width="{width}" height="800" srcdoc="{page}"></iframe>'
MEASURE = """<pre id="out"></pre><script>
addEventListener('load', () => {
  const all = [];
  for (const frame of document.querySelectorAll('iframe')) {
    const page = frame.contentDocument, shown = [...page.querySelectorAll('svg')].filter(s => s.clientWidth > 0);
    let letters = 1000;
    for (const svg of shown) {
      letters = Math.min(letters, svg.clientWidth / svg.viewBox.baseVal.width * 10);  // the smallest class has 10 px
    }
    all.push({name: frame.dataset.name, screen: Number(frame.width), width: page.documentElement.scrollWidth,
              pictures: shown.length, forms: page.querySelectorAll('.pic').length, letters,
              outside: frame.contentWindow.performance.getEntriesByType('resource').length});
  }
  document.getElementById('out').textContent = JSON.stringify(all);
});
</script>"""


def measure(pages, folder):
    driver = os.path.join(folder, "driver.html")
    with open(driver, "w") as file:
        file.write("<!doctype html><body>")
        for name, page in pages:
            for width in WIDTHS:
                file.write(FRAME.format(name=name, width=width, page=html.escape(page)))
        file.write(MEASURE)
    run = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", f"--user-data-dir={folder}/profile",
         "--virtual-time-budget=20000", "--dump-dom", "file://" + driver],
        capture_output=True, text=True, timeout=240)
    found = re.search(r'<pre id="out">(\[.*?\])</pre>', run.stdout, re.S)
    if found is None:
        sys.exit(f"chromium measured nothing:\n{run.stderr[-2000:]}")
    return json.loads(html.unescape(found.group(1)))


def faults(row):
    if row["width"] > row["screen"]:
        yield f"is {row['width']} pixels wide"
    if row["pictures"] != row["forms"]:
        yield f"shows {row['pictures']} pictures of {row['forms']} descriptors"
    if row["letters"] < SMALLEST_LETTERS_PX:
        yield f"has letters of {row['letters']:.1f} pixels"
    if row["outside"] > 0:
        yield f"asks for {row['outside']} things"


def main():
    if shutil.which("chromium") is None:
        print("SKIPPED: no chromium, so no page was looked at; scripts/setup installs it", file=sys.stderr)
        return 77
    specs = sorted(glob.glob(os.path.join(SOURCE, "descriptor-specs/*.qdl")))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.join(BIN, "qdlc"), *specs, "--emit", "html", "-o", folder + "/"], check=True)
        pages = [(os.path.basename(path), open(path).read()) for path in sorted(glob.glob(folder + "/*.html"))]
        wide = pages[0][1].replace("</body>", "<div style='width:1500px'>wide</div></body>")
        rows = measure([*pages, ("too wide", wide)], folder)
    failed = [f"{row['name']} at {row['screen']}: {fault}" for row in rows if row["name"] != "too wide"
              for fault in faults(row)]
    if len(pages) != len(specs) + 1 or len(rows) != len(WIDTHS) * (len(pages) + 1):
        failed.append(f"{len(pages)} pages and {len(rows)} measures of {len(specs)} specs")
    if not all(list(faults(row)) for row in rows if row["name"] == "too wide"):
        failed.append("a page that is too wide was not noticed")
    for message in failed:
        print(message, file=sys.stderr)
    print(f"html: {len(pages)} pages at {WIDTHS} pixels, {sum(row['pictures'] for row in rows)} pictures, "
          f"{len(failed)} failures")
    return 1 if failed else 0


sys.exit(main())
