// qsplit: looks at and steers what qsplitd owns.  qsplit OBJECT COMMAND [ARGUMENTS]
//
// Exit codes: 0 done, 1 the daemon refused or could not be reached, 2 the words were wrong.
#include <cstdio>
#include <string>

#include "cli/context.h"
#include "cli/table.h"

namespace {

constexpr int kRefused = 1;
constexpr int kUsage = 2;

constexpr char kFooter[] =
    "Examples:\n"
    "  qsplit device list\n"
    "  qsplit rule add nic0 flow-type udp4 dst-port 4242 action 3\n"
    "  qsplit -j stats show nic0 | jq '.stats.queues[] | select(.faults > 0)'\n"
    "  qsplit --runtime-dir /tmp/q monitor\n\n"
    "`qsplit OBJECT --help` lists the commands of an object, `qsplit OBJECT COMMAND --help` has\n"
    "examples for each. Exit codes: 0 done, 1 refused or not reachable, 2 wrong usage.";

// Something required is not there: mostly a word that is none of those expected.
int MissingWord(const CLI::App& app) {
  const CLI::App* deepest = &app;
  while (!deepest->get_subcommands().empty()) deepest = deepest->get_subcommands().front();
  std::string path;
  for (const CLI::App* at = deepest; at != nullptr; at = at->get_parent()) {
    path = at->get_name() + (path.empty() ? "" : " ") + path;
  }
  std::string words;
  for (const CLI::App* word : deepest->get_subcommands({})) {
    words += (words.empty() ? "" : ", ") + word->get_name();
  }
  const std::vector<std::string> rest = deepest->remaining();
  if (words.empty()) {
    std::string missing;
    for (const CLI::Option* option : deepest->get_options()) {
      if (option->get_required() && option->count() == 0) missing += " " + option->get_name(true);
    }
    std::fprintf(stderr, "%s:%s is missing; `%s --help` has examples\n", path.c_str(),
                 missing.c_str(), path.c_str());
  } else if (rest.empty()) {
    std::fprintf(stderr, "%s: a command is missing; there are: %s\n", path.c_str(), words.c_str());
  } else {
    std::fprintf(stderr, "%s: unknown command '%s'; there are: %s\n", path.c_str(),
                 qsplit::cli::Harmless(rest.front()).c_str(), words.c_str());
  }
  return kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace qsplit::cli;
  CLI::App app{"qsplit: look at and steer what qsplitd owns", "qsplit"};
  Context context;
  context.options.program = "qsplit";
  app.footer(kFooter);
  app.set_version_flag("-V,--version", QSPLIT_VERSION);
  app.add_flag("-j,--json", context.json, "print JSON (the messages of qsplit.v1), one to a line");
  app.add_flag("-p,--pretty", context.pretty, "print JSON, indented");
  app.add_flag("-d,--detail", context.detail, "more detail");
  app.add_option("--runtime-dir", context.options.runtime_dir,
                 "folder of the daemon's sockets (default: $QSPLIT_RUNTIME_DIR or /run/qsplit)");
  app.require_subcommand(1);
  AddDeviceVerbs(app, context);
  AddLayoutVerbs(app, context);
  AddLeaseVerbs(app, context);
  AddRegionVerbs(app, context);
  AddRuleVerbs(app, context);
  AddRssVerbs(app, context);
  AddStatsVerbs(app, context);
  AddFaultVerbs(app, context);
  AddPolicyVerbs(app, context);
  AddMonitorVerb(app, context);

  try {
    app.parse(argc, argv);
  } catch (const CLI::RequiredError&) {
    return MissingWord(app);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  context.rpc = qsplit::RpcSession::Open(context.options);
  const absl::Status status = context.run();
  if (status.ok()) return 0;
  std::fflush(stdout);
  std::fprintf(stderr, "qsplit: %s\n", Harmless(status.message()).c_str());
  return kRefused;
}
