#include "daemon/backend/vfio/igb/flow_filters.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/igb/registers.h"

namespace qsplit::vfio::igb {
namespace {

// ETQF's field for the queue has three bits.
constexpr uint32_t kEtherTypeQueues = 8;

}  // namespace

void FlowFilters::Start(uint32_t drop_queue) {
  drop_queue_ = drop_queue;
  tuples_.clear();
  ethers_.clear();
}

absl::Status FlowFilters::Add(RegisterWindow& registers, const device::FlowRule& rule) {
  return rule.match.type == device::FlowType::kEther ? AddEther(registers, rule)
                                                     : AddTuple(registers, rule);
}

absl::Status FlowFilters::AddTuple(RegisterWindow& registers, const device::FlowRule& rule) {
  absl::StatusOr<TupleFilter> filter = EncodeTuple(chip_, rule.match);
  if (!filter.ok()) return filter.status();
  if (tuples_.size() == kTupleFilters) {
    return absl::ResourceExhaustedError(
        absl::StrCat("all ", kTupleFilters, " filters for flows are in use; remove a rule"));
  }
  const auto at = std::ranges::upper_bound(tuples_, rule.location, {}, &Tuple::location);
  const auto first = static_cast<uint32_t>(at - tuples_.begin());
  tuples_.insert(at, {rule.location, rule.action, *filter});
  for (auto i = static_cast<uint32_t>(tuples_.size()); i-- > first;) {
    WriteTuple(registers, i, tuples_[i]);
  }
  return absl::OkStatus();
}

absl::Status FlowFilters::AddEther(RegisterWindow& registers, const device::FlowRule& rule) {
  const absl::StatusOr<uint16_t> ether_type = EncodeEtherType(rule.match);
  if (!ether_type.ok()) return ether_type.status();
  if (rule.action.drops()) {
    return absl::UnimplementedError("this NIC's filters for EtherTypes choose a queue, none drops");
  }
  if (rule.action.queue >= kEtherTypeQueues) {
    return absl::UnimplementedError(absl::StrCat("queue ", rule.action.queue,
                                                 ": filters for EtherTypes reach queues 0 to ",
                                                 kEtherTypeQueues - 1));
  }
  uint32_t taken = 0;
  for (const Ether& ether : ethers_) {
    if (ether.ether_type == *ether_type) {
      return absl::UnimplementedError(absl::StrCat("EtherType 0x", absl::Hex(*ether_type),
                                                   " has a filter already, at location ",
                                                   ether.location, "; two cannot be told apart"));
    }
    taken |= 1u << ether.filter;
  }
  for (uint32_t i = 0; i < kEtherTypeFilters; ++i) {
    if ((taken >> i & 1) != 0) continue;
    ethers_.push_back({rule.location, *ether_type, i});
    registers.Write32(Etqf(i), *ether_type | kEtqfEnable | kEtqfQueueEnable |
                                   rule.action.queue << kEtqfQueueShift);
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("all ", kEtherTypeFilters, " filters for EtherTypes are in use; remove a rule"));
}

absl::Status FlowFilters::Remove(RegisterWindow& registers, uint32_t location) {
  const auto ether = std::ranges::find(ethers_, location, &Ether::location);
  if (ether != ethers_.end()) {
    registers.Write32(Etqf(ether->filter), 0);
    ethers_.erase(ether);
    return absl::OkStatus();
  }
  const auto tuple = std::ranges::find(tuples_, location, &Tuple::location);
  if (tuple == tuples_.end()) {
    return absl::NotFoundError(absl::StrCat("no rule at location ", location));
  }
  const auto first = static_cast<uint32_t>(tuple - tuples_.begin());
  tuples_.erase(tuple);
  for (uint32_t i = first; i < tuples_.size(); ++i) WriteTuple(registers, i, tuples_[i]);
  registers.Write32(Ftqf(static_cast<uint32_t>(tuples_.size())), 0);
  return absl::OkStatus();
}

void FlowFilters::WriteTuple(RegisterWindow& registers, uint32_t filter, const Tuple& tuple) const {
  // Off while its parts do not belong together; FTQF, which switches it on, comes last.
  registers.Write32(Ftqf(filter), 0);
  registers.Write32(Saqf(filter), tuple.filter.saqf);
  registers.Write32(Daqf(filter), tuple.filter.daqf);
  registers.Write32(Spqf(filter), tuple.filter.spqf);
  registers.Write32(Imir(filter), tuple.filter.imir);
  registers.Write32(Imirext(filter), tuple.filter.imirext);
  const uint32_t queue = tuple.action.drops() ? drop_queue_ : tuple.action.queue;
  registers.Write32(Ftqf(filter), tuple.filter.ftqf | queue << kFtqfQueueShift);
}

}  // namespace qsplit::vfio::igb
