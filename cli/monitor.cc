// qsplit monitor: what happens to devices and leases, as it happens.
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/context.h"
#include "cli/table.h"
#include "cli/words.h"
#include "qsplit/v1/device.grpc.pb.h"
#include "qsplit/v1/lease.grpc.pb.h"

namespace qsplit::cli {
namespace {

class Monitor {
 public:
  Monitor(Context& context, uint32_t count)
      : context_(context), left_(count), endless_(count == 0) {}

  // Both streams, each on a thread; ends when one of them does, or after `count` lines.
  absl::Status Run() {
    if (absl::Status open = context_.rpc->OpenSession(); !open.ok()) return open;
    context_.rpc->PrepareContext(devices_rpc_, absl::InfiniteDuration());
    context_.rpc->PrepareContext(leases_rpc_, absl::InfiniteDuration());
    std::thread devices([this] { WatchDevices(); });
    WatchLeases();
    devices.join();
    return status_;
  }

 private:
  void WatchDevices() {
    auto reader = context_.Stub<v1::DeviceService>()->WatchDevices(&devices_rpc_, {});
    v1::WatchDevicesResponse response;
    while (reader->Read(&response)) {
      const v1::Device& d = response.device();
      Print(response,
            absl::StrCat("device ", d.name(), ": link ", d.link_up() ? "up" : "down", ", mtu ",
                         d.mtu_bytes(), d.promiscuous() ? ", promiscuous" : "", ", free queues rx ",
                         d.free_rx_queues(), "/", d.rx_queues(), " tx ", d.free_tx_queues(), "/",
                         d.tx_queues(), ", rules ", d.rules(),
                         d.trouble().empty() ? "" : absl::StrCat(", ", d.trouble())));
    }
    End(reader->Finish());
  }

  void WatchLeases() {
    v1::WatchLeasesRequest request;
    request.set_all(true);
    auto reader = context_.Stub<v1::LeaseService>()->WatchLeases(&leases_rpc_, request);
    v1::WatchLeasesResponse response;
    while (reader->Read(&response)) {
      const v1::Lease& l = response.lease();
      std::string line = absl::StrCat("lease ", l.lease_id(), ": ", Word(response.event()), ", ",
                                      l.device(), " rx ", Ranges(l.rx_queues()), " tx ",
                                      Ranges(l.tx_queues()), ", ", l.program(), " pid ", l.pid());
      if (response.has_fault()) {
        const v1::Fault& f = response.fault();
        absl::StrAppendFormat(&line, ": %s on %s queue %u slot %u, iova 0x%x length %u",
                              Word(f.kind()), f.transmit() ? "tx" : "rx", f.queue(), f.slot(),
                              f.iova(), f.length_bytes());
      }
      Print(response, line);
    }
    End(reader->Finish());
  }

  void Print(const google::protobuf::Message& message, const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (Enough()) return;
    if (context_.wants_json()) {
      context_.PrintJson(message);
    } else {
      const std::string time = absl::FormatTime("%H:%M:%E3S", absl::Now(), absl::LocalTimeZone());
      std::printf("%s  %s\n", time.c_str(), Harmless(line).c_str());
      std::fflush(stdout);
    }
    written_ = std::ferror(stdout) == 0;
    if (!endless_) --left_;
    if (Enough()) Cancel();
  }

  // The first stream that ends says why; the other is cancelled.
  void End(const grpc::Status& status) {
    const std::lock_guard lock(mutex_);
    if (!ended_ && !Enough()) status_ = context_.rpc->ToStatus(status);
    ended_ = true;
    Cancel();
  }

  // All lines are out, or nobody can be told more; main says why.
  bool Enough() const { return !written_ || (!endless_ && left_ == 0); }

  void Cancel() {
    devices_rpc_.TryCancel();
    leases_rpc_.TryCancel();
  }

  Context& context_;
  grpc::ClientContext devices_rpc_, leases_rpc_;
  std::mutex mutex_;
  uint32_t left_;
  const bool endless_;
  bool ended_ = false;
  bool written_ = true;
  absl::Status status_;
};

}  // namespace

void AddMonitorVerb(CLI::App& app, Context& context) {
  auto count = std::make_shared<uint32_t>(0);
  AddVerb(
      app, context, "monitor", "print what happens to devices and leases, as it happens",
      "  qsplit monitor\n  qsplit -j monitor | jq -c 'select(.fault)'\n  qsplit monitor --count 3",
      [&context, count] { return Monitor(context, *count).Run(); })
      ->add_option("--count", *count, "end after so many lines; without it at an interrupt")
      ->type_name("NUMBER");
}

}  // namespace qsplit::cli
