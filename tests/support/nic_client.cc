#include "tests/support/nic_client.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

#include "absl/time/clock.h"
#include "daemon/linux/memfd.h"

namespace qsplit::testing {
namespace {

constexpr std::byte kCanary{0xc5};
constexpr uint64_t kPageBytes = 4096;

uint64_t RoundUp(uint64_t value) { return (value + kPageBytes - 1) / kPageBytes * kPageBytes; }

}  // namespace

std::shared_ptr<const linux_sys::OwnedFd> RegionMemfd(uint64_t bytes) {
  absl::StatusOr<linux_sys::OwnedFd> fd = linux_sys::CreateSealedMemfd("test-region", bytes);
  return fd.ok() ? std::make_shared<const linux_sys::OwnedFd>(*std::move(fd)) : nullptr;
}

dataplane::QueueView ViewOfGrant(const device::QueueGrant& grant, const v1::Queue& queue,
                                 std::span<const uint32_t> features,
                                 std::span<const linux_sys::Mapping> areas) {
  const auto at = [areas](const device::Place& place) {
    return areas[place.area].data() + place.offset_bytes;
  };
  const auto bells = [&at](const auto& of_layout, const std::vector<device::Place>& places,
                           auto& to) {
    size_t next = 0;
    for (int i = 0; i < of_layout.size(); ++i) {
      if (of_layout[i].target() == v1::DOORBELL_TARGET_WAKEUP) continue;
      to[static_cast<size_t>(i)] = at(places[next++]);
    }
  };
  dataplane::QueueView view;
  view.queue_number = dataplane::QueueIndex(grant.queue);
  view.ring_count = static_cast<uint32_t>(grant.rings.size());
  for (size_t i = 0; i < features.size(); ++i) {
    view.features.choice[i] = static_cast<uint8_t>(features[i]);
  }
  for (size_t r = 0; r < grant.rings.size(); ++r) {
    const device::RingGrant& ring = grant.rings[r];
    if (ring.slot_count == 0) continue;
    const v1::Ring& of_layout = queue.rings(static_cast<int>(r));
    dataplane::RingView& out = view.rings[r];
    out.slots = at(ring.slots);
    out.slot_count = ring.slot_count;
    out.slots_iova = dataplane::Iova(ring.iova);
    out.counts_for_increments = ring.counts_for_increments;
    bells(of_layout.producer_doorbells(), ring.producer_doorbells, out.producer_doorbells);
    bells(of_layout.consumer_doorbells(), ring.consumer_doorbells, out.consumer_doorbells);
    for (size_t i = 0; i < ring.cells.size(); ++i) out.cells[i] = at(ring.cells[i]);
    if (ring.need_wakeup) out.need_wakeup = at(*ring.need_wakeup);
  }
  return view;
}

absl::StatusOr<std::unique_ptr<NicClient>> NicClient::Open(device::Device* device,
                                                           const layout::VerifiedLayout& layout,
                                                           const ClientOptions& options) {
  std::unique_ptr<NicClient> client(new NicClient);
  client->buffer_bytes_ = options.buffer_bytes;
  const uint64_t rx_bytes = uint64_t{options.slots} * options.buffer_bytes;
  const uint64_t tx_bytes = uint64_t{kTxBuffers} * kTxBufferBytes + kScratchBytes;
  client->region_bytes_ =
      RoundUp(rx_bytes * options.rx_queues.size() + tx_bytes * options.tx_queues.size());
  const uint64_t all = client->region_bytes_ + 2 * kCanaryBytes;
  const auto memfd = RegionMemfd(all);
  if (memfd == nullptr) return absl::ResourceExhaustedError("no memfd");
  using linux_sys::Mapping;
  absl::StatusOr<Mapping> memory = Mapping::Map(memfd->get(), 0, all, Mapping::Access::kReadWrite);
  if (!memory.ok()) return memory.status();
  client->memory_ = *std::move(memory);
  std::fill_n(client->memory_.data(), kCanaryBytes, kCanary);
  std::fill_n(client->region() + client->region_bytes_, kCanaryBytes, kCanary);

  device::QueueRequest request{.lease = options.lease, .layout = layout};
  request.features = options.features;
  request.rx_queues = options.rx_queues;
  request.tx_queues = options.tx_queues;
  request.rx_slots = request.tx_slots = options.slots;
  request.rx_buffer_bytes = options.buffer_bytes;
  request.join_rss = options.join_rss;
  request.source = options.source;
  request.regions.push_back({.region = 1,
                             .memory = memfd,
                             .offset_bytes = kCanaryBytes,
                             .length_bytes = client->region_bytes_,
                             .iova = kIova,
                             .device_writable = options.device_writable});
  absl::StatusOr<device::Grant> grant = device->OpenQueues(request);
  if (!grant.ok()) return grant.status();
  client->grant_ = *std::move(grant);
  for (const device::GrantArea& area : client->grant_.areas) {
    absl::StatusOr<Mapping> mapping =
        Mapping::Map(client->grant_.fds[area.fd].fd->get(), area.offset_bytes, area.length_bytes,
                     Mapping::Access::kReadWrite);
    if (!mapping.ok()) return mapping.status();
    client->areas_.push_back(*std::move(mapping));
  }
  uint64_t offset = 0;
  for (const device::QueueGrant& queue : client->grant_.rx) {
    absl::StatusOr<dataplane::RxDriver> driver =
        dataplane::RxDriver::Create(layout,
                                    ViewOfGrant(queue, *layout.FindQueue(v1::DIRECTION_RECEIVE),
                                                options.features, client->areas_),
                                    {.buffer_bytes = queue.rx_buffer_bytes});
    if (!driver.ok()) return driver.status();
    Rx rx{*std::move(driver), offset, {}};
    for (uint32_t i = 0; i < options.slots; ++i) rx.free.push_back(options.slots - 1 - i);
    client->rx_.push_back(std::move(rx));
    offset += rx_bytes;
  }
  for (const device::QueueGrant& queue : client->grant_.tx) {
    dataplane::QueueView view = ViewOfGrant(queue, *layout.FindQueue(v1::DIRECTION_TRANSMIT),
                                            options.features, client->areas_);
    const uint64_t scratch = offset + uint64_t{kTxBuffers} * kTxBufferBytes;
    view.scratch = client->region() + scratch;
    view.scratch_iova = dataplane::Iova(kIova + scratch);
    view.scratch_bytes = kScratchBytes;
    absl::StatusOr<dataplane::TxDriver> driver =
        dataplane::TxDriver::Create(layout, view, dataplane::TxOptions{});
    if (!driver.ok()) return driver.status();
    Tx tx{*std::move(driver), offset, {}};
    for (uint32_t i = 0; i < kTxBuffers; ++i) tx.free.push_back(kTxBuffers - 1 - i);
    client->tx_.push_back(std::move(tx));
    offset += tx_bytes;
  }
  for (size_t q = 0; options.post && q < client->rx_.size(); ++q) client->Post(q);
  return client;
}

void NicClient::Post(size_t queue) {
  Rx& rx = rx_[queue];
  while (!rx.free.empty()) {
    const uint32_t buffer = rx.free.back();
    const uint64_t offset = rx.offset + uint64_t{buffer} * buffer_bytes_;
    const dataplane::RxBuffer one{dataplane::Iova(kIova + offset), buffer_bytes_, buffer,
                                  region() + offset};
    if (rx.driver.Post(std::span(&one, 1)) == 0) break;
    rx.free.pop_back();
  }
  if (rx.driver.Publish()) Wake();
}

void NicClient::Wake() {
  for (const device::GrantFd& fd : grant_.fds) {
    if (fd.kind != device::GrantFdKind::kWakeup) continue;
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(fd.fd->get(), &one, sizeof one);
  }
}

bool NicClient::Send(size_t queue, std::span<const uint8_t> frame,
                     const dataplane::TxRequest& request, std::span<const uint32_t> pieces) {
  Tx& tx = tx_[queue];
  std::array<uint32_t, kTxBuffers> done;
  for (uint32_t n = tx.driver.Reclaim(done); n != 0; --n) tx.free.push_back(done[n - 1]);
  // What the driver writes in front of a packet.
  const uint64_t before = (tx.driver.BytesBefore() + 63u) / 64 * 64;
  if (tx.free.empty() || before + frame.size() > kTxBufferBytes) return false;
  const uint32_t buffer = tx.free.back();
  const uint64_t offset = tx.offset + uint64_t{buffer} * kTxBufferBytes;
  // Pieces begin where the layout lets them.
  const uint64_t alignment = std::max(tx.driver.AddressAlignment(), 4u);
  std::vector<dataplane::TxSegment> segments;
  std::vector<uint32_t> lengths(pieces.begin(), pieces.end());
  if (lengths.empty()) lengths.push_back(static_cast<uint32_t>(frame.size()));
  uint64_t to = offset + before;
  size_t from = 0;
  for (const uint32_t length : lengths) {
    std::memcpy(region() + to, frame.data() + from, length);
    segments.push_back({dataplane::Iova(kIova + to), length, region() + to});
    from += length;
    to += (length + alignment - 1) / alignment * alignment;
  }
  if (tx.driver.Push(segments, request, buffer) != dataplane::PushResult::kPushed) return false;
  tx.free.pop_back();
  if (tx.driver.Publish()) Wake();
  return true;
}

std::optional<Received> NicClient::Receive(size_t queue, absl::Duration patience) {
  Rx& rx = rx_[queue];
  const absl::Time until = absl::Now() + patience;
  Received packet;
  while (true) {
    dataplane::RxCompletion completion;
    if (rx.driver.Poll(std::span(&completion, 1)) == 0) {
      if (absl::Now() > until) return std::nullopt;
      std::this_thread::yield();
      continue;
    }
    const uint8_t* at = reinterpret_cast<const uint8_t*>(
        region() + rx.offset + uint64_t{completion.cookie} * buffer_bytes_ + completion.offset);
    packet.bytes.insert(packet.bytes.end(), at, at + completion.length);
    packet.meta = completion.meta;
    ++packet.buffers;
    rx.free.push_back(completion.cookie);
    if (completion.last) break;
  }
  Post(queue);
  return packet;
}

bool NicClient::AwaitSent(size_t queue, absl::Duration patience) {
  Tx& tx = tx_[queue];
  const absl::Time until = absl::Now() + patience;
  while (true) {
    std::array<uint32_t, kTxBuffers> done;
    for (uint32_t n = tx.driver.Reclaim(done); n != 0; --n) tx.free.push_back(done[n - 1]);
    if (tx.driver.Outstanding() == 0) return true;
    if (absl::Now() > until) return false;
    std::this_thread::yield();
  }
}

bool NicClient::CanariesWhole() const {
  const auto whole = [](const std::byte* at) {
    return std::all_of(at, at + kCanaryBytes, [](std::byte b) { return b == kCanary; });
  };
  return whole(memory_.data()) && whole(region() + region_bytes_);
}

}  // namespace qsplit::testing
