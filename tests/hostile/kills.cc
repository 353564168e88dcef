#include "tests/hostile/kills.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/hostile/kill_steps.h"

namespace qsplit::testing {
namespace {

// gRPC closes its side of a dead connection when it comes to it.
constexpr absl::Duration kSocketPatience = absl::Seconds(5);
constexpr long kGrowthKb = 6 * 1024;

class Client {
 public:
  // `step`: where it stops; -1: nowhere.
  Client(const Daemon& daemon, uint16_t port, int step) : step_(step) {
    int says[2];
    EXPECT_EQ(::pipe2(says, O_CLOEXEC), 0);
    says_ = says[0];
    std::vector<std::string> argv = {QSPLIT_BINARY_DIR "/tests/kill_client", daemon.runtime_dir(),
                                     absl::StrCat(port)};
    if (step >= 0) argv.push_back(absl::StrCat(step));
    output_ = absl::StrCat(daemon.dir(), "/client-", port);
    auto program =
        Program::Start({.argv = argv, .as_nobody = true, .output = output_, .out_fd = says[1]});
    ::close(says[1]);
    EXPECT_TRUE(program.ok()) << program.status();
    if (program.ok()) program_ = *std::move(program);
  }
  Client(Client&& other) noexcept
      : step_(other.step_),
        says_(std::exchange(other.says_, -1)),
        output_(std::move(other.output_)),
        program_(std::move(other.program_)) {}
  ~Client() {
    if (says_ >= 0) ::close(says_);
  }

  // Until it has begun, and stands where it was told to.
  bool Await() {
    for (int left = step_ >= 0 ? 2 : 1; left > 0; --left) {
      pollfd waiting{.fd = says_, .events = POLLIN, .revents = 0};
      char what;
      if (::poll(&waiting, 1, 30'000) != 1 || ::read(says_, &what, 1) != 1) {
        ADD_FAILURE() << "a client ended by itself: " << ReadFile(output_);
        return false;
      }
    }
    return true;
  }
  pid_t pid() const { return program_.pid(); }
  Program& program() { return program_; }
  int step() const { return step_; }

 private:
  int step_;
  int says_ = -1;
  std::string output_;
  Program program_ = Program::None();
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
bool Gone(const AdminView& admin, pid_t pid, const std::set<uint64_t>& known) {
  const auto leases = admin.Leases();
  const auto rules = admin.Rules();
  if (!leases.ok() || !rules.ok()) return false;
  std::set<uint64_t> alive = known;
  for (const v1::Lease& lease : *leases) {
    if (lease.pid() == pid) return false;
    alive.insert(lease.lease_id());
  }
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

std::mt19937_64::result_type Seed() {
  const char* given = std::getenv("QSPLIT_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
}

}  // namespace

std::vector<uint16_t> PortsOf(const KillOptions& options) {
  std::vector<uint16_t> ports;
  for (int i = 0; i < options.at_once; ++i) {
    ports.push_back(static_cast<uint16_t>(options.port + i));
  }
  return ports;
}

void KillClients(const Daemon& daemon, const KillOptions& options) {
  const auto seed = Seed();
  std::printf("seed %llu; set QSPLIT_TEST_SEED to have it again\n",
              static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  absl::StatusOr<AdminView> admin = AdminView::Connect(daemon.Options("admin"));
  ASSERT_TRUE(admin.ok()) << admin.status();
  const Baseline before = Look(daemon, *admin);
  std::vector<double> took_ms;
  int held = 0;  // clients that had a lease when they died
  long settled_kb = 0;
  int killed = 0;
  while (killed < options.kills && !::testing::Test::HasFailure()) {
    std::vector<Client> clients;
    for (const uint16_t port : PortsOf(options)) {
      const int number = killed + static_cast<int>(clients.size());
      clients.emplace_back(daemon, port,
                           number < static_cast<int>(kKillSteps.size()) ? number : -1);
    }
    absl::Time last_death;
    for (Client& client : clients) {
      if (!client.Await()) return;
      if (client.step() < 0) absl::SleepFor(absl::Microseconds(random() % 60'000));
      const pid_t pid = client.pid();
      if (!Gone(*admin, pid, {0})) ++held;
      const absl::Time death = last_death = absl::Now();
      ASSERT_EQ(::kill(pid, SIGKILL), 0);
      const bool gone = Eventually(
          kCleanUpTime, [&] { return Gone(*admin, pid, {0}); }, absl::ZeroDuration());
      took_ms.push_back(absl::ToDoubleMilliseconds(absl::Now() - death));
      EXPECT_TRUE(gone) << "kill " << killed << ", "
                        << (client.step() < 0 ? "at a random instant"
                                              : kKillSteps[static_cast<size_t>(client.step())])
                        << ": still there after " << took_ms.back() << " ms";
      EXPECT_EQ(client.program().Wait(absl::Seconds(10)).value_or(-1), 128 + SIGKILL);
      ++killed;
    }
    const absl::Duration left =
        std::max(last_death + kCleanUpTime - absl::Now(), absl::ZeroDuration());
    EXPECT_TRUE(Eventually(left, [&] { return Same(before, Look(daemon, *admin)); }))
        << "after " << killed << " kills: " << Difference(before, Look(daemon, *admin));
    if (settled_kb == 0 && killed >= options.kills / 3) {
      settled_kb = daemon.Look().resident_kb;
    }
  }
  EXPECT_TRUE(Eventually(kSocketPatience, [&] {
    return daemon.Look().descriptors == before.holdings.descriptors;
  })) << Difference(before, Look(daemon, *admin));
  const long grown_kb = daemon.Look().resident_kb - settled_kb;
  // A sanitizer keeps what was freed.
  if (!kSanitized) {
    EXPECT_LT(grown_kb, kGrowthKb) << "memory of " << settled_kb << " kB grew";
  }
  EXPECT_GT(held, options.kills / 8) << "clients hardly ever had something to leave behind";
  std::sort(took_ms.begin(), took_ms.end());
  std::printf(
      "%d kills, %d with a lease; from SIGKILL to nothing left: median %.1f ms, p99 %.1f ms, most "
      "%.1f ms; "
      "memory %+ld kB over the last two thirds\n",
      killed, held, took_ms[took_ms.size() / 2], took_ms[took_ms.size() * 99 / 100], took_ms.back(),
      grown_kb);
}

}  // namespace qsplit::testing
