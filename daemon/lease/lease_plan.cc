#include "daemon/lease/lease_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "daemon/lease/convert.h"
#include "daemon/lease/iova.h"
#include "daemon/lease/layout_choice.h"
#include "daemon/lease/queue_pick.h"
#include "daemon/lease/queue_sizes.h"
#include "daemon/lease/transmission.h"
#include "daemon/policy/error.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::lease {
namespace {

using policy::Error;
using policy::Hex;

absl::Status CheckPolicy(const v1::AcquireLeaseRequest& request, const Circumstances& here) {
  if (!policy::MayUse(here.tenant, here.device.name)) {
    return Error(v1::ERROR_REASON_NOT_ALLOWED, "device", here.device.name, "",
                 fmt::format("policy gives you no queues of device {}; ask the administrator",
                             here.device.name));
  }
  if (here.device.rx_queues == 0 && here.device.tx_queues == 0) {
    return Error(v1::ERROR_REASON_UNUSABLE, "device", here.device.name, "",
                 fmt::format("device {} cannot be used: {}", here.device.name,
                             here.trouble.empty() ? "it has no queues" : here.trouble));
  }
  if (here.device.whole_function_only && here.leased) {
    return Error(v1::ERROR_REASON_NO_FREE_QUEUE, "device", here.device.name, "1 lease",
                 fmt::format("device {} is leased whole, to one lease at a time, and it is leased; "
                             "try later or choose another device",
                             here.device.name));
  }
  if (here.usage.leases >= here.tenant.quota.max_leases) {
    return Error(v1::ERROR_REASON_QUOTA, "", fmt::format("{}", here.usage.leases + 1),
                 fmt::format("{}", here.tenant.quota.max_leases),
                 fmt::format("policy allows {} leases; release one", here.tenant.quota.max_leases));
  }
  if (!request.join_rss()) return absl::OkStatus();
  if (!here.tenant.may_join_rss) {
    return Error(v1::ERROR_REASON_NOT_ALLOWED, "join_rss", "true", "false",
                 "policy does not let you join RSS; ask without join_rss and add steering rules");
  }
  if (here.device.rss_table_size == 0) {
    return Error(v1::ERROR_REASON_UNSUPPORTED, "join_rss", "true", "false",
                 fmt::format("device {} has no RSS; ask without join_rss", here.device.name));
  }
  if (request.rx_queue_count() == 0) {
    return Error(v1::ERROR_REASON_MALFORMED, "join_rss", "true", "false",
                 "a lease without receive queues has no part in RSS; ask without join_rss");
  }
  return absl::OkStatus();
}

absl::Status CheckQueueQuota(std::string_view field, std::string_view word, size_t wanted,
                             uint32_t leased, uint32_t kept, uint32_t most) {
  const uint32_t used = leased + kept;
  if (wanted == 0 || (used <= most && wanted <= most - used)) return absl::OkStatus();
  if (kept != 0) {
    return Error(v1::ERROR_REASON_QUOTA, field, fmt::format("{}", wanted), fmt::format("{}", most),
                 fmt::format("{} {} queues, with {} in use and {} that programs keep after their "
                             "leases, by descriptors of them, are more than the {} that policy "
                             "allows; what is kept is free when those programs close it or end",
                             wanted, word, leased, kept, most));
  }
  return Error(v1::ERROR_REASON_QUOTA, field, fmt::format("{}", wanted), fmt::format("{}", most),
               fmt::format("{} {} queues with {} in use are more than the {} that policy allows; "
                           "ask for fewer",
                           wanted, word, used, most));
}

bool Has(const std::vector<device::Protection>& modes, device::Protection mode) {
  return std::find(modes.begin(), modes.end(), mode) != modes.end();
}

std::string Words(const std::vector<device::Protection>& modes) {
  std::vector<std::string_view> words;
  words.reserve(modes.size());
  for (device::Protection mode : modes) words.push_back(WordOf(mode));
  return words.empty() ? "none" : fmt::format("{}", fmt::join(words, ", "));
}

absl::Status CannotLimit(const device::DeviceInfo& device, std::string_view modes) {
  const std::string able = Words(device.rate_limit_modes);
  const std::string advice = device.rate_limit_modes.empty()
                                 ? "choose another device"
                                 : fmt::format("take {}, or leave the mode to the daemon", able);
  return Error(v1::ERROR_REASON_NOT_ALLOWED, "protection", modes, able,
               fmt::format("policy limits how fast you may send, and device {} cannot keep to that "
                           "with protection {}; {}",
                           device.name, modes, advice));
}

// Whether the lease's holder can send: who has the whole function makes itself what queues it
// wants.
bool Sends(const v1::AcquireLeaseRequest& request, const device::DeviceInfo& device) {
  return request.tx_queue_count() != 0 || device.whole_function_only;
}

absl::StatusOr<device::Protection> ChooseProtection(const v1::AcquireLeaseRequest& request,
                                                    const Circumstances& here) {
  const device::DeviceInfo& device = here.device;
  const auto limits = [&](device::Protection mode) {
    return !here.tenant.limit.any() || !Sends(request, device) ||
           Has(device.rate_limit_modes, mode);
  };
  if (request.protection() == v1::PROTECTION_MODE_UNSPECIFIED) {
    for (device::Protection mode :
         {device::Protection::kDirect, device::Protection::kGuarded, device::Protection::kKernel}) {
      if (Has(device.protections, mode) && limits(mode)) return mode;
    }
    if (!device.protections.empty()) return CannotLimit(device, Words(device.protections));
  } else {
    const std::optional<device::Protection> mode = FromProto(request.protection());
    if (!mode) {
      const auto number = static_cast<int>(request.protection());
      return Error(
          v1::ERROR_REASON_MALFORMED, "protection", fmt::format("{}", number), "",
          fmt::format("protection {} is no mode; leave it out and let the daemon choose", number));
    }
    if (Has(device.protections, *mode)) {
      if (limits(*mode)) return *mode;
      return CannotLimit(device, WordOf(*mode));
    }
  }
  return Error(
      v1::ERROR_REASON_UNSUPPORTED, "protection", v1::ProtectionMode_Name(request.protection()),
      Words(device.protections),
      fmt::format("device {} has not this protection mode; it has {}: leave it out and let "
                  "the daemon choose",
                  device.name, Words(device.protections)));
}

absl::StatusOr<std::vector<device::RegionMapping>> MapRegions(
    const std::vector<const region::Region*>& regions, const IovaRange& range) {
  std::vector<IovaWish> wishes;
  wishes.reserve(regions.size());
  for (const region::Region* region : regions) {
    wishes.push_back({region->length_bytes, region->page_bytes});
  }
  absl::StatusOr<std::vector<uint64_t>> iovas = AssignIovas(wishes, range);
  if (!iovas.ok()) return iovas.status();
  std::vector<device::RegionMapping> mappings;
  for (size_t i = 0; i < regions.size(); ++i) {
    mappings.push_back({regions[i]->id, regions[i]->memory, regions[i]->offset_bytes,
                        regions[i]->length_bytes, (*iovas)[i], regions[i]->device_writable});
  }
  return mappings;
}

absl::Status CheckPinned(const device::QueueRequest& queues, const Circumstances& here) {
  const uint64_t most = here.tenant.quota.max_region_bytes;
  const uint64_t used = here.usage.pinned_bytes;
  const uint64_t wanted = RegionBytes(queues);
  if (!here.device.pins_memory || (used <= most && wanted <= most - used)) return absl::OkStatus();
  return Error(
      v1::ERROR_REASON_QUOTA, "region_ids", Hex(wanted), Hex(most),
      fmt::format("device {} pins all {} bytes of the regions for this lease alone, {} are "
                  "pinned for other leases, and policy allows {} (region_bytes); name "
                  "smaller regions, have more queues in one lease, or release one",
                  here.device.name, wanted, used, most));
}

absl::Status TooManyDescriptors(size_t count) {
  return Error(v1::ERROR_REASON_QUOTA, "rx_queue_count", fmt::format("{}", count),
               fmt::format("{}", kMaxGrantDescriptors),
               fmt::format("so many queues take {} descriptors and one grant has room for {}; "
                           "acquire them in several leases",
                           count, kMaxGrantDescriptors));
}

// Of a kernel netdev, each queue, whatever its direction, is a socket.
absl::Status CheckSockets(const device::QueueRequest& queues) {
  if (queues.protection != device::Protection::kKernel) return absl::OkStatus();
  std::set<uint32_t> sockets(queues.rx_queues.begin(), queues.rx_queues.end());
  sockets.insert(queues.tx_queues.begin(), queues.tx_queues.end());
  return sockets.size() > kMaxGrantDescriptors ? TooManyDescriptors(sockets.size())
                                               : absl::OkStatus();
}

absl::StatusOr<std::vector<uint32_t>> Pick(uint32_t count, bool has_first, uint32_t first,
                                           bool transmit, const Circumstances& here) {
  QueueWish wish{.transmit = transmit, .count = count, .first = std::nullopt};
  if (has_first) wish.first = first;
  return PickQueues(wish, transmit ? here.tx_taken : here.rx_taken, here.last_choice,
                    {here.device.queue_threads, here.leased_by_thread});
}

}  // namespace

absl::StatusOr<LeasePlan> PlanLease(const v1::AcquireLeaseRequest& request,
                                    const Circumstances& here) {
  if (request.rx_queue_count() == 0 && request.tx_queue_count() == 0) {
    return Error(v1::ERROR_REASON_MALFORMED, "rx_queue_count", "0", "1",
                 "neither receive nor transmit queues are wanted; ask for at least one");
  }
  if (absl::Status status = CheckPolicy(request, here); !status.ok()) return status;
  auto source = PlanTransmission(here.tenant, here.device, request.tx_queue_count());
  if (!source.ok()) return source.status();
  auto protection = ChooseProtection(request, here);
  if (!protection.ok()) return protection.status();

  LayoutWish wish;
  wish.name = request.layout();
  wish.receive = request.rx_queue_count() != 0;
  wish.transmit = request.tx_queue_count() != 0;
  wish.rx_roles.assign(request.rx_roles().begin(), request.rx_roles().end());
  wish.tx_roles.assign(request.tx_roles().begin(), request.tx_roles().end());
  wish.features.assign(request.features().begin(), request.features().end());
  auto choice = ChooseLayout(here.offers, wish);
  if (!choice.ok()) return choice.status();

  auto rx = Pick(request.rx_queue_count(), request.has_first_rx_queue(), request.first_rx_queue(),
                 false, here);
  if (!rx.ok()) return rx.status();
  auto tx = Pick(request.tx_queue_count(), request.has_first_tx_queue(), request.first_tx_queue(),
                 true, here);
  if (!tx.ok()) return tx.status();
  const policy::Quota& quota = here.tenant.quota;
  if (absl::Status status =
          CheckQueueQuota("rx_queue_count", "receive", rx->size(), here.usage.rx_queues,
                          here.usage.kept_rx_queues, quota.max_rx_queues);
      !status.ok()) {
    return status;
  }
  if (absl::Status status =
          CheckQueueQuota("tx_queue_count", "transmit", tx->size(), here.usage.tx_queues,
                          here.usage.kept_tx_queues, quota.max_tx_queues);
      !status.ok()) {
    return status;
  }

  device::QueueRequest queues{.layout = choice->layout, .features = choice->features};
  queues.rx_queues = *std::move(rx);
  queues.tx_queues = *std::move(tx);
  queues.protection = *protection;
  queues.join_rss = request.join_rss();
  queues.wants_transmit_times =
      wish.transmit && std::count(wish.tx_roles.begin(), wish.tx_roles.end(),
                                  layout::RoleName(layout::Role::kTimestamp)) != 0;
  if (Sends(request, here.device)) queues.limit = here.tenant.limit;
  queues.source = std::move(source->filter);
  if (wish.receive) {
    const v1::Queue& queue = *choice->layout.FindQueue(v1::DIRECTION_RECEIVE);
    auto slots = ChooseSlots(queue, choice->features, request.rx_slots(), here.device.default_slots,
                             "rx_slots");
    if (!slots.ok()) return slots.status();
    auto bytes = ChooseBufferBytes(queue, request.rx_buffer_bytes());
    if (!bytes.ok()) return bytes.status();
    queues.rx_slots = *slots;
    queues.rx_buffer_bytes = *bytes;
  }
  if (wish.transmit) {
    const v1::Queue& queue = *choice->layout.FindQueue(v1::DIRECTION_TRANSMIT);
    auto slots = ChooseSlots(queue, choice->features, request.tx_slots(), here.device.default_slots,
                             "tx_slots");
    if (!slots.ok()) return slots.status();
    queues.tx_slots = *slots;
  }
  auto mappings = MapRegions(here.regions, RangeOf(choice->layout.message(), here.device));
  if (!mappings.ok()) return mappings.status();
  queues.regions = *std::move(mappings);
  if (absl::Status status = CheckPinned(queues, here); !status.ok()) return status;
  if (absl::Status status = CheckSockets(queues); !status.ok()) return status;
  return LeasePlan{std::move(queues), std::move(choice->roles_in_software),
                   std::move(source->trouble)};
}

uint64_t RegionBytes(const device::QueueRequest& queues) {
  uint64_t bytes = 0;
  for (const device::RegionMapping& region : queues.regions) bytes += region.length_bytes;
  return bytes;
}

absl::Status CheckGrant(const device::Grant& grant, const device::QueueRequest& queues) {
  if (grant.fds.size() > kMaxGrantDescriptors) return TooManyDescriptors(grant.fds.size());
  bool whole =
      grant.rx.size() == queues.rx_queues.size() && grant.tx.size() == queues.tx_queues.size();
  for (const auto& fd : grant.fds) whole = whole && fd.fd != nullptr;
  for (const auto& area : grant.areas) whole = whole && area.fd < grant.fds.size();
  if (whole) return absl::OkStatus();
  return absl::InternalError("the device's grant is not whole; see the daemon's log");
}

}  // namespace qsplit::lease
