"""scripts/bench without measuring: rows out of what programs print, table, JSON, picture and pages out of rows."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from unittest import mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts", "bench.d"))

import collect  # noqa: E402
import picture  # noqa: E402
import programs  # noqa: E402
import readers  # noqa: E402
import table  # noqa: E402

os.environ.setdefault("QSPLIT_BINARY_DIR", ROOT)
os.environ.setdefault("QSPLIT_BIN_DIR", ROOT)
sys.path.insert(0, os.path.join(ROOT, "tests", "bench", "memif"))
import throughput  # noqa: E402

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
        self.assertEqual(compiled.ratios, "", "of one process there is no spread")
        self.assertIs(interpreted.reached(), False)
        self.assertIn("by hand 3.24 ns", compiled.how)

    def test_contests_of_several_processes_have_the_median_of_their_ratios(self):
        slow = CONTEST.replace(" 3.24 ns     3.23 ..   3.33", " 2.83 ns     2.60 ..   2.99")
        slower = CONTEST.replace(" 3.24 ns     3.23 ..   3.33", " 2.50 ns     2.40 ..   2.55")
        compiled, _ = rows(readers.contests(CONTEST + slow + slower))
        self.assertEqual((compiled.ratio, compiled.ratios), ("1.00", "0.87 to 1.13"))
        self.assertEqual(compiled.how, "2.80 to 2.91; by hand 2.83 ns (2.40 to 3.33); 3 processes; to the best of them, "
                                       "2.50 ns, 1.13x")
        self.assertIn("| 2.83 ns/packet | 1.00× (0.87 to 1.13) | ≤ 1.05×, reached |", table.markdown([compiled]))

    def test_compared_is_with_the_fastest_by_hand_of_each_process(self):
        other = ("  by hand, otherwise                    {} ns     9.00 ..   9.99 ns    1.00x\n")
        first, second = (CONTEST.rstrip() + "\n" + other.format(ns) for ns in ("9.00", "2.83"))
        compiled = rows(readers.contests(first + second))[-2]
        self.assertEqual((compiled.measure, compiled.ratios), ("receive, some.nic, compiled", "0.87 to 1.00"))

    def test_all_processes_of_a_program_are_run(self):
        program = programs.Program("echo", "echo {word}", processes=({"word": "one"}, {"word": "two"}))
        self.assertEqual(collect.run(program, True, None), (0, "one --quick\ntwo --quick\n"))
        self.assertEqual(collect.run(program._replace(command="false {word}"), False, None)[0], 1)

    def test_tables_of_old(self):
        one, median = rows(readers.packets(PACKETS))
        self.assertEqual(one.value, "1.00")
        self.assertIn("7.00 ns sent", one.unit)
        self.assertTrue(median.measure.endswith("median of all"))


class Memif(unittest.TestCase):
    def test_ratios_are_of_each_round(self):
        found = {("wire", 64, "memif"): [10.0, 20.0, 5.0], ("wire", 64, "some.nic"): [15.0, 10.0, 5.0],
                 ("latency", 64, "some.nic"): [100.0], ("idle", 64, "some.nic"): [0.456]}
        memif, ours, alone, idle = throughput.summary(found)
        self.assertEqual((ours["to_memif"], ours["ratios"], ours["target"]), (1.0, "0.50 to 1.50", ">= 1.5"))
        self.assertNotIn("to_memif", memif)
        self.assertNotIn("to_memif", alone)
        self.assertEqual((alone["unit"], idle["median"], idle["unit"]), ("ns", 0.46, "% of a processor"))

    def test_a_setting_reaches_the_interface(self):
        setting = throughput.Memif.parse("2048,64,zero-copy")
        self.assertEqual(setting, (2048, 64, True))
        client, server = setting.vdev("client", "/x"), setting.vdev("server", "/x")
        self.assertTrue(client.endswith(",socket=/x/memif.sock,rsize=11,zero-copy=yes"), client)
        self.assertTrue(server.endswith(",rsize=11"), "the client's memory is the one that is shared")
        self.assertEqual((setting.eal("client"), setting.eal("server")), (["--single-file-segments"], []))
        for settings, kind in ((throughput.MEMIF_BEST, throughput.Memif), (throughput.SOFTNIC_BEST, throughput.Softnic)):
            self.assertEqual({type(setting) for setting in settings.values()}, {kind})
        row = {"way": "memif", "measure": "wire", "bytes": 64, "runs": 7, "least": 1, "most": 2, "unit": "packets/s"}
        said = {huge: throughput.how(row, throughput.Bench(1, huge, {(None, None): setting}, {}, "")) for huge in (True, False)}
        self.assertIn("rings of 2,048 slots, bursts of 64, zero-copy", said[True])
        self.assertNotIn("huge", said[True])
        self.assertIn("; WITHOUT huge pages", said[False])
        for wrong in ("1000,32,copy", "1024,32,no"):
            with self.assertRaises(argparse.ArgumentTypeError):
                throughput.Memif.parse(wrong)


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
                file.write(table.json_text(FACTS, rows(readers.tabs(TABS))))
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
            with open(root + "/docs/bench.json", encoding="utf-8") as kept:
                self.assertEqual(kept.read(), table.json_text(FACTS, rows(readers.tabs(TABS))))
            xml.etree.ElementTree.parse(root + "/docs/images/bench.svg")

    def test_a_part_does_not_become_the_pages(self):
        part = [sys.executable, ROOT + "/scripts/bench.d/collect.py", "--readme"]
        done = subprocess.run([*part, "--only", "no such program"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("--only leaves rows out", done.stderr)
        for facts, why in (({"only": "access"}, "only access was measured"), ({"failed": ["x", "y"]}, "x, y: failed"),
                           ({"not_built": ["z"]}, "z: not built")):
            with tempfile.TemporaryDirectory() as root:
                with open(root + "/part.json", "w", encoding="utf-8") as file:
                    file.write(table.json_text(FACTS | facts, rows(readers.tabs(TABS))))
                done = subprocess.run([*part, "--from", root + "/part.json", "--root", root], capture_output=True,
                                      text=True, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn("the pages stay as they are: " + why, done.stderr)
                self.assertEqual(os.listdir(root), ["part.json"])

    def test_what_cannot_be_is_said_before_anything_is_measured(self):
        def bench(*words):
            done = subprocess.run([ROOT + "/scripts/bench", *words], capture_output=True, text=True, check=False)
            self.assertEqual(done.stdout, "")
            return done.returncode, done.stderr

        for words, status, why in ((("--only", "no such"), 2, "--only no such: no program's name has that"),
                                   (("--only",), 2, "--only needs a word"), (("--json", ""), 2, "--json needs a word"),
                                   (("--json", "/nowhere/x"), 2, "there is no folder /nowhere"),
                                   (("--svg", ROOT), 2, "cannot be written"), (("--wrong",), 2, "unknown option"),
                                   (("--from", "/nowhere"), 1, "--from /nowhere: not what --json writes"),
                                   (("--from", __file__), 1, "not what --json writes")):
            got, said = bench(*words)
            self.assertEqual(got, status, words)
            self.assertIn(why, said)
            self.assertNotIn("Traceback", said)

    def test_only_what_is_measured_is_built(self):
        done = subprocess.run([sys.executable, ROOT + "/scripts/bench.d/collect.py", "--targets", "--only", "layout"],
                              capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.split(), ["bench_layout", *programs.TARGETS_OF_BUILD])

    def test_what_is_not_built_and_what_fails_is_noted(self):
        nothing, wrong = programs.Program("nothing", "/nowhere/nothing"), programs.Program("wrong", "false")
        with mock.patch.object(collect, "PROGRAMS", (nothing, wrong)):
            facts, found = collect.measure(True, "")
        self.assertEqual((facts["not_built"], facts["failed"], found), (["nothing"], ["wrong"], []))

    def test_without_machine_code_it_says_so(self):
        self.assertNotIn("QSPLIT_JIT", table.machine(FACTS | {"interpreted": False}))
        self.assertIn("; QSPLIT_JIT=0: NOTHING had machine code", table.machine(FACTS | {"interpreted": True}))
        for said, interpreted in (("0", True), ("1", False)):
            with mock.patch.dict(os.environ, {"QSPLIT_JIT": said}):
                self.assertIs(collect.facts_of_machine(False, "")["interpreted"], interpreted)

    def test_a_machine_that_was_not_quiet_says_so(self):
        self.assertNotIn("ABOVE", table.machine(FACTS | {"load": 0.5}))
        self.assertIn("load 0.51 at the start, ABOVE 0.5", table.machine(FACTS | {"load": 0.51}))
        self.assertIs(json.loads(table.json_text(FACTS | {"load": 2.5}, []))["busy"], True)
        self.assertIs(json.loads(table.json_text(FACTS, []))["busy"], False)
        self.assertIn("; ONLY x; WITHOUT z, y",
                      table.machine(FACTS | {"only": "x", "failed": ["y"], "not_built": ["z"]}))

    def test_a_tree_that_was_changed_is_dirty(self):
        with tempfile.TemporaryDirectory() as root:
            def git(*words):
                subprocess.run(["git", "-C", root, "-c", "user.name=a", "-c", "user.email=a@b.invalid", *words], check=True,
                               capture_output=True)

            git("init")
            for text in ("one", "two"):
                with open(root + "/file", "w", encoding="utf-8") as file:
                    file.write(text)
                if text == "one":
                    git("add", "file")
                    git("commit", "-m", "one")
                    self.assertRegex(collect.version_of(root), "^[0-9a-f]{7,}$")
            self.assertRegex(collect.version_of(root), "^[0-9a-f]{7,}-dirty$")
        self.assertEqual(collect.version_of("/nowhere"), "no version")

    def test_pages_of_this_tree_are_made_of_its_json(self):
        if not os.path.exists(ROOT + "/docs/bench.json"):
            self.skipTest("no whole run has been kept yet")
        made = ("README.md", "docs/bench.md", "docs/images/bench.svg", "docs/bench.json")
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(root + "/docs/images")
            for name in made:
                shutil.copy(f"{ROOT}/{name}", f"{root}/{name}")
            subprocess.run([sys.executable, ROOT + "/scripts/bench.d/collect.py", "--from", ROOT + "/docs/bench.json",
                            "--readme", "--root", root], check=True, capture_output=True)
            for name in made:
                with open(f"{ROOT}/{name}", encoding="utf-8") as here, open(f"{root}/{name}", encoding="utf-8") as new:
                    self.assertEqual(here.read(), new.read(), f"{name}: scripts/bench --from docs/bench.json --readme")

    def test_pages_of_this_tree_have_their_blocks(self):
        for name in ("README.md", "docs/bench.md"):
            with open(f"{ROOT}/{name}", encoding="utf-8") as page:
                text = page.read()
            self.assertEqual((text.count("<!-- bench: "), text.count("<!-- /bench -->")), (1, 1), name)


if __name__ == "__main__":
    unittest.main()
