// Commands to the device (5.1.6.5): what it takes in, and to which queue.
#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/virtio_net/driver.h"
#include "daemon/backend/vfio/virtio_net/registers.h"

namespace qsplit::vfio::virtio_net {
namespace {

constexpr size_t kMostMulticast = 512;  // a command has room for some 680

class Message {
 public:
  Message& Put8(uint8_t value) {
    bytes_.push_back(std::byte{value});
    return *this;
  }
  Message& Put16(uint32_t value) {
    return Put8(static_cast<uint8_t>(value)).Put8(static_cast<uint8_t>(value >> 8));
  }
  Message& Put32(uint32_t value) { return Put16(value).Put16(value >> 16); }
  Message& PutBytes(std::span<const uint8_t> bytes) {
    for (const uint8_t byte : bytes) Put8(byte);
    return *this;
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace

absl::Status Driver::Command(const ControlCommand& command, std::span<const std::byte> data) {
  if (!up_) return absl::UnavailableError(absl::StrCat(command.name, ": the device is down"));
  return control_->Do(function_, command, data, Left(),
                      [this] { transport_->Notify(control_doorbell_, 2 * max_pairs_); });
}

// 5.1.6.5.1, 5.1.6.5.2. A device begins by taking in all it gets, whatever its own address.
absl::Status Driver::ApplyReceiveMode() {
  if (!Has(kNetControlRx)) return absl::OkStatus();
  absl::Status status = Command(kRxPromiscuous, Message().Put8(mode_.promiscuous).bytes());
  if (status.ok()) status = Command(kRxAllMulticast, Message().Put8(mode_.all_multicast).bytes());
  if (!status.ok()) return status;
  Message table;
  table.Put32(0);  // unicast
  table.Put32(static_cast<uint32_t>(mode_.multicast.size()));
  for (const device::MacAddress& mac : mode_.multicast) table.PutBytes(mac);
  return Command(kMacTableSet, table.bytes());
}

// 5.1.6.5.5: packets go to pairs 0 up to the last one that has a queue. With RSS, its table says.
absl::Status Driver::ApplyPairs() {
  if (!Has(kNetMultiqueue) || rss_entries_ != 0) return absl::OkStatus();
  uint32_t pairs = 1;
  for (uint32_t i = 0; i < virtqueues_.size(); ++i) {
    if (virtqueues_[i].running) pairs = 1 + i / 2;
  }
  return Command(kPairsSet, Message().Put16(pairs).bytes());
}

absl::Status Driver::Set(const device::DeviceSettings& settings) {
  if (settings.mtu_bytes > facts_.max_mtu_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("the MTU of ", *settings.mtu_bytes,
                                                   " bytes is more than the device's ",
                                                   facts_.max_mtu_bytes));
  }
  ReceiveMode mode = mode_;
  mode.promiscuous = settings.promiscuous.value_or(mode.promiscuous);
  mode.all_multicast = settings.all_multicast.value_or(mode.all_multicast);
  mode.multicast = settings.multicast.value_or(mode.multicast);
  if (std::any_of(mode.multicast.begin(), mode.multicast.end(),
                  [](const device::MacAddress& mac) { return (mac[0] & 1) == 0; })) {
    return absl::InvalidArgumentError("an address of the multicast list is a unicast address");
  }
  if (mode.multicast.size() > kMostMulticast) {
    return absl::InvalidArgumentError(absl::StrCat("a multicast list of ", mode.multicast.size(),
                                                   " addresses; ", kMostMulticast,
                                                   " can be set, or all_multicast"));
  }
  if (!settings.promiscuous && !settings.all_multicast && !settings.multicast) {
    return absl::OkStatus();
  }
  if (!Has(kNetControlRx)) {
    return absl::UnimplementedError(
        "the device has no VIRTIO_NET_F_CTRL_RX: it takes in whatever it gets");
  }
  StartClock(absl::Milliseconds(45));
  std::swap(mode_, mode);
  absl::Status status = ApplyReceiveMode();
  if (!status.ok()) {
    mode_ = std::move(mode);
    ApplyReceiveMode().IgnoreError();
  }
  return status;
}

// 5.1.6.5.7.1: struct virtio_net_rss_config.
absl::Status Driver::ApplyRss(const device::RssConfig& config) {
  Message message;
  message.Put32(hash_types_).Put16(rss_entries_ - 1);
  message.Put16(config.indirection[0]);  // what has no hash
  for (const uint32_t queue : config.indirection) message.Put16(queue);
  message.Put16(facts_.tx_queues).Put8(device::kRssKeyBytes).PutBytes(config.key);
  return Command(kRssConfig, message.bytes());
}

// A device drops nothing by hash: all entries name a queue, or none does, and no queue receives.
absl::Status Driver::SetRss(const device::RssConfig& config) {
  if (rss_entries_ == 0) {
    return absl::UnimplementedError("the device has no RSS (VIRTIO_NET_F_RSS, several queues)");
  }
  if (config.indirection.size() != rss_entries_) {
    return absl::InvalidArgumentError(absl::StrCat("an RSS table of ", config.indirection.size(),
                                                   " entries: the device's has ", rss_entries_));
  }
  const auto none = static_cast<size_t>(
      std::count(config.indirection.begin(), config.indirection.end(), device::kNoQueue));
  if (none != 0) {
    bool receives = false;
    for (size_t i = 0; i < virtqueues_.size(); i += 2) receives |= virtqueues_[i].running;
    if (none == rss_entries_ && !receives) return absl::OkStatus();
    return absl::UnimplementedError(absl::StrCat("the device drops nothing by RSS hash: ", none,
                                                 " of ", rss_entries_,
                                                 " entries name no queue; let each name one"));
  }
  for (uint32_t i = 0; i < rss_entries_; ++i) {
    if (config.indirection[i] < facts_.rx_queues) continue;
    return absl::InvalidArgumentError(absl::StrCat("entry ", i, " of the RSS table names queue ",
                                                   config.indirection[i], "; the device has ",
                                                   facts_.rx_queues));
  }
  StartClock(absl::Milliseconds(45));
  if (absl::Status status = ApplyRss(config); !status.ok()) return status;
  rss_ = config;
  return absl::OkStatus();
}

}  // namespace qsplit::vfio::virtio_net
