#include "daemon/options.h"

#include <CLI/CLI.hpp>

namespace qsplit::daemon {
namespace {

constexpr char kExamples[] = R"(
Examples:
  qsplitd --config /etc/qsplit/qsplitd.toml
      Serve the devices of a configuration on /run/qsplit.
  qsplitd --check --config my.toml
      Read it, say what a daemon would do with it, and end; exit status 1 if it has errors.
  qsplitd --clean
      Undo what a crash of the daemon on /run/qsplit left behind (PCI functions with VFIO, channel
      counts, RSS tables and ntuple rules of netdevs) without serving; exit status 1 if something
      stays.
  qsplitd --runtime-dir /tmp/q
      Without a configuration and without privilege: two software NICs, nic0 and nic1, wired to
      each other. Whoever starts it is its admin: qsplit --runtime-dir /tmp/q device list

Signals: SIGTERM and SIGINT end it gracefully (a second one at once), SIGHUP reads the tenants of
the configuration anew.)";

}  // namespace

std::optional<Options> ParseOptions(int argc, char** argv, int& exit_code) {
  Options options;
  CLI::App app("qsplitd: splits NIC queues off to unprivileged programs.", "qsplitd");
  app.footer(kExamples);
  app.add_option("--config", options.config,
                 "TOML file; without it: two software NICs, wired to each other")
      ->type_name("FILE");
  app.add_option("--runtime-dir", options.runtime_dir,
                 "folder of session.sock and qsplitd.sock (default /run/qsplit)")
      ->type_name("DIR");
  app.add_option("--layouts", options.layouts,
                 "folder of *.layout (default: ../share/qsplit/layouts from the program)")
      ->type_name("DIR");
  app.add_option("--log-level", options.log_level, "trace, debug, info, warning or error")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error"}));
  app.add_option("--log-format", options.log_format, "text (key=value) or json, on stderr")
      ->check(CLI::IsMember({"text", "json"}));
  app.add_option("--ready-fd", options.ready_fd, "gets one byte, and is closed, when it serves")
      ->type_name("FD")
      ->check(CLI::Range(0, 1 << 20));
  app.add_flag("--check", options.check, "check the configuration, say what it would do, and end");
  app.add_flag("--clean", options.clean,
               "undo what a qsplitd that crashed has left behind, say so, and end")
      ->excludes("--check");
  app.set_version_flag("--version", "qsplitd " QSPLIT_VERSION, "print the version");
  app.set_help_flag("-h,--help", "print this help");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool usage = error.get_exit_code() != 0;
    app.exit(error);
    exit_code = usage ? 2 : 0;
    return std::nullopt;
  }
  return options;
}

}  // namespace qsplit::daemon
