#include <memory>
#include <utility>

#include "daemon/ingress/services.h"
#include "qsplit/v1/stats.grpc.pb.h"

namespace qsplit::ingress {
namespace {

using StatsWatch = Watch<v1::WatchStatsResponse>;
using StatsSource = lease::Subscription<v1::WatchStatsResponse>;

class StatsService final : public v1::StatsService::CallbackService {
 public:
  explicit StatsService(ServiceParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* GetStats(grpc::CallbackServerContext* context,
                                     const v1::GetStatsRequest* request,
                                     v1::GetStatsResponse* response) override {
    return Unary("GetStats", parts_.broker, context, *request, response,
                 [&](lease::SessionId caller) { return parts_.broker.GetStats(caller, *request); });
  }

  grpc::ServerWriteReactor<v1::WatchStatsResponse>* WatchStats(
      grpc::CallbackServerContext* context, const v1::WatchStatsRequest* request) override {
    auto watch = StatsWatch::Create("WatchStats", parts_.watches);
    auto* reactor = watch->reactor();
    watch->Begin(Start(*context, *request, watch));
    return reactor;
  }

 private:
  absl::StatusOr<std::shared_ptr<StatsSource>> Start(const grpc::CallbackServerContext& context,
                                                     const v1::WatchStatsRequest& request,
                                                     const std::shared_ptr<StatsWatch>& watch) {
    const auto caller = CallerOf(parts_.broker, context);
    if (!caller.ok()) return caller.status();
    if (absl::Status checked = Check(request); !checked.ok()) return checked;
    v1::GetStatsRequest read;
    read.set_device(request.device());
    // The first reading at once: it also says whether there is such a device.
    auto source = std::make_shared<StatsSource>(watch->OnReady());
    if (absl::Status first = Read(*caller, read, *source); !first.ok()) return first;
    const uint64_t interval_ns = request.interval_ns() == 0 ? 1'000'000'000 : request.interval_ns();
    parts_.ticker.Add(
        absl::Nanoseconds(static_cast<int64_t>(interval_ns)),
        [this, caller = *caller, read, source, weak = std::weak_ptr<StatsWatch>(watch)] {
          const auto alive = weak.lock();
          if (alive == nullptr || alive->finished()) return false;
          // A reader that lags gets fewer readings, not older ones.
          if (!alive->Idle()) return true;
          const absl::Status status = Read(caller, read, *source);
          if (!status.ok()) source->End(status, false);
          source->Notify();
          return status.ok();
        });
    return source;
  }

  absl::Status Read(lease::SessionId caller, const v1::GetStatsRequest& request,
                    StatsSource& source) {
    auto stats = parts_.broker.GetStats(caller, request, "WatchStats");
    if (!stats.ok()) return stats.status();
    v1::WatchStatsResponse event;
    *event.mutable_stats() = std::move(*stats->mutable_stats());
    source.Push(std::move(event));
    return absl::OkStatus();
  }

  ServiceParts& parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeStatsService(ServiceParts& parts) {
  return std::make_unique<StatsService>(parts);
}

}  // namespace qsplit::ingress
