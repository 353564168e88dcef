"""scripts/checks/walls refuses each include that crosses a wall, and none that may."""

import os
import unittest

import case


class Walls(case.Check):
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

    def test_a_prefetch_that_may_ask_for_too_little(self):
        self.write("dataplane/prefetch.h", "// A file.\ninline void P(const void* at) { __builtin_prefetch(at); }\n")
        self.assert_clean()
        self.write("dataplane/a.cc", "// A file.\nvoid F(int* at) { __builtin_prefetch(at, 1); }\n")
        self.assert_found("dataplane/a.cc:2", "PrefetchToWrite")

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

    def test_dataplane_knows_the_layout_and_no_other_message_and_no_socket(self):
        self.include("dataplane/a.cc", '"qsplit/v1/layout.pb.h"')
        self.assert_clean()
        self.include("dataplane/a.cc", '"qsplit/v1/lease.pb.h"')
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


if __name__ == "__main__":
    unittest.main()
