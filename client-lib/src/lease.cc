#include "qsplit/lease.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client-lib/src/device_info.h"
#include "client-lib/src/lease_parts.h"
#include "client-lib/src/rx_queue_impl.h"
#include "client-lib/src/tx_queue_impl.h"
#include "qsplit/rpc_flow_rule.h"
#include "qsplit/v1/lease.grpc.pb.h"
#include "qsplit/v1/steering.grpc.pb.h"

namespace qsplit {
namespace {

constexpr uint32_t kBufferGrain = 64;
constexpr uint32_t kMaxBufferBytes = 65536;
constexpr uint32_t kMaxBuffersPerPair = 1u << 22;
constexpr uint32_t kSpareBuffers = 256;

template <typename... Args>
absl::Status Invalid(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat("Acquire: ", args...));
}

uint32_t Count(uint32_t asked, uint32_t all) {
  return asked == LeaseOptions::kAllQueues ? all : asked;
}

absl::Status Check(const LeaseOptions& options, const DeviceInfo& info) {
  if (options.rx_queues == 0 && options.tx_queues == 0) {
    return Invalid("rx_queues and tx_queues are both 0; ask for at least one queue");
  }
  if (options.buffer_bytes % kBufferGrain != 0 || options.buffer_bytes > kMaxBufferBytes) {
    return Invalid("buffer_bytes is ", options.buffer_bytes, "; multiples of ", kBufferGrain,
                   " up to ", kMaxBufferBytes, " are possible");
  }
  if (options.buffers_per_pair > kMaxBuffersPerPair) {
    return Invalid("buffers_per_pair is ", options.buffers_per_pair, ", more than ",
                   kMaxBuffersPerPair);
  }
  if (options.region == nullptr) {
    return options.region_offset_bytes == 0
               ? absl::OkStatus()
               : Invalid("region_offset_bytes is given without a region");
  }
  if (options.region_offset_bytes % kBufferGrain != 0 ||
      options.region_offset_bytes >= options.region->bytes().size()) {
    return Invalid("region_offset_bytes is ", options.region_offset_bytes, "; multiples of ",
                   kBufferGrain, " inside the region's ", options.region->bytes().size(),
                   " bytes are possible");
  }
  if (options.region->read_only() && Count(options.rx_queues, info.rx_queues) > 0) {
    return Invalid(
        "the device may only read the region; receive queues need one that it may "
        "write");
  }
  return absl::OkStatus();
}

v1::AcquireLeaseRequest RequestOf(const LeaseOptions& options, const DeviceInfo& info,
                                  const Region& region) {
  v1::AcquireLeaseRequest request;
  request.set_device(info.name);
  request.set_rx_queue_count(options.rx_queues);
  request.set_tx_queue_count(options.tx_queues);
  if (options.first_rx_queue.has_value()) request.set_first_rx_queue(*options.first_rx_queue);
  if (options.first_tx_queue.has_value()) request.set_first_tx_queue(*options.first_tx_queue);
  request.set_rx_slots(options.rx_slots);
  request.set_tx_slots(options.tx_slots);
  request.add_region_ids(region.id());
  for (const std::string& role : options.rx_roles) request.add_rx_roles(role);
  for (const std::string& role : options.tx_roles) request.add_tx_roles(role);
  request.set_layout(options.layout);
  for (const std::string& choice : options.features) request.add_features(choice);
  request.set_protection(static_cast<v1::ProtectionMode>(options.protection));
  request.set_rx_buffer_bytes(options.buffer_bytes);
  request.set_join_rss(options.join_rss);
  return request;
}

}  // namespace

absl::StatusOr<Lease> Device::Acquire(const LeaseOptions& asked) const {
  LeaseOptions options = asked;
  if (options.buffer_bytes == 0) options.buffer_bytes = info_.buffer_bytes;
  if (absl::Status status = Check(options, info_); !status.ok()) return status;
  uint32_t buffers = options.buffers_per_pair;
  if (buffers == 0) {
    const uint32_t rx = options.rx_slots != 0 ? options.rx_slots : info_.default_slots;
    const uint32_t tx = options.tx_slots != 0 ? options.tx_slots : info_.default_slots;
    const uint64_t sum = uint64_t{options.rx_queues == 0 ? 0 : rx} +
                         (options.tx_queues == 0 ? 0 : tx) + kSpareBuffers;
    if (sum > kMaxBuffersPerPair) {
      return Invalid("rx_slots and tx_slots, ", rx, " and ", tx, ", are too many");
    }
    buffers = static_cast<uint32_t>(sum);
  }
  std::shared_ptr<Region> region = options.region;
  if (region == nullptr) {
    // At least one: what is wrong with a device that had no queues, the daemon says.
    const uint64_t pairs = std::max(
        {Count(options.rx_queues, info_.rx_queues), Count(options.tx_queues, info_.tx_queues), 1U});
    absl::StatusOr<std::shared_ptr<Region>> made = internal::RegisterRegion(
        core_, {.bytes = pairs * buffers * options.buffer_bytes, .name = "buffers"});
    if (!made.ok()) return made.status();
    region = *std::move(made);
  }
  core_->watcher.Start();
  v1::AcquireLeaseResponse response;
  if (absl::Status status = core_->Call<v1::LeaseService>(
          &v1::LeaseService::Stub::AcquireLease, RequestOf(options, info_, *region), &response);
      !status.ok()) {
    return status;
  }
  auto parts = std::make_unique<internal::LeaseParts>(core_, std::move(response));
  parts->region = std::move(region);
  // On an error the parts release what was acquired.
  if (absl::Status status = parts->Build(options, buffers); !status.ok()) return status;
  return Lease(std::move(parts));
}

Lease::Lease(std::unique_ptr<internal::LeaseParts> parts) : parts_(std::move(parts)) {}
Lease::~Lease() = default;
Lease::Lease(Lease&&) noexcept = default;
Lease& Lease::operator=(Lease&&) noexcept = default;

uint64_t Lease::id() const { return parts_->id(); }
const std::string& Lease::device() const { return parts_->acquired.lease().device(); }
const std::string& Lease::layout() const { return parts_->acquired.lease().layout().name(); }
const std::vector<std::string>& Lease::features() const { return parts_->features; }
ProtectionMode Lease::protection() const {
  return static_cast<ProtectionMode>(parts_->acquired.lease().protection());
}
SourceCheck Lease::source_check() const {
  return static_cast<SourceCheck>(parts_->acquired.lease().source_check());
}
const std::string& Lease::source_check_reason() const {
  return parts_->acquired.lease().source_check_reason();
}
const std::vector<std::string>& Lease::roles_in_software() const {
  return parts_->roles_in_software;
}
uint32_t Lease::rx_count() const { return static_cast<uint32_t>(parts_->rx.size()); }
uint32_t Lease::tx_count() const { return static_cast<uint32_t>(parts_->tx.size()); }
RxQueue& Lease::rx(uint32_t i) { return *parts_->rx.at(i); }
TxQueue& Lease::tx(uint32_t i) { return *parts_->tx.at(i); }
const std::shared_ptr<Region>& Lease::region() const { return parts_->region; }

absl::StatusOr<uint32_t> Lease::AddRule(std::string_view words) {
  absl::StatusOr<FlowRule> rule = ParseRule(words);
  if (!rule.ok()) return rule.status();
  return AddRule(*rule);
}

absl::StatusOr<uint32_t> Lease::AddRule(const FlowRule& rule) {
  v1::AddRuleRequest request;
  request.set_lease_id(id());
  FillRequest(rule, /*of_lease=*/true, &request);
  v1::AddRuleResponse response;
  if (absl::Status status = parts_->core->Call<v1::SteeringService>(
          &v1::SteeringService::Stub::AddRule, request, &response);
      !status.ok()) {
    return status;
  }
  return response.rule().location();
}

absl::Status Lease::RemoveRule(uint32_t location) {
  v1::RemoveRuleRequest request;
  request.set_device(device());
  request.set_location(location);
  v1::RemoveRuleResponse response;
  return parts_->core->Call<v1::SteeringService>(&v1::SteeringService::Stub::RemoveRule, request,
                                                 &response);
}

bool Lease::ok() const { return parts_->state->ok(); }
absl::Status Lease::status() const { return parts_->state->status(); }
std::optional<LeaseEvent> Lease::NextEvent() { return parts_->state->Next(); }
int Lease::event_fd() const { return parts_->state->event_fd(); }
void Lease::OnEvent(std::function<void(const LeaseEvent&)> handler) {
  parts_->state->SetHandler(std::move(handler));
}
absl::Status Lease::Release() { return parts_->Release(); }

}  // namespace qsplit
