#include "daemon/lease/device_room.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "daemon/lease/lease_plan.h"

namespace qsplit::lease {

void DeviceRoom::Seat(std::shared_ptr<device::Device> tenant) {
  device = std::move(tenant);
  const device::DeviceInfo& info = device->info();
  offers = OffersOf(info);
  rules = steering::RuleTable(info.rule_capacity);
  rx_holder.assign(info.rx_queues, 0);
  tx_holder.assign(info.tx_queues, 0);
  rx_base.assign(info.rx_queues, {});
  tx_base.assign(info.tx_queues, {});
  avoided_until.clear();
  former.clear();
}

bool DeviceRoom::Leased() const {
  const auto held = [](LeaseId holder) { return holder != 0; };
  return std::any_of(rx_holder.begin(), rx_holder.end(), held) ||
         std::any_of(tx_holder.begin(), tx_holder.end(), held);
}

std::vector<bool> DeviceRoom::Taken(const std::vector<LeaseId>& holders) const {
  std::vector<bool> taken(holders.size(), device->info().whole_function_only && Leased());
  const bool pairs = device->info().queues_pair;
  for (size_t i = 0; i < holders.size(); ++i) {
    if (holders[i] != 0) taken[i] = true;
    if (!pairs) continue;
    for (const auto* other : {&rx_holder, &tx_holder}) {
      if (i < other->size() && (*other)[i] != 0) taken[i] = true;
    }
  }
  return taken;
}

std::vector<bool> DeviceRoom::RxTaken() const {
  std::vector<bool> taken = Taken(rx_holder);
  for (const steering::OwnedRule* rule : rules.List()) {
    const uint32_t queue = rule->rule.action.queue;
    if (rule->lease == 0 && queue < taken.size()) taken[queue] = true;
  }
  return taken;
}

std::vector<bool> DeviceRoom::TxTaken() const { return Taken(tx_holder); }

std::vector<bool> DeviceRoom::Avoided(absl::Time now) const {
  std::vector<bool> avoided(std::max(rx_holder.size(), tx_holder.size()));
  for (const auto& [queue, until] : avoided_until) {
    if (queue < avoided.size()) avoided[queue] = now < until;
  }
  return avoided;
}

void DeviceRoom::CountByThread(std::vector<uint32_t>* leased) const {
  const std::vector<uint32_t>& threads = device->info().queue_threads;
  for (const auto* holders : {&rx_holder, &tx_holder}) {
    for (size_t i = 0; i < holders->size(); ++i) {
      if ((*holders)[i] == 0) continue;
      const uint32_t thread = i < threads.size() ? threads[i] : 0;
      if (thread >= leased->size()) leased->resize(thread + size_t{1});
      ++(*leased)[thread];
    }
  }
}

void DeviceRoom::NoteFormer(const std::string& tenant, const device::QueueRequest& queues) {
  const uint64_t pinned_bytes = device->info().pins_memory ? RegionBytes(queues) : 0;
  for (const auto* numbers : {&queues.rx_queues, &queues.tx_queues}) {
    for (const uint32_t queue : *numbers) {
      former[queue] = {.tenant = tenant, .lease = queues.lease, .pinned_bytes = pinned_bytes};
    }
  }
  for (const uint32_t queue : queues.rx_queues) former[queue].rx = true;
  for (const uint32_t queue : queues.tx_queues) former[queue].tx = true;
}

uint32_t DeviceRoom::Free(const std::vector<bool>& taken, absl::Time now) const {
  const std::vector<bool> avoided = Avoided(now);
  uint32_t free = 0;
  for (size_t i = 0; i < taken.size(); ++i) free += !taken[i] && !avoided[i];
  return free;
}

void DeviceRoom::Take(const device::QueueRequest& queues) {
  for (uint32_t queue : queues.rx_queues) rx_holder[queue] = queues.lease;
  for (uint32_t queue : queues.tx_queues) tx_holder[queue] = queues.lease;
}

void DeviceRoom::GiveBack(LeaseId lease) {
  for (auto* holders : {&rx_holder, &tx_holder}) {
    std::replace(holders->begin(), holders->end(), lease, LeaseId{0});
  }
}

void DeviceRoom::Rebase(const device::QueueRequest& queues, const device::DeviceCounters& now) {
  for (uint32_t queue : queues.rx_queues) {
    if (queue < now.rx.size()) rx_base[queue] = now.rx[queue];
  }
  for (uint32_t queue : queues.tx_queues) {
    if (queue < now.tx.size()) tx_base[queue] = now.tx[queue];
  }
}

device::QueueCounters Since(const device::QueueCounters& now, const device::QueueCounters& base) {
  using Counters = device::QueueCounters;
  constexpr uint64_t Counters::*kAll[] = {&Counters::packets,
                                          &Counters::bytes,
                                          &Counters::completions,
                                          &Counters::descriptors,
                                          &Counters::drops_no_descriptor,
                                          &Counters::drops_too_long,
                                          &Counters::drops_down,
                                          &Counters::drops_injected,
                                          &Counters::checksum_errors,
                                          &Counters::faults,
                                          &Counters::events,
                                          &Counters::wakeups,
                                          &Counters::drops_source};
  static_assert(sizeof(Counters) == std::size(kAll) * sizeof(uint64_t), "name each counter");
  Counters since;
  for (uint64_t Counters::*counter : kAll) {
    // Less than before: the device began anew.
    since.*counter = now.*counter >= base.*counter ? now.*counter - base.*counter : now.*counter;
  }
  return since;
}

}  // namespace qsplit::lease
