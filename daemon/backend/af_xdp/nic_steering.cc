#include "daemon/backend/af_xdp/nic_steering.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/backend/af_xdp/ntuple.h"

namespace qsplit::af_xdp {

absl::StatusOr<std::unique_ptr<NicSteering>> NicSteering::Take(uint32_t queues, uint32_t locations,
                                                               NetdevChanges& changes) {
  std::unique_ptr<NicSteering> nic(new NicSteering(queues, locations, changes));
  if (absl::Status status = nic->FindTable(); !status.ok()) return status;
  // Where they are off; some drivers have them on without saying so.
  if (absl::Status status = changes.TurnOnFilters(); !status.ok()) return status;
  if (absl::Status status = nic->FindPlaces(); !status.ok()) return nic->Useless(std::move(status));
  return nic;
}

absl::Status NicSteering::Useless(absl::Status why) {
  // What fails here stands in the journal, and is done in the end.
  changes_.TurnBackFilters().IgnoreError();
  return why;
}

absl::Status NicSteering::FindTable() {
  const absl::StatusOr<linux_sys::RssState> rss = changes_.ReadTable();
  if (!rss.ok()) return rss.status();
  const bool known = std::all_of(rss->table.begin(), rss->table.end(),
                                 [this](uint32_t queue) { return queue < queues_; });
  if (rss->table.empty() || !known) {
    return absl::UnimplementedError(absl::StrCat("netdev ", changes_.netdev().netdev,
                                                 " has no RSS table of its ", queues_, " queues"));
  }
  if (queues_ == 1) {
    return absl::UnimplementedError(absl::StrCat("netdev ", changes_.netdev().netdev,
                                                 " has one queue, which must stay in its RSS "
                                                 "table"));
  }
  rss_ = backend::Rss(queues_, static_cast<uint32_t>(rss->table.size()), /*inside=*/true);
  return rss_.Set({.indirection = rss->table, .key = rss_.key()});
}

absl::Status NicSteering::FindPlaces() {
  const absl::StatusOr<linux_sys::NtupleTable> table = changes_.link().GetNtupleTable();
  if (!table.ok()) return table.status();
  if (table->slots == 0) {
    return absl::UnimplementedError(
        absl::StrCat("netdev ", changes_.netdev().netdev,
                     " does not say how many ntuple rules it has room for"));
  }
  const std::set<uint32_t> taken(table->taken.begin(), table->taken.end());
  std::vector<uint32_t> free;
  for (uint32_t location = 0; location < table->slots; ++location) {
    if (!taken.contains(location)) free.push_back(location);
  }
  if (free.empty()) {
    return absl::UnimplementedError(
        absl::StrCat("netdev ", changes_.netdev().netdev, " has no free place for an ntuple rule"));
  }
  places_.emplace(std::move(free), locations_);
  return absl::OkStatus();
}

absl::Status NicSteering::TryUdpRule() {
  device::FlowRule rule;
  rule.location = locations_ - 1;
  rule.match.type = device::FlowType::kUdp4;
  device::FlowKey& value = rule.match.value;
  device::FlowKey& mask = rule.match.mask;
  value.ip_version = 4;
  value.l4_protocol = 17;
  value.has_ports = mask.has_ports = 1;
  value.dst_port = 9;  // "discard", RFC 863
  mask.ip_version = mask.l4_protocol = 0xff;
  mask.dst_port = 0xffff;
  rule.action.queue = 0;
  absl::Status status = AddRule(rule);
  if (status.ok()) return RemoveRule(rule.location);
  return Useless(absl::UnimplementedError(
      absl::StrCat("netdev ", changes_.netdev().netdev,
                   " takes no ntuple rule by UDP port: ", status.message())));
}

absl::Status NicSteering::WriteTable() {
  const backend::Rss::Table table = rss_.Effective();
  if (std::find(table.begin(), table.end(), device::kNoQueue) != table.end()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("netdev ", changes_.netdev().netdev,
                     " must keep a queue in its RSS table, for what no rule takes; lease fewer"));
  }
  return changes_.SetTable(table);
}

absl::Status NicSteering::Leave(std::span<const uint32_t> queues) {
  if (queues.empty()) return absl::OkStatus();
  if (out_.empty()) {
    if (absl::Status status = FindTable(); !status.ok()) return status;
  }
  const backend::Rss before = rss_;
  rss_.Leave(queues);
  absl::Status status = WriteTable();
  if (status.ok()) {
    out_.insert(queues.begin(), queues.end());
  } else {
    rss_ = before;
  }
  return status;
}

absl::Status NicSteering::Return(std::span<const uint32_t> queues) {
  size_t back = 0;
  for (const uint32_t queue : queues) back += out_.erase(queue);
  if (back == 0) return absl::OkStatus();
  rss_.Return(queues);
  return WriteTable();
}

absl::Status NicSteering::AddRule(const device::FlowRule& rule) {
  const absl::StatusOr<std::vector<uint32_t>> room = places_->RoomFor(rule);
  if (!room.ok()) return room.status();
  device::FlowRule there = rule;
  for (const uint32_t place : *room) {
    there.location = place;
    const absl::StatusOr<linux_sys::NtupleRule> ntuple = ToNtuple(there);
    if (!ntuple.ok()) return ntuple.status();
    absl::Status status = changes_.AddRule(*ntuple);
    if (status.ok()) places_->Put(rule, place);
    // An administrator's rule has come to stand there meanwhile, or the NIC has the same elsewhere.
    if (!absl::IsAlreadyExists(status) || changes_.link().CheckFree(place).ok()) return status;
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("rules that are not the daemon's have the locations of netdev ",
                   changes_.netdev().netdev, " that are left: `ethtool -n` shows them"));
}

bool NicSteering::Brings(uint32_t location, uint32_t queue) const {
  const std::optional<uint32_t> place = PlaceOf(location);
  if (!place) return false;
  const absl::StatusOr<linux_sys::NtupleRule> rule = changes_.link().GetRule(*place);
  return rule.ok() && rule->ring_cookie == queue;
}

absl::Status NicSteering::RemoveRule(uint32_t location) {
  const std::optional<uint32_t> place = PlaceOf(location);
  if (!place) return absl::NotFoundError(absl::StrCat("no rule at location ", location));
  absl::Status status = changes_.RemoveRule(*place);
  if (status.ok() || absl::IsNotFound(status)) places_->Remove(location);
  return status;
}

}  // namespace qsplit::af_xdp
