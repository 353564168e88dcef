#include "daemon/backend/af_xdp/netdev_changes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/journal/field_reader.h"
#include "daemon/linux/netdev_link.h"

namespace qsplit::af_xdp {
namespace {

// Records: a netdev as it was, and a rule of the daemon's in it.
constexpr char kFormer[] = "netdev";
constexpr char kRule[] = "netdev-rule";
constexpr char kRuleField[] = "rule";

void Put(const NetdevId& netdev, journal::Fields* fields) {
  (*fields)["netns"] = netdev.netns;
  (*fields)["netdev"] = netdev.netdev;
  (*fields)["ifindex"] = absl::StrCat(netdev.ifindex);
}

absl::StatusOr<NetdevId> NetdevOf(const journal::Record& record, const char* kind) {
  journal::FieldReader reader(record, kind);
  NetdevId netdev{.netns = reader.Text("netns"),
                  .netdev = reader.Text("netdev"),
                  .ifindex = reader.Number<uint32_t>("ifindex")};
  if (!reader.status().ok()) return reader.status();
  return netdev;
}

journal::Fields RuleFields(const NetdevId& netdev, const linux_sys::NtupleRule& rule) {
  journal::Fields fields{{kRuleField, linux_sys::ToText(std::span(&rule, 1))}};
  Put(netdev, &fields);
  return fields;
}

absl::Status Strike(journal::Journal& journal, const std::vector<journal::RecordId>& records) {
  absl::Status first;
  for (const journal::RecordId record : records) first.Update(journal.Done(record));
  return first;
}

absl::StatusOr<linux_sys::NetdevFacts> LookAt(const NetdevId& netdev) {
  auto link = linux_sys::NetdevLink::Open(netdev.netns, netdev.netdev);
  if (!link.ok()) return link.status();
  return (*link)->GetFacts();
}

// Undoes what stands in a record of kFormer, with the rules of the same netdev.
absl::Status Undo(const journal::Record& record, journal::Journal& journal,
                  const MakeIoctl& ioctl) {
  const auto netdev = NetdevOf(record, kFormer);
  if (!netdev.ok()) return netdev.status();
  journal::Fields fields = record.fields;
  for (const char* name : {"netns", "netdev", "ifindex"}) fields.erase(name);
  const auto before = linux_sys::SteeringOfFields(fields);
  if (!before.ok()) return before.status();
  std::vector<linux_sys::NtupleRule> added;
  std::vector<journal::RecordId> done{record.id};
  for (const journal::Record& other : journal.Records(kRule)) {
    const auto of = NetdevOf(other, kRule);
    if (!of.ok()) return of.status();
    if (!(*of == *netdev)) continue;
    journal::FieldReader reader(other, kRule);
    const auto rules = linux_sys::RulesOfText(reader.Text(kRuleField));
    if (!rules.ok()) return rules.status();
    added.insert(added.end(), rules->begin(), rules->end());
    done.push_back(other.id);
  }
  const auto there = LookAt(*netdev);
  // It has gone, and all that was changed with it; or another one has its name.
  const bool gone = absl::IsNotFound(there.status()) ||
                    (there.ok() && static_cast<uint32_t>(there->index) != netdev->ifindex);
  if (gone) return Strike(journal, done);
  if (!there.ok()) return there.status();
  const auto link =
      linux_sys::EthtoolLink::Open(netdev->netns, netdev->netdev, ioctl ? ioctl() : nullptr);
  if (!link.ok()) return link.status();
  absl::Status status = linux_sys::RestoreSteering(**link, *before, added);
  return status.ok() ? Strike(journal, done) : status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<NetdevChanges>> NetdevChanges::Open(const NetdevId& netdev,
                                                                   linux_sys::EthtoolLink& link,
                                                                   journal::Journal& journal) {
  std::unique_ptr<NetdevChanges> changes(new NetdevChanges(netdev, link, journal));
  const std::string features[] = {linux_sys::kNtupleFeature};
  absl::StatusOr<linux_sys::NetdevSteering> before = linux_sys::ReadSteering(link, features);
  if (!before.ok()) return before.status();
  // Rules of an administrator stay where they are: nothing here takes them away.
  before->rules.clear();
  changes->before_ = *std::move(before);
  return changes;
}

absl::Status NetdevChanges::Note() {
  if (record_) return absl::OkStatus();
  journal::Fields fields = linux_sys::ToFields(before_);
  Put(netdev_, &fields);
  const absl::StatusOr<journal::RecordId> record = journal_.Add(kFormer, std::move(fields));
  if (record.ok()) record_ = *record;
  return record.status();
}

NetdevChanges::~NetdevChanges() {
  if (!record_) return;
  std::vector<linux_sys::NtupleRule> added;
  std::vector<journal::RecordId> done{*record_};
  for (const auto& [location, rule] : added_) {
    added.push_back(rule.rule);
    done.push_back(rule.record);
  }
  const absl::Status back = linux_sys::RestoreSteering(link_, before_, added);
  if (back.ok() || absl::IsNotFound(back)) Strike(journal_, done).IgnoreError();
}

absl::Status NetdevChanges::SetChannels(uint32_t queues) {
  const absl::StatusOr<linux_sys::Channels> channels = link_.GetChannels();
  if (!channels.ok()) return channels.status();
  if (channels->now.rx_queues() == queues && channels->now.tx_queues() == queues) {
    return absl::OkStatus();
  }
  const linux_sys::ChannelCounts& most = channels->most;
  const bool combined = most.combined != 0;
  const uint32_t limit = combined ? most.combined : std::min(most.rx, most.tx);
  if (queues > limit) {
    return absl::OutOfRangeError(absl::StrCat("netdev ", netdev_.netdev, " can have ", limit,
                                              " channels, not ", queues, "; lower 'channels'"));
  }
  linux_sys::ChannelCounts wish = channels->now;
  wish.combined = combined ? queues : 0;
  wish.rx = wish.tx = combined ? 0 : queues;
  if (absl::Status status = Note(); !status.ok()) return status;
  return link_.SetChannels(wish);
}

absl::Status NetdevChanges::TurnOnFilters() {
  const auto filters = before_.features.find(linux_sys::kNtupleFeature);
  if (filters == before_.features.end() || filters->second) return absl::OkStatus();
  if (absl::Status status = Note(); !status.ok()) return status;
  return link_.SetFeature(linux_sys::kNtupleFeature, true);
}

absl::Status NetdevChanges::SetTable(const std::vector<uint32_t>& table) {
  if (absl::Status status = Note(); !status.ok()) return status;
  return link_.SetRss(table);
}

absl::Status NetdevChanges::AddRule(const linux_sys::NtupleRule& rule) {
  if (absl::Status status = Note(); !status.ok()) return status;
  absl::StatusOr<journal::RecordId> record = journal_.Add(kRule, RuleFields(netdev_, rule));
  if (!record.ok()) return record.status();
  const absl::StatusOr<uint32_t> location = link_.InsertRule(rule);
  if (!location.ok()) {
    journal_.Done(*record).IgnoreError();
    return location.status();
  }
  Added added{*record, rule};
  // Drivers show some rules in another form, by which it is known again.
  const absl::StatusOr<linux_sys::NtupleRule> shown = link_.GetRule(*location);
  if (shown.ok() && !linux_sys::SameRule(*shown, rule)) {
    const absl::StatusOr<journal::RecordId> again =
        journal_.Add(kRule, RuleFields(netdev_, *shown));
    if (again.ok()) {
      added = {*again, *shown};
      journal_.Done(*record).IgnoreError();
    }
  }
  added_[*location] = added;
  return absl::OkStatus();
}

absl::Status NetdevChanges::RemoveRule(uint32_t location) {
  const auto found = added_.find(location);
  if (found == added_.end()) {
    return absl::NotFoundError(absl::StrCat("no rule of the daemon's at location ", location));
  }
  absl::Status status = link_.DeleteRule(location);
  if (absl::IsNotFound(status)) status = absl::OkStatus();  // with its netdev
  if (status.ok()) status = journal_.Done(found->second.record);
  if (status.ok()) added_.erase(found);
  return status;
}

std::vector<absl::Status> UndoLeftovers(journal::Journal& journal, const MakeIoctl& ioctl) {
  std::vector<absl::Status> left;
  for (const journal::Record& record : journal.Records(kFormer)) {
    absl::Status status = Undo(record, journal, ioctl);
    if (!status.ok()) left.push_back(std::move(status));
  }
  return left;
}

}  // namespace qsplit::af_xdp
