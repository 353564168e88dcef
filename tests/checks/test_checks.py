"""Each check of scripts/checks refuses its bad samples and lets the good one pass.

  test_checks.py            all of them
  test_checks.py Walls      one check's
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True


class Check(unittest.TestCase):
    """Gives each test a tree of its own and runs a check over it."""

    check = ""

    def setUp(self):
        self.tree = tempfile.mkdtemp(prefix="qsplit-checks-")
        self.addCleanup(shutil.rmtree, self.tree)

    def write(self, path, text):
        path = os.path.join(self.tree, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def run_check(self, *arguments, env=None):
        return subprocess.run(
            [sys.executable, "-B", os.path.join(ROOT, "scripts/checks", self.check), "--root", self.tree, *arguments],
            capture_output=True, text=True, check=False, env={**os.environ, **(env or {})},
        )

    def assert_clean(self, *arguments, **more):
        run = self.run_check(*arguments, **more)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout

    def assert_found(self, *texts, arguments=()):
        """The check fails, and some one line of its output holds all the texts."""
        run = self.run_check(*arguments)
        self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
        self.assertTrue(
            any(all(t in line for t in texts) for line in run.stdout.splitlines()),
            f"no line with {texts} in:\n{run.stdout}",
        )


class Walls(Check):
    check = "walls"

    def include(self, path, name):
        self.write(path, f"// A file.\n#include {name}\n")

    def test_what_the_design_allows(self):
        self.include("daemon/ingress/lease_service.cc", '"qsplit/v1/lease.grpc.pb.h"')
        self.include("daemon/ingress/session_socket.cc", "<sys/socket.h>")
        self.include("daemon/lease/table.cc", '"daemon/device/device.h"')
        self.include("daemon/device/device.h", '"daemon/linux/owned_fd.h"')
        self.include("daemon/backend/softnic/wire.cc", "<linux/if_tun.h>")
        self.include("daemon/linux/ethtool.cc", "<linux/ethtool.h>")
        self.include("dataplane/ring.cc", '"descriptor-lang/layout/layout.h"')
        self.include("descriptor-lang/layout/verify.cc", '"qsplit/v1/layout.pb.h"')
        self.include("client-lib/src/session.cc", "<qsplit/session.h>")
        self.include("client-lib/examples/responder.cc", "<qsplit/session.h>")
        self.include("cli/device.cc", "<qsplit/session.h>")
        self.include("daemon/main.cc", '"daemon/ingress/server.h"')
        self.include("tests/unit/x_test.cc", '"daemon/linux/fd.h"')
        self.assert_clean()

    def test_services_outside_ingress(self):
        self.include("daemon/lease/table.cc", '"qsplit/v1/lease.grpc.pb.h"')
        self.assert_found("daemon/lease/table.cc:2", "only daemon/ingress")

    def test_grpc_in_main(self):
        self.include("daemon/main.cc", "<grpcpp/grpcpp.h>")
        self.assert_found("daemon/main.cc:2", "only daemon/ingress")

    def test_kernel_header_outside_linux_and_backend(self):
        for path in ("daemon/ingress/a.cc", "daemon/region/a.cc", "daemon/device/a.h"):
            for name in ("<linux/if_link.h>", "<net/if.h>", "<sys/ioctl.h>", "<netlink/netlink.h>"):
                self.include(path, name)
                self.assert_found(f"{path}:2", "only daemon/linux and daemon/backend")
            os.remove(os.path.join(self.tree, path))

    def test_daemon_and_client_never_meet(self):
        self.include("daemon/session/a.cc", "<qsplit/session.h>")
        self.assert_found("daemon/session/a.cc:2", "qsplit/session.h")
        self.include("daemon/session/a.cc", "<memory>")
        self.include("client-lib/src/a.cc", '"daemon/linux/fd.h"')
        self.assert_found("client-lib/src/a.cc:2", "daemon/linux/fd.h")

    def test_dataplane_knows_no_message_and_no_socket(self):
        self.include("dataplane/a.cc", '"qsplit/v1/layout.pb.h"')
        self.assert_found("dataplane/a.cc:2")
        self.include("dataplane/a.cc", "<sys/socket.h>")
        self.assert_found("dataplane/a.cc:2")
        self.include("dataplane/a.cc", '"descriptor-lang/syntax/parser.h"')
        self.assert_found("dataplane/a.cc:2")

    def test_logic_makes_no_system_call_and_reads_no_clock(self):
        self.include("daemon/region/a.cc", "<sys/mman.h>")
        self.assert_found("daemon/region/a.cc:2", "no system call")
        self.write("daemon/region/a.cc", "auto t = std::chrono::steady_clock::now();\n")
        self.assert_found("daemon/region/a.cc:1", "clock is injected")

    def test_device_does_not_look_up(self):
        self.include("daemon/device/device.h", '"daemon/lease/table.h"')
        self.assert_found("daemon/device/device.h:2")

    def test_logic_takes_no_wrapper_of_the_kernel(self):
        self.include("daemon/region/a.cc", '"daemon/linux/memfd.h"')
        self.assert_found("daemon/region/a.cc:2")

    def test_backend_does_not_look_up(self):
        self.include("daemon/backend/softnic/nic.cc", '"daemon/session/session.h"')
        self.assert_found("daemon/backend/softnic/nic.cc:2")

    def test_backends_do_not_see_each_other(self):
        self.include("daemon/backend/softnic/nic.cc", '"daemon/backend/vfio/pci.h"')
        self.assert_found("daemon/backend/softnic/nic.cc:2")

    def test_nothing_includes_the_ingress(self):
        self.include("daemon/lease/table.cc", '"daemon/ingress/server.h"')
        self.assert_found("daemon/lease/table.cc:2")

    def test_cli_uses_the_public_library(self):
        self.include("cli/device.cc", '"client-lib/src/session_impl.h"')
        self.assert_found("cli/device.cc:2")

    def test_example_uses_nothing_private(self):
        self.include("client-lib/examples/responder.cc", '"client-lib/src/session_impl.h"')
        self.assert_found("client-lib/examples/responder.cc:2")

    def test_relative_path(self):
        self.include("dataplane/a.h", "<cstdint>")
        self.include("dataplane/a.cc", '"a.h"')
        self.assert_found("dataplane/a.cc:2", "from the root")

    def test_unknown_room(self):
        self.include("daemon/attic/a.cc", "<cstdint>")
        self.assert_found("daemon/attic/a.cc", "no room")

    def test_tests_are_included_by_nobody(self):
        self.include("dataplane/a.cc", '"tests/unit/fake.h"')
        self.assert_found("dataplane/a.cc:2")


class Vendors(Check):
    check = "vendors"

    def test_names_where_they_may_stand(self):
        for path in ("descriptor-specs/acme.rocket.advanced.qdl", "daemon/backend/vfio/ixgbe.cc",
                     "tests/unit/ixgbe_test.cc", "docs/ixgbe.md", "README.md"):
            self.write(path, "ixgbe by intel\n")
        self.write("dataplane/advanced.cc", "// an intelligent amd64 program, in advance\n")
        self.assert_clean()

    def test_a_fixed_name(self):
        self.write("dataplane/ring.cc", "\nint IxgbeRing();\n")
        self.assert_found("dataplane/ring.cc:2", "Ixgbe")

    def test_a_short_name_as_a_word(self):
        self.write("cli/help.cc", '"layout show intel.thing"\n')
        self.assert_found("cli/help.cc:1", "intel")

    def test_a_name_of_a_spec_of_this_tree(self):
        self.write("descriptor-specs/acme.rocket.advanced.qdl", "")
        self.write("dataplane/ring.cc", "// as rocket does\n")
        self.assert_found("dataplane/ring.cc:1", "rocket")

    def test_a_file_name(self):
        self.write("dataplane/mlx5_ring.cc", "")
        self.assert_found("dataplane/mlx5_ring.cc:1", "mlx5")


GOOD_PROTO = """\
syntax = "proto3";
package qsplit.v1;

// A colour.
enum Colour {
  // Not said.
  COLOUR_UNSPECIFIED = 0;
  // Red.
  COLOUR_RED = 1;
}
// Of Get.
message GetRequest {
  // Which.
  string name = 1;
  // How many.
  optional uint32 count = 2;
}
// Of Get.
message GetResponse {
  // The colour.
  Colour colour = 1;
}
// Reads.
service ThingService {
  // Gets one.
  rpc Get(GetRequest) returns (GetResponse);
}
"""


class Proto(Check):
    check = "proto"
    path = "proto/qsplit/v1/thing.proto"

    def setUp(self):
        super().setUp()
        self.write(self.path, GOOD_PROTO)
        self.assert_clean("--update")

    def change(self, old, new):
        self.assertIn(old, GOOD_PROTO)
        self.write(self.path, GOOD_PROTO.replace(old, new))

    def test_good(self):
        self.assert_clean()

    def test_missing_comments(self):
        for comment, what in (("// A colour.\n", "enum Colour"), ("  // Red.\n", "Colour.COLOUR_RED"),
                              ("  // Which.\n", "GetRequest.name"), ("// Reads.\n", "service ThingService"),
                              ("  // Gets one.\n", "rpc ThingService.Get")):
            self.change(comment, "")
            self.assert_found(what, "no comment")

    def test_names(self):
        self.change("string name", "string theName")
        self.assert_found("theName", "lower_snake_case")
        self.change("COLOUR_RED", "RED")
        self.assert_found("RED", "COLOUR_")
        self.change("COLOUR_UNSPECIFIED", "COLOUR_NONE")
        self.assert_found("COLOUR_UNSPECIFIED")
        self.change("rpc Get(", "rpc Fetch(")
        self.assert_found("FetchRequest")

    def test_changed_number(self):
        self.change("name = 1", "name = 7")
        self.assert_found(f"{self.path}:", "GetRequest.name had number 1 and has 7")

    def test_renamed_field(self):
        self.change("string name = 1", "string title = 1")
        self.assert_found("GetRequest.title uses number 1 again")

    def test_removed_without_reserved(self):
        self.change("  // Which.\n  string name = 1;\n", "")
        self.assert_found("GetRequest.name is gone", "reserved 1")
        self.change("  // Which.\n  string name = 1;\n", "  reserved 1;\n")
        self.assert_found("GetRequest.name is gone", 'reserved "name"')
        self.change("  // Which.\n  string name = 1;\n", '  reserved 1;\n  reserved "name";\n')
        self.assert_clean()

    def test_removed_and_forgotten(self):
        """The lock remembers a number even after the reservation is dropped."""
        self.change("  // Which.\n  string name = 1;\n", '  reserved 1;\n  reserved "name";\n')
        self.assert_clean("--update")
        self.change("string name = 1", "bytes name2 = 1")
        self.assert_found("uses number 1 again")

    def test_removed_message(self):
        self.change("// Of Get.\nmessage GetResponse {\n  // The colour.\n  Colour colour = 1;\n}\n", "")
        self.write(self.path, open(os.path.join(self.tree, self.path), encoding="utf-8").read().split("// Reads.")[0])
        self.assert_found("GetResponse", "is gone")

    def test_new_field_must_be_recorded(self):
        self.change("string name = 1;", "string name = 1;\n  // More.\n  string more = 3;")
        self.assert_found("not recorded", "--update")
        self.assert_clean("--update")
        self.assert_clean()


class Format(Check):
    check = "format"

    def setUp(self):
        super().setUp()
        shutil.copy(os.path.join(ROOT, ".clang-format"), self.tree)

    def test_bad_then_fixed(self):
        self.write("dataplane/a.cc", "int  f( ){return 1 ;}\n")
        self.assert_found("dataplane/a.cc:1", "--fix")
        self.assert_clean("--fix")
        self.assert_clean()


class Size(Check):
    check = "size"

    def test_limits(self):
        self.write("dataplane/a.cc", "\n" * 400)
        self.assertNotIn("warning", self.assert_clean())
        self.write("dataplane/a.cc", "\n" * 401)
        self.assertIn("dataplane/a.cc:401: warning", self.assert_clean())
        self.write("dataplane/a.cc", "\n" * 501)
        self.assert_found("dataplane/a.cc:501", "501 lines")


class Hosts(Check):
    check = "hosts"

    def test_a_host(self):
        self.write("docs/setup.md", "take it from packages.example.test\n")
        self.assert_found("docs/setup.md:1", arguments=["--host", "packages.example.test"])
        self.assert_clean("--host", "other.example.test")

    def test_hosts_of_this_machine(self):
        self.write("a.sh", "curl https://index.example.test/simple\n")
        run = self.run_check()
        before = run.returncode
        run = self.run_check(env={"PIP_INDEX_URL": "https://user:word@index.example.test/simple"})
        self.assertEqual((before, run.returncode), (0, 1), run.stdout)
        self.assertNotIn("example.test", run.stdout)


class Headers(Check):
    """The check is a target of the build: the sample is a project with the same module."""

    check = "headers"

    def setUp(self):
        super().setUp()
        self.write("CMakeLists.txt", f"""\
cmake_minimum_required(VERSION 3.25)
project(sample LANGUAGES CXX)
foreach(target qsplit_proto qsplit_grpc qsplit_nl)
  add_library(${{target}} INTERFACE)
endforeach()
foreach(target CLI11::CLI11 spdlog::spdlog tomlplusplus::tomlplusplus)
  add_library(${{target}} INTERFACE IMPORTED)
endforeach()
include({ROOT}/cmake/QsplitHeaders.cmake)
""")

    def configure(self):
        subprocess.run(["cmake", "-S", self.tree, "-B", f"{self.tree}/build", "-G", "Ninja"],
                       check=True, capture_output=True)

    def test_header_that_leans_on_another(self):
        self.write("dataplane/a.h", "#pragma once\nstd::string f();\n")
        self.configure()
        run = self.run_check("--build", "build")
        self.assertEqual(run.returncode, 1, run.stdout)
        self.assertIn("dataplane/a.h:2", run.stdout)

    def test_header_without_guard(self):
        self.write("dataplane/a.h", "struct A {};\n")
        self.configure()
        run = self.run_check("--build", "build")
        self.assertEqual(run.returncode, 1)
        self.assertIn("redefinition of", run.stdout)

    def test_good(self):
        self.write("dataplane/a.h", "#pragma once\n#include <string>\nstd::string f();\n")
        self.configure()
        self.assert_clean("--build", "build")

    def test_no_build(self):
        self.assertEqual(self.run_check("--build", "build").returncode, 2)


class Tidy(Check):
    check = "tidy"

    def setUp(self):
        super().setUp()
        shutil.copy(os.path.join(ROOT, ".clang-tidy"), self.tree)
        self.write("CMakeLists.txt", """\
cmake_minimum_required(VERSION 3.25)
project(sample LANGUAGES CXX)
add_custom_target(generated_headers)
add_library(a STATIC dataplane/a.cc)
target_include_directories(a PRIVATE .)
""")

    def test_bad_good_and_remembered(self):
        self.write("dataplane/a.h", "#pragma once\nstruct A { virtual ~A(); virtual void F(); };\n")
        bad = '#include <string>\n#include "dataplane/a.h"\nstruct B : A { virtual void F(); };\nbool Empty(const std::string& s) { return s.size() == 0; }\n'
        self.write("dataplane/a.cc", bad)
        self.assert_found("dataplane/a.cc:4", "empty")
        self.assert_found("dataplane/a.cc:3", "override")
        self.write("dataplane/a.cc", '#include "dataplane/a.h"\nint* Null() { return nullptr; }\n')
        self.assertIn("(0 remembered", self.assert_clean())
        self.assertIn("(1 remembered", self.assert_clean())
        # A header that it reaches changed: looked at again.
        self.write("dataplane/a.h", "#pragma once\nstruct A { virtual ~A(); virtual void G(); };\n")
        self.assertIn("(0 remembered", self.assert_clean())


if __name__ == "__main__":
    unittest.main()
