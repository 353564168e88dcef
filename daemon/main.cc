// qsplitd: builds every room and wires them together; the only file that sees them all.
//
//   configuration + layouts --> devices --> Broker --> FdChannel (session.sock)
//                                                  \-> RpcServer (qsplitd.sock)
//
// It ends in the opposite order: clients first, so that every queue is given back before its device
// goes.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "daemon/config/config.h"
#include "daemon/devices.h"
#include "daemon/ingress/broker_sessions.h"
#include "daemon/ingress/fd_channel.h"
#include "daemon/ingress/rpc_server.h"
#include "daemon/layout_files.h"
#include "daemon/lease/broker.h"
#include "daemon/leftovers.h"
#include "daemon/linux/eventfd.h"
#include "daemon/linux/notify_socket.h"
#include "daemon/linux/process_identity.h"
#include "daemon/linux/process_limits.h"
#include "daemon/linux/random.h"
#include "daemon/linux/reaper.h"
#include "daemon/linux/runtime_dir.h"
#include "daemon/linux/signal_fd.h"
#include "daemon/log/log.h"
#include "daemon/options.h"
#include "daemon/policy_of_config.h"
#include "dataplane/access_report.h"

namespace qsplit::daemon {
namespace {

constexpr absl::Duration kCallGrace = absl::Milliseconds(300);
// How often what a device would not let go of is tried again.
constexpr absl::Duration kMaintainSoon = absl::Milliseconds(20);

absl::StatusOr<config::Config> ReadConfig(const Options& options) {
  const auto uid = static_cast<uint32_t>(geteuid());
  auto config = options.config.empty()
                    ? config::DefaultConfig(uid)
                    : config::LoadConfig(options.config, config::NameResolver::System(), uid);
  if (!config.ok()) return config;
  if (!options.runtime_dir.empty()) config->daemon.runtime_dir = options.runtime_dir;
  if (!options.layouts.empty()) config->daemon.layouts_dir = options.layouts;
  if (config->daemon.layouts_dir.empty()) config->daemon.layouts_dir = DefaultLayoutsDir();
  if (!options.log_level.empty()) config->daemon.log_level = options.log_level;
  if (!options.log_format.empty()) {
    config->daemon.log_format =
        options.log_format == "json" ? config::LogFormat::kJson : config::LogFormat::kText;
  }
  return config;
}

// All that can be checked before anything is opened.
struct Plan {
  config::Config config;
  std::vector<layout::VerifiedLayout> layouts;
  std::optional<DevicePlan> devices;
  std::shared_ptr<const policy::Policy> policy;
};

absl::StatusOr<Plan> MakePlan(const Options& options) {
  Plan plan;
  auto config = ReadConfig(options);
  if (!config.ok()) return config.status();
  plan.config = *std::move(config);
  auto layouts = LoadLayouts(plan.config.daemon.layouts_dir);
  if (!layouts.ok()) return layouts.status();
  plan.layouts = *std::move(layouts);
  auto devices = DevicePlan::Make(plan.config, plan.layouts);
  if (!devices.ok()) return devices.status();
  plan.devices = *std::move(devices);
  auto policy = PolicyOf(plan.config);
  if (!policy.ok()) return policy.status();
  plan.policy = *std::move(policy);
  return plan;
}

// Reads the tenants anew; for SIGHUP and ReloadPolicy, which may come together.
class PolicyReloader {
 public:
  PolicyReloader(const Options& options, lease::Broker& broker)
      : options_(options), broker_(broker) {}

  absl::StatusOr<uint32_t> Reload() {
    std::lock_guard lock(mutex_);
    auto config = ReadConfig(options_);
    if (!config.ok()) return Failed(config.status());
    auto policy = PolicyOf(*config);
    if (!policy.ok()) return Failed(policy.status());
    const auto tenants = static_cast<uint32_t>((*policy)->tenant_count());
    broker_.SetPolicy(*std::move(policy));
    log::Info("policy_reloaded", {{"tenants", tenants}});
    return tenants;
  }

 private:
  static absl::Status Failed(const absl::Status& status) {
    log::Error("policy_not_reloaded", {{"error", status}});
    return status;
  }

  const Options& options_;
  lease::Broker& broker_;
  std::mutex mutex_;
};

lease::BrokerOptions BrokerOptionsOf(const Plan& plan, Devices& devices, int wake_fd,
                                     linux_sys::Reaper& reaper) {
  lease::BrokerOptions options;
  options.devices = devices.Take();
  options.layouts = plan.layouts;
  options.policy = plan.policy;
  options.clock = [] { return absl::Now(); };
  options.random = linux_sys::FillRandom;
  options.is_stopped = [](int32_t pid) {
    return linux_sys::ProcessStopped(static_cast<uint32_t>(pid));
  };
  options.max_sessions = plan.config.limits.sessions;
  options.on_left = [wake_fd] { linux_sys::SignalEventFd(wake_fd); };
  options.dispose = [&reaper](std::shared_ptr<const linux_sys::OwnedFd> fd) {
    if (linux_sys::AllocatedBytes(fd->get()) >= linux_sys::kReapBytes) reaper.Take(std::move(fd));
  };
  return options;
}

// Until SIGTERM or SIGINT. `wake` is readable when the broker has something left to do.
void Serve(int signals, int wake, lease::Broker& broker, PolicyReloader& reloader) {
  while (true) {
    linux_sys::ClearEventFd(wake);  // before the look, so that nothing is missed
    const bool left = broker.Maintain();
    const auto signal = left ? linux_sys::WaitSignal(signals, kMaintainSoon)
                             : linux_sys::WaitSignal(signals, absl::InfiniteDuration(), wake);
    if (!signal) continue;
    if (*signal != SIGHUP) {
      log::Info("stopping", {{"signal", *signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
      return;
    }
    // What is wrong is in the log; the old policy stays.
    reloader.Reload().IgnoreError();
  }
}

absl::Status Run(const Options& options, Plan plan) {
  const config::DaemonSection& daemon = plan.config.daemon;
  const config::LimitsSection& limits = plan.config.limits;
  // Before any thread starts, for they inherit the mask.
  auto signals = linux_sys::BlockAndWatchSignals({SIGTERM, SIGINT, SIGHUP});
  if (!signals.ok()) return signals.status();
  linux_sys::IgnoreBrokenPipes();
  log::Start(daemon.log_level, daemon.log_format == config::LogFormat::kJson ? log::Format::kJson
                                                                             : log::Format::kText);
  auto runtime_dir = linux_sys::RuntimeDir::Open(daemon.runtime_dir);
  if (!runtime_dir.ok()) return runtime_dir.status();
  const auto descriptors = linux_sys::RaiseDescriptorLimit();
  if (!descriptors.ok()) log::Warning("descriptor_limit", {{"error", descriptors.status()}});

  // Of software NICs and guards; `qsplit queue why` tells it of each queue.
  log::Info("descriptors", {{"taken", dataplane::AccessReport::OfProcess().Text()}});

  auto wake = linux_sys::CreateEventFd();
  if (!wake.ok()) return wake.status();
  linux_sys::Reaper reaper;
  const size_t device_count = plan.devices->size();
  auto devices = Devices::Open(*std::move(plan.devices), daemon.runtime_dir);
  if (!devices.ok()) return devices.status();
  lease::Broker broker(BrokerOptionsOf(plan, **devices, wake->get(), reaper));
  PolicyReloader reloader(options, broker);
  auto rpc = ingress::RpcServer::Start(
      {.path = daemon.runtime_dir + "/qsplitd.sock",
       .mode = daemon.rpc_socket_mode,
       .max_connections = limits.rpc_connections,
       .max_connections_per_uid = limits.rpc_connections_per_uid,
       .max_streams_per_connection = static_cast<int>(limits.streams_per_connection),
       .max_watches = limits.watches,
       .memory_bytes = limits.rpc_memory_bytes,
       .idle = absl::Seconds(limits.rpc_idle_seconds),
       .reload_policy = [&reloader] { return reloader.Reload(); }},
      broker);
  if (!rpc.ok()) return rpc.status();
  ingress::BrokerSessions sessions(broker);
  auto channel = ingress::FdChannel::Start({.path = daemon.runtime_dir + "/session.sock",
                                            .mode = daemon.session_socket_mode,
                                            .max_connections = limits.sessions,
                                            .max_connections_per_uid = limits.sessions_per_uid,
                                            .version = QSPLIT_VERSION},
                                           sessions);
  if (!channel.ok()) return channel.status();
  (*rpc)->SetServing(true);
  log::Info("ready", {{"version", QSPLIT_VERSION},
                      {"pid", getpid()},
                      {"runtime_dir", daemon.runtime_dir},
                      {"devices", device_count},
                      {"layouts", plan.layouts.size()},
                      {"tenants", plan.config.tenants.size()},
                      {"descriptors", descriptors.value_or(0)}});
  if (auto told = linux_sys::NotifyServiceManager("READY=1"); !told.ok()) {
    log::Warning("notify_socket", {{"error", told}});
  }
  if (options.ready_fd >= 0) {
    if (auto told = linux_sys::SignalReadyFd(options.ready_fd); !told.ok()) return told;
  }

  const auto lost = [&broker](const std::string& device) {
    const auto [leases, rules] = broker.VacateDevice(device);
    if (leases + rules == 0) return;
    log::Warning("device_lost", {{"device", device}, {"leases", leases}, {"rules", rules}});
  };
  (*devices)->Watch(
      [&broker](std::shared_ptr<device::Device> device) {
        return broker.ReplaceDevice(std::move(device));
      },
      lost);
  Serve(signals->get(), wake->get(), broker, reloader);
  (*devices)->StopWatching();

  // From here on a second signal ends the process at once.
  linux_sys::UnblockSignals({SIGTERM, SIGINT});
  linux_sys::NotifyServiceManager("STOPPING=1").IgnoreError();
  (*rpc)->SetServing(false);
  channel->reset();
  broker.EndAll();
  (*rpc)->Stop(kCallGrace);
  rpc->reset();
  log::Info("stopped");
  return absl::OkStatus();
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "qsplitd: %s\n", std::string(status.message()).c_str());
  return 1;
}

// What of a configuration this machine has, on standard output, and what it cannot serve. The exit
// status.
int CheckHere(const Plan& plan) {
  const DevicePlan::Report report = plan.devices->CompareNetdevs();
  for (const std::string& line : report.lines) std::printf("%s\n", line.c_str());
  const auto leftovers = ReadLeftovers(plan.config.daemon.runtime_dir);
  if (!leftovers.ok()) return Fail(leftovers.status());
  for (const std::string& record : *leftovers) {
    std::printf("journal        to undo, unless a daemon runs: %s\n", record.c_str());
  }
  std::fflush(stdout);
  for (const absl::Status& error : report.errors) Fail(error);
  return report.errors.empty() ? 0 : 1;
}

int Main(int argc, char** argv) {
  int exit_code = 0;
  const auto options = ParseOptions(argc, argv, exit_code);
  if (!options) return exit_code;
  if (options->clean) {
    const auto config = ReadConfig(*options);
    if (!config.ok()) return Fail(config.status());
    const absl::StatusOr<int> cleaned = Clean(config->daemon.runtime_dir);
    return cleaned.ok() ? *cleaned : Fail(cleaned.status());
  }
  auto plan = MakePlan(*options);
  if (!plan.ok()) return Fail(plan.status());
  if (options->check) {
    std::fputs(config::Describe(plan->config).c_str(), stdout);
    std::printf("layouts        %s: %zu\n", plan->config.daemon.layouts_dir.c_str(),
                plan->layouts.size());
    return CheckHere(*plan);
  }
  const absl::Status status = Run(*options, *std::move(plan));
  log::Stop();
  return status.ok() ? 0 : Fail(status);
}

}  // namespace
}  // namespace qsplit::daemon

int main(int argc, char** argv) { return qsplit::daemon::Main(argc, argv); }
