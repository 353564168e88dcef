#!/usr/bin/env python3
"""pipes_test: readers that go away, disks that are full, signals, and what a hostile client calls itself."""

import json
import os
import shutil
import signal
import socket
import time
import unittest

import system


class PipesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(system.System())

    def test_a_reader_that_goes_away_ends_it_quietly(self):
        for command in ["rss show nic0", "-p device list", "-d stats show nic0",
                        "stats watch nic0 --interval 10ms", "monitor"]:
            with self.subTest(command):
                run = self.system.run(f"(sleep 0.1; qsplit {command}; echo $? > status) | true; cat status")
                self.assertEqual(run.stderr, "")
                self.assertIn(int(run.stdout), {0, 128 + signal.SIGPIPE})

    def test_also_where_the_signal_is_ignored(self):
        run = self.system.run("trap '' PIPE; (qsplit stats watch nic0 --interval 10ms; echo $? > status) | true; "
                              "cat status")
        self.assertEqual((run.stdout, run.stderr), (f"{128 + signal.SIGPIPE}\n", ""))

    def test_a_full_disk_is_an_error(self):
        for command in ["device list", "-j device list", "layout list", "monitor", "stats watch nic0 --interval 10ms"]:
            with self.subTest(command):
                run = self.system.run(f"qsplit {command} > /dev/full")
                self.assertEqual(run.returncode, 1)
                self.assertRegex(run.stderr, r"^qsplit: cannot write to standard output(: No space left on device)?\n$")

    def test_signals_end_watches_quietly_and_at_once(self):
        for command in ["monitor", "stats watch nic0 --interval 10ms"]:
            for how in [signal.SIGINT, signal.SIGTERM]:
                with self.subTest(command=command, how=how):
                    self.system.start("watch", "qsplit " + command)
                    self.system.wait_for(lambda: self.system.read("watch"), "the watch prints")
                    begin = time.monotonic()
                    self.assertEqual(self.system.end("watch", how), -how)
                    self.assertLess(time.monotonic() - begin, 5)
                    self.assertEqual(self.system.read("watch", "err"), "")

    def test_monitor_prints_as_many_lines_as_asked(self):
        for count in [1, 2]:
            lines = self.system.run(f"qsplit -j monitor --count {count}").stdout.splitlines()
            self.assertEqual([set(json.loads(line)) for line in lines], [{"device"}] * count)

    def test_json_of_a_killed_client(self):
        self.system.start("m", "qsplit -j monitor")
        self.system.wait_for(lambda: "nic1" in self.system.read("m"), "the monitor watches")
        self.system.responder("a", "--ip 10.9.0.2")
        pid = self.system.programs["a"].pid
        self.system.kill("a")
        self.system.wait_for(lambda: "RELEASED" in self.system.read("m"), "the release is told")
        self.system.end("m", signal.SIGINT)
        messages = [json.loads(line) for line in self.system.read("m").splitlines()]
        events = [m["event"] for m in messages if m.get("lease", {}).get("pid") == pid]
        self.assertEqual((events[0], events[-1]), ("LEASE_EVENT_ACQUIRED", "LEASE_EVENT_RELEASED"))

    def test_the_daemon_s_end_is_told(self):
        with system.System() as other:
            other.start("m", "qsplit monitor")
            other.wait_for(lambda: "nic1" in other.read("m"), "the monitor watches")
            other.end("qsplitd", signal.SIGKILL)
            self.assertEqual(other.programs["m"].wait(system.PATIENCE), 1)
            self.assertRegex(other.read("m", "err"), r"^qsplit: .*is qsplitd running\?.*\n$")

    def test_a_device_set_by_one_is_seen_by_the_monitor_of_another(self):
        self.system.start("m", "qsplit monitor")
        self.system.wait_for(lambda: "nic1" in self.system.read("m"), "the monitor watches")
        self.assertEqual(self.system.run("qsplit device set nic1 --mtu 1400").returncode, 0)
        self.system.wait_for(lambda: "nic1: link up, mtu 1400" in self.system.read("m"), "the MTU is told")
        self.system.end("m", signal.SIGINT)

    def assert_no_controls(self, text):
        self.assertFalse([c for c in text if (c < " " and c != "\n") or "\x7f" <= c <= "\x9f"], text)

    def test_a_program_called_by_an_escape_sequence(self):
        hostile = "\x1b[31mevil\u009b"
        shutil.copy(os.path.join(system.BIN, "qsplit-first-client"), os.path.join(self.system.dir, hostile))
        self.system.start("m", "qsplit monitor")
        self.system.wait_for(lambda: "nic1" in self.system.read("m"), "the monitor watches")
        client = self.system.start("evil", f"./$'{hostile}'")
        self.system.wait_for(lambda: "evil" in self.system.read("m"), "its lease is told")
        leases = self.system.json("qsplit -j lease list")["leases"]
        number = next(lease["lease_id"] for lease in leases if lease["pid"] == client.pid)
        shown = self.system.run(f"qsplit lease list; qsplit lease show {number}; qsplit -j lease list").stdout
        self.system.kill("evil")
        self.system.end("m", signal.SIGINT)
        for text in [shown, self.system.read("m")]:
            self.assertIn("?[31mevil??", text)
            self.assert_no_controls(text)
        self.assert_no_controls(self.system.read("qsplitd", "err"))

    def test_a_client_that_says_an_escape_sequence_is_refused(self):
        name = b"\x1b]0;owned\x07"
        hello = b"\x08\x01\x12" + bytes([len(name)]) + name  # Hello{protocol: 1, program: name}
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(os.path.join(self.system.run_dir, "session.sock"))
            client.send(b"\x0a" + bytes([len(hello)]) + hello)  # SessionRequest{hello}
            self.assertIn(b"program", client.recv(4096))
        self.assert_no_controls(self.system.read("qsplitd", "err"))


unittest.main()
