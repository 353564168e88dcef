"""The other checks of scripts/checks refuse their bad samples and let the good ones pass.

  test_checks.py            all of them
  test_checks.py Size       one check's
"""

import os
import shutil
import subprocess
import unittest

import case
from case import ROOT


class Vendors(case.Check):
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


class Format(case.Check):
    check = "format"

    def setUp(self):
        super().setUp()
        shutil.copy(os.path.join(ROOT, ".clang-format"), self.tree)

    def test_bad_then_fixed(self):
        self.write("dataplane/a.cc", "int  f( ){return 1 ;}\n")
        self.assert_found("dataplane/a.cc:1", "--fix")
        self.assert_clean("--fix")
        self.assert_clean()


class Size(case.Check):
    check = "size"

    def test_limits(self):
        self.write("dataplane/a.cc", "\n" * 400)
        self.assertNotIn("warning", self.assert_clean())
        self.write("dataplane/a.cc", "\n" * 401)
        self.assertIn("dataplane/a.cc:401: warning", self.assert_clean())
        self.write("dataplane/a.cc", "\n" * 501)
        self.assert_found("dataplane/a.cc:501", "501 lines")


class Hosts(case.Check):
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


class Headers(case.Check):
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


class Tidy(case.Check):
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
