#!/usr/bin/env python3
"""completion_test: what bash offers for command lines, with the names that a live daemon knows."""

import os
import shlex
import unittest

import system
from verbs import OBJECTS, VERBS

SCRIPT = os.path.join(system.SOURCE, "cli/completion/qsplit.bash")
FLOW_TYPES = "ether ip4 tcp4 udp4 sctp4 ah4 esp4 ip6 tcp6 udp6 sctp6 ah6 esp6".split()
FAULTS = "link-down stall-queue lose-completion repeat-completion delay-completion wrong-length".split()
GLOBAL = "--json --pretty --detail --runtime-dir --help --version".split()


class CompletionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = cls.enterClassContext(system.System())
        cls.system.responder("a", "--ip 10.9.0.2 --no-icmp")
        cls.lease = cls.system.json("qsplit -j lease list")["leases"][0]["lease_id"]

    def offered(self, line, where=None):
        """COMPREPLY for a line that ends where the cursor stands."""
        words = line.split(" ")
        script = (f"source {shlex.quote(SCRIPT)}; COMP_WORDS=({' '.join(map(shlex.quote, words))}); "
                  f"COMP_CWORD={len(words) - 1}; f=$(complete -p {words[0]} | sed -E 's/.*-F ([^ ]+).*/\\1/'); "
                  "$f; ((${#COMPREPLY[@]} == 0)) || printf '%s\\n' \"${COMPREPLY[@]}\"")
        run = (where or self.system).run(script)
        self.assertEqual((run.returncode, run.stderr), (0, ""), line)
        return run.stdout.split()

    def test_objects_and_verbs(self):
        self.assertCountEqual(self.offered("qsplit "), [*OBJECTS, *GLOBAL])
        for name, verbs in OBJECTS.items():
            self.assertCountEqual(self.offered(f"qsplit {name} "), (verbs or ["--count"]) + ["--help"])
        self.assertEqual(self.offered("qsplit r"), ["region", "rule", "rss"])
        self.assertEqual(self.offered("qsplit -j lay"), ["layout"])
        self.assertEqual(self.offered("qsplit nope "), ["--help"])

    def test_names_of_devices(self):
        for line in ["device show", "rule list", "rule add", "rule del", "rss show", "stats show",
                     "queue why", "queue dump", "fault inject"]:
            self.assertEqual(self.offered(f"qsplit {line} "), ["nic0", "nic1"], line)
        self.assertEqual(self.offered("qsplit -p stats watch n"), ["nic0", "nic1"])
        self.assertEqual(self.offered("qsplit device show x"), [])

    def test_numbers_of_leases_and_rules(self):
        self.assertEqual(self.offered("qsplit lease show "), [self.lease])
        self.assertEqual(self.offered("qsplit lease revoke "), [self.lease])
        self.assertEqual(self.offered("qsplit rule add --lease "), [self.lease])
        self.assertEqual(self.offered("qsplit rule del nic0 "), ["1023"])
        self.assertEqual(self.offered("qsplit rule del nic1 "), [])

    def test_layouts(self):
        self.assertEqual(self.offered("qsplit layout show "), [system.LAYOUT])
        self.assertEqual(self.offered("qsplit layout emit "),
                         ["text", "diagram", "qdl", "format", "json", "svg", "c++", "c", "bpf", "kaitai", "html"])
        self.assertEqual(self.offered("qsplit layout emit json "), [system.LAYOUT])
        self.assertEqual(self.offered("qsplit layout decode "), [system.LAYOUT])
        self.assertEqual(self.offered("qsplit layout check qsplitd.to"), ["qsplitd.toml"])

    def test_rules_in_ethtools_words(self):
        self.assertEqual(self.offered("qsplit rule add nic0 "), ["flow-type"])
        self.assertEqual(self.offered("qsplit rule add nic0 flow-type "), FLOW_TYPES)
        self.assertEqual(self.offered("qsplit rule add --lease 1 nic0 flow-type udp"), ["udp4", "udp6"])
        self.assertEqual(self.offered("qsplit rule add nic0 flow-type udp4 dst-p"), ["dst-port"])
        self.assertEqual(self.offered("qsplit rule add nic0 flow-type udp4 dst-port "), [])
        self.assertIn("action", self.offered("qsplit rule add nic0 flow-type udp4 dst-port 1 "))
        self.assertEqual(self.offered("qsplit rule add nic0 flow-type udp4 action p"), ["pass"])

    def test_faults_and_options(self):
        self.assertEqual(self.offered("qsplit fault inject nic0 "), FAULTS)
        self.assertEqual(self.offered("qsplit fault inject nic0 stall-queue "),
                         ["--queue", "--tx", "--count", "--duration"])
        self.assertEqual(self.offered("qsplit fault inject nic0 stall-queue --queue "), [])
        self.assertEqual(self.offered("qsplit rule add --l"), ["--lease"])
        self.assertEqual(self.offered("qsplit fault inject nic0 link"), ["link-down"])
        self.assertEqual(self.offered("qsplit device set nic0 --promisc "), ["on", "off"])
        self.assertEqual(self.offered("qsplit device set nic0 --m"), ["--mtu"])
        self.assertEqual(self.offered("qsplit stats watch nic0 --interval "), [])

    def test_what_is_offered_is_what_help_lists(self):
        for verb in VERBS:
            if verb == "monitor":
                continue
            offered = set()
            for words in ["", "x ", "x y "]:
                offered |= {w for w in self.offered(f"qsplit {verb} {words}-") if w.startswith("--")}
            text = self.system.run(f"qsplit {verb} --help").stdout
            for option in offered:
                self.assertIn(option, text, verb)

    def test_the_daemon_of_another_folder(self):
        with system.System(daemon=False) as empty:
            self.assertEqual(self.offered("qsplit device show ", empty), [])
            line = f"qsplit --runtime-dir {self.system.run_dir} device show "
            self.assertEqual(self.offered(line, empty), ["nic0", "nic1"])

    def test_the_other_programs(self):
        for program in ["qsplitd", "qdlc"]:
            text = self.system.run(f"{program} --help").stdout
            offered = self.offered(f"{program} --")
            for option in offered:
                if option != "--output":
                    self.assertIn(option, text)
            self.assertIn("--check", offered)
        self.assertEqual(self.offered("qsplitd --log-level w"), ["warning"])
        self.assertEqual(self.offered("qsplitd --config qsplitd.to"), ["qsplitd.toml"])
        self.assertEqual(self.offered("qdlc --emit "), 
                         ["layout", "text", "diagram", "qdl", "format", "json", "svg", "c++", "c", "bpf", "kaitai", "html", "roles"])


unittest.main()
