#include "tests/support/system/daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace qsplit::testing {
namespace {

namespace fs = std::filesystem;

std::string Device(const std::string& name, const std::string& mac, const std::string& peer) {
  return absl::StrCat("[[device]]\nname = \"", name, "\"\nqueues = 16\nworker = \"w\"\nmac = \"",
                      mac, "\"\nwire = { peer = \"", peer, "\" }\n");
}

}  // namespace

std::string PeerDevices() {
  return Device("nic0", kNic0Mac, "nic1") + Device("nic1", kNic1Mac, "nic0");
}

Daemon::Daemon(std::string dir, std::string netns)
    : dir_(std::move(dir)), netns_(std::move(netns)), program_(Program::None()) {}

Daemon::~Daemon() {
  program_ = Program::None();
  std::error_code ignored;
  fs::remove_all(dir_, ignored);
}

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const std::string& devices,
                                                      const std::string& netns) {
  std::string name = "/tmp/qsplit-test.XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) return absl::ErrnoToStatus(errno, "mkdtemp");
  fs::permissions(name, fs::perms(0755));
  std::unique_ptr<Daemon> daemon(new Daemon(name, netns));
  std::ofstream(name + "/qsplitd.toml")
      << "[daemon]\nruntime_dir = \"" << daemon->runtime_dir() << "\"\nlayouts_dir = \""
      << QSPLIT_LAYOUT_DIR << "\"\nlog_level = \"warning\"\n"
      << "[limits]\nrpc_connections_per_uid = 256\n"
      << devices << "[[tenant]]\nname = \"test\"\nuids = [" << ::geteuid()
      << "]\nadmin = true\nsteer = \"any\"\nmay_join_rss = true\n"
      << "[[tenant]]\nname = \"others\"\nuids = \"any\"\nsteer = \"any\"\nmay_join_rss = true\n";
  if (absl::Status status = daemon->StartAgain(); !status.ok()) return status;
  return daemon;
}

absl::Status Daemon::StartAgain() {
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe2");
  auto program = Program::Start(
      {.argv = {QSPLIT_BIN_DIR "/qsplitd", "--config", dir_ + "/qsplitd.toml", "--ready-fd", "3"},
       .netns = netns_,
       .output = dir_ + "/log",
       .out_fd = ready[1]});
  ::close(ready[1]);
  char byte;
  pollfd waiting{.fd = ready[0], .events = POLLIN, .revents = 0};
  const bool up = ::poll(&waiting, 1, 30'000) == 1 && ::read(ready[0], &byte, 1) == 1;
  ::close(ready[0]);
  if (!program.ok()) return program.status();
  program_ = *std::move(program);
  return up ? absl::OkStatus() : absl::UnavailableError("qsplitd did not get ready: " + Log());
}

SessionOptions Daemon::Options(const std::string& program) const {
  return {.runtime_dir = runtime_dir(), .program = program};
}

std::string Daemon::Log() const { return ReadFile(dir_ + "/log"); }

absl::Status Daemon::StopGently(absl::Duration patience) {
  const absl::StatusOr<int> status = program_.Stop(SIGTERM, patience);
  if (!status.ok()) return status.status();
  const std::string log = Log();
  if (*status != 0 || absl::StrContains(log, "Sanitizer") ||
      absl::StrContains(log, "runtime error")) {
    return absl::InternalError(absl::StrCat("qsplitd ended with status ", *status, ": ", log));
  }
  return absl::OkStatus();
}

Daemon::Holdings Daemon::Look() const {
  Holdings found;
  const std::string proc = absl::StrCat("/proc/", pid());
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(proc + "/fd", error)) {
    const std::string target = fs::read_symlink(entry.path(), error).string();
    if (error) continue;  // closed since
    if (absl::StartsWith(target, "/memfd:")) {
      ++found.descriptors["memfd"];
    } else {
      ++found.descriptors[target.substr(0, target.find(":["))];
    }
  }
  std::ifstream maps(proc + "/maps");
  for (std::string line; std::getline(maps, line);) {
    if (absl::StrContains(line, "/memfd:")) ++found.memfd_mappings;
  }
  std::ifstream status(proc + "/status");
  for (std::string line; std::getline(status, line);) {
    if (absl::StartsWith(line, "VmRSS:")) std::istringstream(line.substr(6)) >> found.resident_kb;
  }
  return found;
}

absl::Duration Daemon::WaitedForCpu() const {
  int64_t waited_ns = 0;
  std::error_code error;
  for (const auto& task : fs::directory_iterator(absl::StrCat("/proc/", pid(), "/task"), error)) {
    // Time on a CPU, time ready without one, turns: Documentation/scheduler/sched-stats.rst.
    int64_t ran_ns = 0, ready_ns = 0;
    std::ifstream(task.path() / "schedstat") >> ran_ns >> ready_ns;
    waited_ns += ready_ns;
  }
  return absl::Nanoseconds(waited_ns);
}

std::string ToString(const std::map<std::string, int>& descriptors) {
  std::string text;
  for (const auto& [kind, count] : descriptors) absl::StrAppend(&text, kind, "=", count, " ");
  return text;
}

absl::StatusOr<AdminView> AdminView::Connect(const SessionOptions& options) {
  AdminView view;
  view.rpc_ = RpcSession::Open(options);
  if (absl::Status status = view.rpc_->OpenSession(); !status.ok()) return status;
  view.leases_ = v1::LeaseService::NewStub(view.rpc_->channel());
  view.regions_ = v1::RegionService::NewStub(view.rpc_->channel());
  view.steering_ = v1::SteeringService::NewStub(view.rpc_->channel());
  return view;
}

absl::StatusOr<std::vector<v1::Lease>> AdminView::Leases() const {
  grpc::ClientContext context;
  rpc_->PrepareContext(context);
  v1::ListLeasesRequest request;
  request.set_all(true);
  v1::ListLeasesResponse response;
  absl::Status status = rpc_->ToStatus(leases_->ListLeases(&context, request, &response));
  if (!status.ok()) return status;
  return std::vector(response.leases().begin(), response.leases().end());
}

absl::StatusOr<std::vector<v1::Rule>> AdminView::Rules() const {
  grpc::ClientContext context;
  rpc_->PrepareContext(context);
  v1::ListRulesRequest request;
  request.set_all(true);
  v1::ListRulesResponse response;
  absl::Status status = rpc_->ToStatus(steering_->ListRules(&context, request, &response));
  if (!status.ok()) return status;
  return std::vector(response.rules().begin(), response.rules().end());
}

absl::StatusOr<std::vector<v1::Region>> AdminView::Regions() const {
  grpc::ClientContext context;
  rpc_->PrepareContext(context);
  v1::ListRegionsRequest request;
  request.set_all(true);
  v1::ListRegionsResponse response;
  absl::Status status = rpc_->ToStatus(regions_->ListRegions(&context, request, &response));
  if (!status.ok()) return status;
  return std::vector(response.regions().begin(), response.regions().end());
}

absl::StatusOr<std::vector<uint32_t>> AdminView::RssTable(const std::string& device) const {
  grpc::ClientContext context;
  rpc_->PrepareContext(context);
  v1::GetRssRequest request;
  request.set_device(device);
  v1::GetRssResponse response;
  absl::Status status = rpc_->ToStatus(steering_->GetRss(&context, request, &response));
  if (!status.ok()) return status;
  return std::vector(response.rss().indirection().begin(), response.rss().indirection().end());
}

}  // namespace qsplit::testing
