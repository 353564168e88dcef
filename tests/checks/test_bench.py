"""scripts/bench without measuring: rows out of what programs print, table, JSON, picture and pages out of rows."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts", "bench.d"))

import picture  # noqa: E402
import programs  # noqa: E402
import readers  # noqa: E402
import table  # noqa: E402

FACTS = {"date": "2026-01-02", "cpu": "a <CPU>", "cpus": 2, "kernel": "6.18", "load": 0.1, "version": "abc", "quick": False,
         "left_out": []}
TABS = "hello\nLease, median\t1.50\tms\t200 times\t\t< 2\nPackets\t1234567\tpackets/s\tone thread\nWay\t9\tns\thow\t1.10\n"
CONTEST = """
receive, some.nic                       median        least .. most    ratio
  by hand                               3.24 ns     3.23 ..   3.33 ns    1.00x
  compiled                              2.83 ns     2.80 ..   2.91 ns    0.87x
  interpreted                          10.85 ns    10.74 ..  10.87 ns    3.35x
"""
PACKETS = """noise
layout                  driver
some.nic   1.00   2.00   3.00   4.00   5.00   6.00   7.00   8.00   9.00
median   1.00   2.00   3.00   4.00   5.00   6.00   7.00   8.00   9.00
"""
PAGE = "before\n<!-- bench: written by scripts/bench --readme -->\nold\n<!-- /bench -->\nafter\n"


def rows(columns):
    return list(table.rows_of(columns, programs.TARGETS))


class Readers(unittest.TestCase):
    def test_rows_with_tabs(self):
        lease, packets, way = rows(readers.tabs(TABS))
        self.assertEqual((lease.goal(), lease.reached()), ("< 2 ms", True))
        self.assertEqual((packets.shown(), packets.reached()), ("1,234,567 packets/s", None))
        self.assertEqual((way.ratio, way.target), ("1.10", ""))

    def test_contests_compare_with_the_first(self):
        compiled, interpreted = rows(readers.contests(CONTEST))
        self.assertEqual((compiled.measure, compiled.ratio, compiled.goal(), compiled.reached()),
                         ("receive, some.nic, compiled", "0.87", "≤ 1.05×", True))
        self.assertIs(interpreted.reached(), False)
        self.assertIn("by hand 3.24 ns", compiled.how)

    def test_tables_of_old(self):
        one, median = rows(readers.packets(PACKETS))
        self.assertEqual(one.value, "1.00")
        self.assertIn("7.00 ns sent", one.unit)
        self.assertTrue(median.measure.endswith("median of all"))


class Outputs(unittest.TestCase):
    def test_picture_is_xml_with_a_bar_for_each_target(self):
        drawn = picture.draw(rows([*readers.contests(CONTEST), *readers.tabs(TABS)]), table.machine(FACTS))
        bars = [e.get("class") for e in xml.etree.ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}rect")]
        self.assertEqual(bars, ["page", "yes", "no", "yes"])
        self.assertIn("2 of 3 targets are reached", drawn)
        self.assertIn("prefers-color-scheme: dark", drawn)

    def test_pages_and_json_are_rewritten(self):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(root + "/docs/images")
            for name in ("README.md", "docs/bench.md"):
                with open(f"{root}/{name}", "w", encoding="utf-8") as page:
                    page.write(PAGE)
            with open(root + "/old.json", "w", encoding="utf-8") as file:
                json.dump(table.as_json(FACTS, rows(readers.tabs(TABS))), file)
            command = [sys.executable, ROOT + "/scripts/bench.d/collect.py", "--from", root + "/old.json", "--readme",
                       "--root", root, "--json", root + "/new.json"]
            for _ in range(2):  # once more changes nothing
                subprocess.run(command, check=True, capture_output=True)
            with open(root + "/README.md", encoding="utf-8") as page:
                readme = page.read()
            self.assertTrue(readme.startswith("before\n") and readme.endswith("after\n"), readme)
            self.assertIn("| Lease, median | 1.50 ms |  | < 2 ms, reached | 200 times |", readme)
            self.assertNotIn("1,234,567", readme, "what has no target stands in docs/bench.md alone")
            with open(root + "/docs/bench.md", encoding="utf-8") as page:
                self.assertIn("1,234,567", page.read())
            with open(root + "/old.json", encoding="utf-8") as old, open(root + "/new.json", encoding="utf-8") as new:
                self.assertEqual(json.load(old), json.load(new))
            xml.etree.ElementTree.parse(root + "/docs/images/bench.svg")

    def test_pages_of_this_tree_have_their_blocks(self):
        for name in ("README.md", "docs/bench.md"):
            with open(f"{ROOT}/{name}", encoding="utf-8") as page:
                text = page.read()
            self.assertEqual((text.count("<!-- bench: "), text.count("<!-- /bench -->")), (1, 1), name)


if __name__ == "__main__":
    unittest.main()
