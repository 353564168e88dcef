#include "daemon/backend/af_xdp/netdev_changes.h"

#include <algorithm>
#include <span>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/backend/af_xdp/shown_rule.h"
#include "daemon/linux/netdev_link.h"
#include "daemon/linux/netns.h"

namespace qsplit::af_xdp {
namespace {

// The kernel frees a queue some 30 ms after its socket was closed.
constexpr auto kPause = std::chrono::milliseconds(10);
constexpr auto kPatience = std::chrono::milliseconds(300);

// The rules as the NIC shows them.
std::vector<linux_sys::NtupleRule> Shown(linux_sys::EthtoolLink& link,
                                         std::span<const NetdevRecords::Rule> rules) {
  std::vector<linux_sys::NtupleRule> shown;
  for (const NetdevRecords::Rule& rule : rules) {
    shown.push_back(rule.rule);
    if (rule.shown) continue;
    // Its place was free, and nobody knows in which words the NIC took it, if it did.
    const absl::StatusOr<linux_sys::NtupleRule> now = link.GetRule(rule.rule.location);
    if (now.ok() && MayShow(*now, rule.rule)) shown.back() = *now;
  }
  return shown;
}

// Whether the RSS table is none that the daemon has put there, or that was there before. One that
// names all queues in turn is nobody's: so does a driver's own, after a reset, say. And one that
// has no room in the former channels cannot stay.
bool TheirTable(linux_sys::EthtoolLink& link, const NetdevRecords& records) {
  const linux_sys::NetdevSteering& before = *records.before;
  if (records.tables.empty() || !before.rss || !before.channels) return false;
  const absl::StatusOr<linux_sys::RssState> rss = link.GetRss();
  if (!rss.ok() || rss->table.empty()) return false;
  const std::vector<uint32_t>& now = rss->table;
  const uint32_t last = *std::ranges::max_element(now);
  return now != before.rss->table && std::ranges::count(records.tables, now) == 0 &&
         now != linux_sys::EvenRssTable(now.size(), last + 1) &&
         last < before.channels->rx_queues();
}

// OK: nothing is left to undo, and nothing stands in the journal.
absl::Status Undo(linux_sys::EthtoolLink& link, const NetdevRecords& records,
                  journal::Journal& journal, std::chrono::milliseconds patience) {
  linux_sys::NetdevSteering before = records.before.value_or(linux_sys::NetdevSteering());
  if (before.rss && TheirTable(link, records)) before.rss.reset();
  const auto until = std::chrono::steady_clock::now() + patience;
  absl::Status status;
  // With a netdev goes all that was changed of it.
  while (!link.Gone() &&
         !(status = linux_sys::RestoreSteering(link, before, Shown(link, records.rules))).ok() &&
         !link.Gone()) {
    if (std::chrono::steady_clock::now() >= until) {
      return absl::Status(
          status.code(),
          absl::StrCat("netdev ", records.netdev.netdev,
                       " cannot be changed back; the next start or `qsplitd --clean` tries again: ",
                       status.message()));
    }
    std::this_thread::sleep_for(kPause);
  }
  return Strike(journal, records);
}

// NOT_FOUND: it is gone, or its namespace, and all that was changed with it.
absl::StatusOr<std::unique_ptr<linux_sys::EthtoolLink>> Find(
    const NetdevId& netdev, std::unique_ptr<linux_sys::EthtoolIoctl> ioctl) {
  std::string netns = netdev.netns;
  if (netdev.netns_cookie == 0) {
    // The number alone may be another one's, in another namespace of the name.
    const auto there = linux_sys::NetdevLink::Open(netns, netdev.netdev);
    if (!there.ok()) return there.status();
    const absl::StatusOr<linux_sys::NetdevFacts> facts = (*there)->GetFacts();
    if (!facts.ok()) return facts.status();
    if (static_cast<uint32_t>(facts->index) != netdev.ifindex) return absl::NotFoundError("gone");
  } else {
    const absl::StatusOr<uint64_t> now = linux_sys::NetnsCookie(netns);
    if (!now.ok() && !absl::IsNotFound(now.status())) return now.status();
    if (now.value_or(0) != netdev.netns_cookie) {
      absl::StatusOr<std::string> found = linux_sys::FindNetns(netdev.netns_cookie);
      if (!found.ok()) return found.status();
      netns = *std::move(found);
    }
  }
  return linux_sys::EthtoolLink::Open(netns, netdev.netdev, std::move(ioctl), netdev.ifindex);
}

}  // namespace

absl::StatusOr<std::unique_ptr<NetdevChanges>> NetdevChanges::Open(const NetdevId& netdev,
                                                                   linux_sys::EthtoolLink& link,
                                                                   journal::Journal& journal,
                                                                   std::string filters) {
  std::unique_ptr<NetdevChanges> changes(new NetdevChanges(link, journal, std::move(filters)));
  changes->records_ = RecordsOf(journal, netdev);
  if (changes->records_.before) return changes;
  absl::StatusOr<linux_sys::NetdevSteering> before =
      linux_sys::ReadSteering(link, std::span(&changes->filters_, 1));
  if (!before.ok()) return before.status();
  changes->records_.before = *std::move(before);
  return changes;
}

absl::Status NetdevChanges::Note() {
  if (!records_.former.empty()) return absl::OkStatus();
  const absl::StatusOr<journal::RecordId> record = AddFormer(journal_, records_);
  if (record.ok()) records_.former.push_back(*record);
  return record.status();
}

// The oldest of several is the truth, to the last.
absl::Status NetdevChanges::NoteAgain() {
  std::vector<journal::RecordId>& former = records_.former;
  if (former.empty()) return absl::OkStatus();
  for (; former.size() > 1; former.pop_back()) {
    if (absl::Status status = journal_.Done(former.back()); !status.ok()) return status;
  }
  const absl::StatusOr<journal::RecordId> record =
      ReplaceFormer(journal_, former.front(), records_);
  if (record.ok()) former.front() = *record;
  return record.status();
}

NetdevChanges::~NetdevChanges() { Restore({}).IgnoreError(); }

absl::Status NetdevChanges::Restore(std::chrono::milliseconds patience) {
  if (records_.empty()) return absl::OkStatus();
  absl::Status status = Undo(link_, records_, journal_, patience);
  if (status.ok()) {
    records_.former.clear();
    records_.rules.clear();
  }
  return status;
}

absl::Status NetdevChanges::CheckChannels(const std::string& netdev,
                                          const linux_sys::Channels& channels, uint32_t queues) {
  const linux_sys::ChannelCounts& most = channels.most;
  const uint32_t limit = most.combined != 0 ? most.combined : std::min(most.rx, most.tx);
  if (queues <= limit) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat("netdev ", netdev, " can have ", limit,
                                            " channels, not ", queues, "; lower 'channels'"));
}

absl::Status NetdevChanges::SetChannels(uint32_t queues) {
  const absl::StatusOr<linux_sys::Channels> channels = link_.GetChannels();
  if (!channels.ok()) return channels.status();
  if (channels->now.rx_queues() == queues && channels->now.tx_queues() == queues) {
    return absl::OkStatus();
  }
  if (absl::Status status = CheckChannels(netdev().netdev, *channels, queues); !status.ok()) {
    return status;
  }
  const bool combined = channels->most.combined != 0;
  linux_sys::ChannelCounts wish = channels->now;
  wish.combined = combined ? queues : 0;
  wish.rx = wish.tx = combined ? 0 : queues;
  if (absl::Status status = Note(); !status.ok()) return status;
  return link_.SetChannels(wish);
}

bool NetdevChanges::FiltersAreOurs() const {
  const auto found = records_.before->features.find(filters_);
  return found != records_.before->features.end() && !found->second;
}

absl::Status NetdevChanges::TurnOnFilters() {
  if (!FiltersAreOurs()) return absl::OkStatus();
  if (absl::Status status = Note(); !status.ok()) return status;
  return link_.SetFeature(filters_, true);
}

absl::Status NetdevChanges::TurnBackFilters() {
  return FiltersAreOurs() ? link_.SetFeature(filters_, false) : absl::OkStatus();
}

absl::StatusOr<linux_sys::RssState> NetdevChanges::ReadTable() {
  absl::StatusOr<linux_sys::RssState> rss = link_.GetRss();
  if (!rss.ok()) return rss;
  std::vector<std::vector<uint32_t>>& tables = records_.tables;
  const bool others = table_ && *table_ != rss->table;
  table_ = rss->table;
  if (others && records_.before->rss) records_.before->rss->table = rss->table;
  if (tables.size() == 1 && tables.front() == rss->table) return rss;
  tables = {rss->table};
  if (absl::Status status = NoteAgain(); !status.ok()) return status;
  return rss;
}

absl::Status NetdevChanges::SetTable(const std::vector<uint32_t>& table) {
  records_.tables = {table};
  if (table_) records_.tables.push_back(*table_);
  absl::Status status = records_.former.empty() ? Note() : NoteAgain();
  if (status.ok()) status = link_.SetRss(table);
  if (status.ok()) table_ = table;
  return status;
}

absl::Status NetdevChanges::AddRule(const linux_sys::NtupleRule& rule) {
  // Before it is asked for: whatever stands there after a crash was put there later.
  if (absl::Status status = link_.CheckFree(rule.location); !status.ok()) return status;
  if (absl::Status status = Note(); !status.ok()) return status;
  absl::StatusOr<NetdevRecords::Rule> added = AskRule(journal_, netdev(), rule);
  if (!added.ok()) return added.status();
  const absl::StatusOr<uint32_t> location = link_.InsertRule(rule);
  absl::Status status = location.status();
  if (status.ok() && *location != rule.location) {
    status = link_.DeleteRule(*location);
    status.Update(absl::UnimplementedError(
        absl::StrCat("netdev ", netdev().netdev, " puts a rule for location ", rule.location,
                     " at ", *location, "; it chooses locations itself")));
  }
  if (!status.ok()) {
    journal_.Done(added->record).IgnoreError();
    return status;
  }
  // Drivers show some rules in another form, by which it is known again.
  const absl::StatusOr<linux_sys::NtupleRule> shown = link_.GetRule(*location);
  if (shown.ok()) {
    if (const auto known = ShowRule(journal_, netdev(), *added, *shown); known.ok()) added = *known;
  }
  records_.rules.push_back(*added);
  return absl::OkStatus();
}

absl::Status NetdevChanges::RemoveRule(uint32_t location) {
  // The newest: an older one there is of a daemon before this, and somebody has taken it away.
  const auto found = std::find_if(
      records_.rules.rbegin(), records_.rules.rend(),
      [location](const NetdevRecords::Rule& rule) { return rule.rule.location == location; });
  if (found == records_.rules.rend()) {
    return absl::NotFoundError(absl::StrCat("no rule of the daemon's at location ", location));
  }
  // Another one that has its place by now is an administrator's.
  absl::Status status = linux_sys::RemoveRules(link_, Shown(link_, std::span(&*found, 1)));
  if (absl::IsNotFound(status)) status = absl::OkStatus();  // with its netdev
  if (status.ok()) status = journal_.Done(found->record);
  if (status.ok()) records_.rules.erase(std::next(found).base());
  return status;
}

std::vector<absl::Status> UndoLeftovers(journal::Journal& journal, const MakeIoctl& ioctl) {
  std::vector<absl::Status> left;
  for (const NetdevRecords& records : ReadNetdevRecords(journal, &left)) {
    const auto link = Find(records.netdev, ioctl ? ioctl() : nullptr);
    absl::Status status = link.status();
    if (link.ok()) {
      status = Undo(**link, records, journal, kPatience);
    } else if (absl::IsNotFound(status)) {
      status = Strike(journal, records);
    }
    if (!status.ok()) left.push_back(std::move(status));
  }
  return left;
}

}  // namespace qsplit::af_xdp
