// qsplit: looks at and steers what qsplitd owns.  qsplit OBJECT COMMAND [ARGUMENTS]
//
// Exit codes: 0 done, 1 the daemon refused or could not be reached, 2 the words were wrong.
#include <signal.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_replace.h"
#include "cli/context.h"
#include "cli/table.h"
#include "cli/usage.h"

namespace {

constexpr int kRefused = 1;

constexpr char kFooter[] =
    "Examples:\n"
    "  qsplit device list\n"
    "  qsplit rule add nic0 flow-type udp4 dst-port 4242 action 3\n"
    "  qsplit -j stats show nic0 | jq '.stats.queues[] | select(.faults != \"0\")'\n"
    "  qsplit --runtime-dir /tmp/q monitor\n\n"
    "`qsplit OBJECT --help` lists the commands of an object, `qsplit OBJECT COMMAND --help` has\n"
    "examples for each. Exit codes: 0 done, 1 refused or not reachable, 2 wrong usage.";

// What stands in stdout's buffer reaches its reader, or somebody hears that it did not.
bool Flushed() {
  const bool now = std::fflush(stdout) == 0;
  if (now && std::ferror(stdout) == 0) return true;
  // The reason of an earlier failure is not kept.
  std::fprintf(stderr, "qsplit: cannot write to standard output%s%s\n", now ? "" : ": ",
               now ? "" : std::strerror(errno));
  return false;
}

// The client library cannot know what this program's option is called.
std::string InOurWords(const absl::Status& status) {
  return absl::StrReplaceAll(status.message(),
                             {{"the option for it", "--runtime-dir"},
                              {"ListLayouts names them", "`qsplit layout list` names them"}});
}

}  // namespace

int main(int argc, char** argv) {
  using namespace qsplit::cli;
  CLI::App app{"qsplit: look at and steer what qsplitd owns", "qsplit"};
  Context context;
  context.options.program = "qsplit";
  // A reader that goes away (`qsplit monitor | head -1`) ends this program quietly, even where the
  // one who started it ignores the signal.
  ::signal(SIGPIPE, SIG_DFL);
  app.formatter(std::make_shared<Help>());
  app.fallthrough();  // -j may stand anywhere
  app.footer(kFooter);
  app.set_help_flag("-h,--help", "print this help");
  app.set_version_flag("-V,--version", "qsplit " QSPLIT_VERSION, "print the version");
  app.add_flag("-j,--json", context.json, "print JSON (the messages of qsplit.v1), one to a line");
  app.add_flag("-p,--pretty", context.pretty, "print JSON, indented");
  app.add_flag("-d,--detail", context.detail, "more detail");
  app.add_option("--runtime-dir", context.options.runtime_dir,
                 "folder of the daemon's sockets [$QSPLIT_RUNTIME_DIR, or /run/qsplit]")
      ->type_name("DIR");
  app.require_subcommand(1);
  AddDeviceVerbs(app, context);
  AddLayoutVerbs(app, context);
  AddLeaseVerbs(app, context);
  AddRegionVerbs(app, context);
  AddRuleVerbs(app, context);
  AddRssVerbs(app, context);
  AddStatsVerbs(app, context);
  AddQueueVerbs(app, context);
  AddFaultVerbs(app, context);
  AddPolicyVerbs(app, context);
  AddMonitorVerb(app, context);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return PrintParseError(app, error);
  }
  context.rpc = qsplit::RpcSession::Open(context.options);
  const absl::Status status = context.run();
  if (status.ok()) return Flushed() ? 0 : kRefused;
  if (IsWrongWords(status)) return PrintWrongWords(app, status.message());
  Flushed();
  std::fprintf(stderr, "qsplit: %s\n", Harmless(InOurWords(status)).c_str());
  return kRefused;
}
