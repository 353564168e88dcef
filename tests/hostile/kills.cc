#include "tests/hostile/kills.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "tests/hostile/kill_steps.h"
#include "tests/support/system/pauses.h"

namespace qsplit::testing {
namespace {

// gRPC closes its side of a dead connection when it comes to it.
constexpr absl::Duration kSocketPatience = absl::Seconds(5);
// After which nobody waits any longer, whatever the machine does.
constexpr absl::Duration kPatience = absl::Seconds(10);
constexpr long kGrowthKb = 6 * 1024;

class Client {
 public:
  // `round`: its first. `step`: where it stops; -1: nowhere.
  static absl::StatusOr<Client> Start(const Daemon& daemon, uint16_t port, int round, int step) {
    int says[2];
    if (::pipe2(says, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe2");
    std::vector<std::string> argv = {QSPLIT_BINARY_DIR "/tests/kill_client", daemon.runtime_dir(),
                                     absl::StrCat(port), absl::StrCat(round)};
    if (step >= 0) argv.push_back(absl::StrCat(step));
    std::string output = absl::StrCat(daemon.dir(), "/client-", port);
    auto program =
        Program::Start({.argv = argv, .as_nobody = true, .output = output, .out_fd = says[1]});
    ::close(says[1]);
    if (!program.ok()) {
      ::close(says[0]);
      return program.status();
    }
    return Client(*std::move(program), step, says[0], std::move(output));
  }
  Client(Client&& other) noexcept
      : step_(other.step_),
        says_(std::exchange(other.says_, -1)),
        output_(std::move(other.output_)),
        program_(std::move(other.program_)) {}
  ~Client() {
    if (says_ >= 0) ::close(says_);
  }

  // Until it has begun, and stands where it was told to. INTERNAL: it ended by itself.
  absl::Status Await() {
    for (int left = step_ >= 0 ? 2 : 1; left > 0; --left) {
      pollfd waiting{.fd = says_, .events = POLLIN, .revents = 0};
      char what;
      if (::poll(&waiting, 1, 30'000) != 1 || ::read(says_, &what, 1) != 1) {
        return absl::InternalError("a client ended by itself: " + ReadFile(output_));
      }
    }
    return absl::OkStatus();
  }
  Program& program() { return program_; }
  std::string instant() const {
    return step_ < 0 ? "at a random instant" : kKillSteps[static_cast<size_t>(step_)];
  }
  bool stands() const { return step_ >= 0; }

 private:
  Client(Program program, int step, int says, std::string output)
      : step_(step), says_(says), output_(std::move(output)), program_(std::move(program)) {}
  int step_;
  int says_ = -1;
  std::string output_;
  Program program_;
};

// What a clean-up may take: what the product promises, and what others on the machine took of it
// meanwhile, from whoever wakes up and from the daemon's threads, which work and are put aside.
class Allowance {
 public:
  explicit Allowance(const Daemon& daemon) : daemon_(daemon) {}
  void Restart() {
    pauses_.Restart();
    waited_ = daemon_.WaitedForCpu();
  }
  absl::Duration Now() const {
    const absl::Duration waited = daemon_.WaitedForCpu() - waited_;
    return pauses_.Allow(kCleanUpTime) + std::max(waited, absl::ZeroDuration());
  }

 private:
  const Daemon& daemon_;
  Pauses pauses_;
  absl::Duration waited_;
};

// What must be the same again: everything that is not the clients'.
struct Baseline {
  size_t leases, rules, regions;
  std::vector<uint32_t> rss;
  Daemon::Holdings holdings;
};

Baseline Look(const Daemon& daemon, const AdminView& admin) {
  return {admin.Leases().value().size(), admin.Rules().value().size(),
          admin.Regions().value().size(), admin.RssTable("nic0").value(), daemon.Look()};
}

// True once nothing of the process is in the lists: its leases, and their rules.
bool Gone(const AdminView& admin, pid_t pid) {
  const auto leases = admin.Leases();
  if (!leases.ok()) return false;
  std::set<uint64_t> alive;
  for (const v1::Lease& lease : *leases) {
    if (lease.pid() == pid) return false;  // without another question: each takes of the time
    alive.insert(lease.lease_id());
  }
  const auto rules = admin.Rules();
  if (!rules.ok()) return false;
  return std::all_of(rules->begin(), rules->end(),
                     [&](const v1::Rule& rule) { return alive.contains(rule.lease_id()); });
}

// Whether all is as before. Sockets and memory are not looked at.
bool Same(const Baseline& before, const Baseline& now) {
  const auto at = [](const Baseline& b, const char* kind) {
    const auto found = b.holdings.descriptors.find(kind);
    return found == b.holdings.descriptors.end() ? 0 : found->second;
  };
  return now.leases == before.leases && now.rules == before.rules &&
         now.regions == before.regions && now.rss == before.rss &&
         now.holdings.memfd_mappings == before.holdings.memfd_mappings &&
         at(now, "memfd") == at(before, "memfd") &&
         at(now, "anon_inode") == at(before, "anon_inode");
}

std::string Difference(const Baseline& before, const Baseline& now) {
  return absl::StrCat("leases ", now.leases, " (", before.leases, "), rules ", now.rules, " (",
                      before.rules, "), regions ", now.regions, " (", before.regions, "), RSS ",
                      now.rss == before.rss ? "as before" : "changed", ", mappings ",
                      now.holdings.memfd_mappings, " (", before.holdings.memfd_mappings,
                      "), descriptors ", ToString(now.holdings.descriptors), " (",
                      ToString(before.holdings.descriptors), ")");
}

uint64_t Seed() {
  const char* given = std::getenv("QSPLIT_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
}

int StepOf(const KillOptions& options, int number) {
  if (options.step.has_value()) return *options.step;
  return number < static_cast<int>(kKillSteps.size()) ? number : -1;
}

// Kills one client, and waits until nothing of it is in the lists.
absl::Status KillOne(Client& client, const AdminView& admin, Allowance& allowance,
                     std::mt19937_64& random, KillReport& report) {
  if (absl::Status status = client.Await(); !status.ok()) return status;
  if (!client.stands()) absl::SleepFor(absl::Microseconds(random() % 60'000));
  allowance.Restart();
  const pid_t pid = client.program().pid();
  if (!Gone(admin, pid)) ++report.held;
  const absl::Time death = absl::Now();
  client.program().Signal(SIGKILL);
  const bool gone = Eventually(kPatience, [&] { return Gone(admin, pid); });
  const absl::Duration took = absl::Now() - death;
  const absl::Duration allowed = allowance.Now();
  report.took_ms.push_back(absl::ToDoubleMilliseconds(took));
  ++report.killed;
  const absl::StatusOr<int> ended = client.program().Wait(absl::Seconds(10));
  if (!ended.ok() || *ended != 128 + SIGKILL) return absl::InternalError("it outlived SIGKILL");
  if (gone && took <= allowed) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(
      "kill ", report.killed, ", ", client.instant(), ": ", gone ? "gone" : "still there",
      " after ", absl::FormatDuration(took), ", more than ", absl::FormatDuration(allowed)));
}

// Clients that run at once, killed one by one, and then a look at everything.
absl::Status KillRound(const Daemon& daemon, const KillOptions& options, const AdminView& admin,
                       const Baseline& before, Allowance& allowance, std::mt19937_64& random,
                       KillReport& report) {
  std::vector<Client> clients;
  for (const uint16_t port : PortsOf(options)) {
    const int number = report.killed + static_cast<int>(clients.size());
    auto client = Client::Start(daemon, port, number, StepOf(options, number));
    if (!client.ok()) return client.status();
    clients.push_back(*std::move(client));
  }
  for (Client& client : clients) {
    if (absl::Status s = KillOne(client, admin, allowance, random, report); !s.ok()) return s;
  }
  // Of the last of them, the rest of its time may still be needed.
  const absl::Time death = absl::Now() - absl::Milliseconds(report.took_ms.back());
  while (!Same(before, Look(daemon, admin))) {
    if (absl::Now() - death > std::min(allowance.Now(), kPatience)) break;
    absl::SleepFor(absl::Milliseconds(1));
  }
  if (Same(before, Look(daemon, admin))) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("after ", report.killed, " kills: ", Difference(before, Look(daemon, admin))));
}

}  // namespace

std::string KillReport::Text() const {
  if (took_ms.empty()) return "no kills";
  return absl::StrFormat(
      "seed %u (QSPLIT_TEST_SEED has it again): %d kills, %d with a lease; from SIGKILL to nothing "
      "left: median %.1f ms, p99 %.1f ms, most %.1f ms; memory %+d kB over the last two thirds",
      seed, killed, held, took_ms[took_ms.size() / 2], took_ms[took_ms.size() * 99 / 100],
      took_ms.back(), grown_kb);
}

std::vector<uint16_t> PortsOf(const KillOptions& options) {
  std::vector<uint16_t> ports;
  for (int i = 0; i < options.at_once; ++i) {
    ports.push_back(static_cast<uint16_t>(options.port + i));
  }
  return ports;
}

KillReport KillClients(const Daemon& daemon, const KillOptions& options) {
  KillReport report{.seed = Seed()};
  std::mt19937_64 random(report.seed);
  const absl::StatusOr<AdminView> admin = AdminView::Connect(daemon.Options("admin"));
  if (!admin.ok()) {
    report.problems.push_back(admin.status().ToString());
    return report;
  }
  const Baseline before = Look(daemon, *admin);
  Allowance allowance(daemon);
  long settled_kb = 0;
  while (report.killed < options.kills && report.problems.empty()) {
    const absl::Status status =
        KillRound(daemon, options, *admin, before, allowance, random, report);
    if (!status.ok()) report.problems.emplace_back(status.message());
    if (settled_kb == 0 && report.killed >= options.kills / 3) {
      settled_kb = daemon.Look().resident_kb;
    }
  }
  if (!Eventually(kSocketPatience,
                  [&] { return daemon.Look().descriptors == before.holdings.descriptors; })) {
    report.problems.push_back("in the end: " + Difference(before, Look(daemon, *admin)));
  }
  report.grown_kb = daemon.Look().resident_kb - settled_kb;
  // A sanitizer keeps what was freed.
  if (!kSanitized && settled_kb != 0 && report.grown_kb > kGrowthKb) {
    report.problems.push_back(absl::StrCat("memory of ", settled_kb, " kB grew by ",
                                           report.grown_kb, " kB, more than ", kGrowthKb));
  }
  std::sort(report.took_ms.begin(), report.took_ms.end());
  return report;
}

}  // namespace qsplit::testing
