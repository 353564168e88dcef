#include "daemon/backend/af_xdp/channel_change.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/journal/field_reader.h"
#include "daemon/linux/link_watch.h"

namespace qsplit::af_xdp {

journal::Fields FormerChannels::ToFields() const {
  return {{"netns", netns},
          {"netdev", netdev},
          {"ifindex", absl::StrCat(ifindex)},
          {"rx", absl::StrCat(counts.rx)},
          {"tx", absl::StrCat(counts.tx)},
          {"other", absl::StrCat(counts.other)},
          {"combined", absl::StrCat(counts.combined)}};
}

absl::StatusOr<FormerChannels> FormerChannelsOf(const journal::Record& record) {
  journal::FieldReader reader(record, FormerChannels::kKind);
  FormerChannels former;
  former.netns = reader.Text("netns");
  former.netdev = reader.Text("netdev");
  former.ifindex = reader.Number<uint32_t>("ifindex");
  former.counts = {.rx = reader.Number<uint32_t>("rx"),
                   .tx = reader.Number<uint32_t>("tx"),
                   .other = reader.Number<uint32_t>("other"),
                   .combined = reader.Number<uint32_t>("combined")};
  if (!reader.status().ok()) return reader.status();
  return former;
}

absl::Status UndoChannels(const FormerChannels& former) {
  const auto there = linux_sys::LinkWatch::Look(former.netns, former.netdev);
  if (absl::IsNotFound(there.status())) return absl::OkStatus();
  if (!there.ok()) return there.status();
  if (there->ifindex != former.ifindex) return absl::OkStatus();  // another one of this name
  auto link = linux_sys::EthtoolLink::Open(former.netns, former.netdev);
  if (!link.ok()) return link.status();
  return (*link)->SetChannels(former.counts);
}

absl::StatusOr<std::unique_ptr<ChannelChange>> ChannelChange::Make(const std::string& netns,
                                                                   uint32_t ifindex,
                                                                   uint32_t queues,
                                                                   linux_sys::EthtoolLink& link,
                                                                   journal::Journal& journal) {
  const absl::StatusOr<linux_sys::Channels> channels = link.GetChannels();
  if (!channels.ok()) return channels.status();
  if (channels->now.rx_queues() == queues && channels->now.tx_queues() == queues) return nullptr;
  linux_sys::ChannelCounts wish = channels->now;
  const bool combined = channels->most.combined != 0;
  const uint32_t most =
      combined ? channels->most.combined : std::min(channels->most.rx, channels->most.tx);
  if (queues > most) {
    return absl::OutOfRangeError(absl::StrCat("netdev ", link.netdev(), " can have ", most,
                                              " channels, not ", queues, "; lower 'channels'"));
  }
  wish.combined = combined ? queues : 0;
  wish.rx = wish.tx = combined ? 0 : queues;
  const absl::StatusOr<journal::RecordId> record = journal.Add(
      FormerChannels::kKind,
      FormerChannels{
          .netns = netns, .netdev = link.netdev(), .ifindex = ifindex, .counts = channels->now}
          .ToFields());
  if (!record.ok()) return record.status();
  std::unique_ptr<ChannelChange> change(new ChannelChange(channels->now, *record, link, journal));
  // On an error its end restores what may have changed, and strikes the record.
  if (absl::Status status = link.SetChannels(wish); !status.ok()) return status;
  return change;
}

ChannelChange::~ChannelChange() {
  const absl::Status back = link_.SetChannels(former_);
  if (back.ok() || absl::IsNotFound(back)) journal_.Done(record_).IgnoreError();
}

}  // namespace qsplit::af_xdp
