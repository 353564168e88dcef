#include "daemon/backend/af_xdp/socket_lease.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/backend/common/ring_image.h"
#include "daemon/device/held_queue.h"
#include "dataplane/ring_view.h"

namespace qsplit::af_xdp {
namespace {

using linux_sys::XskRing;

// Bytes in front of packets that a client sends with metadata: struct xsk_tx_metadata of
// Linux 6.15, which is as long as any before it (linux/if_xdp.h).
constexpr uint32_t kTxMetadataBytes = 24;
// A ring that a socket must have and nobody gets.
constexpr uint32_t kIdleSlots = 2;
// That wait for the kernel together.
constexpr size_t kClosingThreads = 32;

bool Has(const std::vector<uint32_t>& queues, uint32_t queue) {
  return std::binary_search(queues.begin(), queues.end(), queue);
}

// Whether the request chose `choice` for the feature of that name.
bool Chose(const device::QueueRequest& request, std::string_view feature, std::string_view choice) {
  const v1::Layout& layout = request.layout.message();
  for (int i = 0; i < layout.features_size(); ++i) {
    if (layout.features(i).name() != feature) continue;
    const size_t at = static_cast<size_t>(i);
    const uint32_t chosen = at < request.features.size() ? request.features[at] : 0;
    return chosen < static_cast<uint32_t>(layout.features(i).choices_size()) &&
           layout.features(i).choices(static_cast<int>(chosen)) == choice;
  }
  return false;
}

// Of either direction, ascending.
std::vector<uint32_t> QueuesOf(const device::QueueRequest& request) {
  std::vector<uint32_t> queues;
  std::set_union(request.rx_queues.begin(), request.rx_queues.end(), request.tx_queues.begin(),
                 request.tx_queues.end(), std::back_inserter(queues));
  return queues;
}

absl::StatusOr<std::vector<linux_sys::XskRegion>> RegionsOf(const device::QueueRequest& request) {
  std::vector<linux_sys::XskRegion> regions;
  uint64_t at = 0;
  for (const device::RegionMapping& region : request.regions) {
    if (region.iova != at) {
      return absl::InternalError(absl::StrCat("region ", region.region, " stands at address ",
                                              region.iova, "; AF_XDP has it at ", at));
    }
    if (!region.device_writable) {
      return absl::InvalidArgumentError(
          absl::StrCat("region ", region.region,
                       " is read-only, and AF_XDP takes only memory that the kernel may write; "
                       "register it without read_only"));
    }
    regions.push_back({region.memory->get(), region.offset_bytes, region.length_bytes});
    at += region.length_bytes;
  }
  return regions;
}

absl::StatusOr<uint32_t> ChunkBytes(const device::QueueRequest& request) {
  // Who only sends has no buffers that the kernel fills; packets must not reach from one chunk into
  // the next.
  if (request.rx_queues.empty()) return linux_sys::kMaxXskChunkBytes;
  const uint32_t bytes =
      request.rx_buffer_bytes == 0 ? linux_sys::kMinXskChunkBytes : request.rx_buffer_bytes;
  if (bytes < linux_sys::kMinXskChunkBytes || bytes > linux_sys::kMaxXskChunkBytes ||
      !std::has_single_bit(bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("receive buffers of ", bytes, " bytes; AF_XDP takes ",
                     linux_sys::kMinXskChunkBytes, " or ", linux_sys::kMaxXskChunkBytes));
  }
  return bytes;
}

}  // namespace

bool FrameFits(uint32_t chunk_bytes, uint32_t mtu_bytes) {
  constexpr uint32_t kAroundBytes = 14 + 2 * 4;  // Ethernet header, two VLAN tags
  return (chunk_bytes - linux_sys::kXskHeadroomBytes) / 1024 * 1024 >= mtu_bytes + kAroundBytes;
}

absl::Status CheckBusyPoll(uint32_t busy_poll_us, const linux_sys::XskKernel& kernel) {
  if (busy_poll_us == 0 || kernel.busy_poll) return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat("busy_poll = ", busy_poll_us,
                   ": sockets of this kernel cannot ask for it (SO_PREFER_BUSY_POLL, Linux 5.11); "
                   "leave it out"));
}

absl::StatusOr<std::string> WhyCopied(const device::QueueRequest& request,
                                      const SocketOptions& options) {
  if (!options.copy_reason.empty()) return options.copy_reason;
  // A queue whose buffers come from the lease's fill ring receives nothing where nobody fills it,
  // and what the queue is to receive for the kernel would be lost.
  if (!std::includes(request.rx_queues.begin(), request.rx_queues.end(), request.tx_queues.begin(),
                     request.tx_queues.end())) {
    return "the lease sends on a queue on which it does not receive";
  }
  if (const absl::StatusOr<uint32_t> chunk = ChunkBytes(request);
      chunk.ok() && !options.zero_copy_multi_buffer && !FrameFits(*chunk, options.mtu_bytes)) {
    return absl::StrCat("a frame of MTU ", options.mtu_bytes, " may not fit into a buffer of ",
                        *chunk, " bytes, and the driver takes no packets of several");
  }
  if (!Chose(request, "Metadata", "on")) return "";
  const auto lacks = [&options](const char* what, const std::string& why,
                                const char* advice) -> absl::StatusOr<std::string> {
    if (!options.zero_copy_always) return why;
    return absl::UnimplementedError(
        absl::StrCat(what, ": ", why, ", and zero_copy is \"always\"; ", advice));
  };
  if (!options.no_zero_copy_metadata.empty()) {
    return lacks("Metadata=on", options.no_zero_copy_metadata, "leave Metadata off");
  }
  if (request.wants_transmit_times && !options.no_zero_copy_times.empty()) {
    return lacks("timestamp of packets that are sent", options.no_zero_copy_times,
                 "do without that role");
  }
  return "";
}

// Cells count modulo 2^32.
uint64_t SocketLease::Counted::Total() {
  const uint32_t now = kernel_produces ? ring.producer() : ring.consumer();
  total += now - std::exchange(last, now);
  return total;
}

SocketLease::SocketLease(const device::QueueRequest& request)
    : request_(request), holder_end_(static_cast<uint32_t>(request.holder_pid)) {}

SocketLease::~SocketLease() {
  const size_t threads = std::min(sockets_.size(), kClosingThreads);
  const auto close = [this, threads](size_t first) {
    for (size_t i = first; i < sockets_.size(); i += threads) {
      const OneSocket closed = std::move(sockets_[i]);
    }
  };
  std::vector<std::thread> others;
  for (size_t first = 1; first < threads; ++first) others.emplace_back(close, first);
  if (threads != 0) close(0);
  for (std::thread& other : others) other.join();
}

absl::StatusOr<std::unique_ptr<SocketLease>> SocketLease::Make(const device::QueueRequest& request,
                                                               const SocketOptions& options) {
  std::unique_ptr<SocketLease> lease(new SocketLease(request));
  if (absl::Status status = lease->PinMemory(options); !status.ok()) return status;
  // Who gets the grant has the memory; nobody keeps it open here.
  for (device::RegionMapping& region : lease->request_.regions) region.memory = nullptr;
  return lease;
}

absl::Status SocketLease::PinMemory(const SocketOptions& options) {
  absl::StatusOr<std::vector<linux_sys::XskRegion>> regions = RegionsOf(request_);
  if (!regions.ok()) return regions.status();
  absl::StatusOr<uint32_t> chunk = ChunkBytes(request_);
  if (!chunk.ok()) return chunk.status();
  absl::StatusOr<std::string> why_copied = WhyCopied(request_, options);
  if (!why_copied.ok()) return why_copied.status();
  why_copied_ = *std::move(why_copied);
  absl::StatusOr<linux_sys::XskMemory> memory = linux_sys::XskMemory::Map(*regions);
  if (!memory.ok()) return memory.status();

  setup_.netns = options.netns;
  setup_.netdev = options.netdev;
  setup_.ifindex = options.ifindex;
  setup_.multi_buffer = options.multi_buffer;
  setup_.zero_copy = why_copied_.empty();
  setup_.zero_copy_multi_buffer = options.zero_copy_multi_buffer;
  setup_.busy_poll_us = options.busy_poll_us;
  setup_.umem = {.data = memory->data(),
                 .length_bytes = memory->length_bytes(),
                 .chunk_bytes = *chunk,
                 .unaligned = Chose(request_, "Chunks", "unaligned"),
                 .tx_metadata_bytes = Chose(request_, "Metadata", "on") ? kTxMetadataBytes : 0};
  default_slots_ = options.default_slots;
  absl::Status status = Add(QueuesOf(request_).front());
  // The kernel keeps the pages of the UMEM; the mapping goes with `memory`.
  setup_.umem = {};
  return status;
}

absl::Status SocketLease::Add(uint32_t queue) {
  const bool receives = Has(request_.rx_queues, queue);
  const bool transmits = Has(request_.tx_queues, queue);
  const uint32_t rx_slots = request_.rx_slots != 0 ? request_.rx_slots : default_slots_;
  const uint32_t tx_slots = request_.tx_slots != 0 ? request_.tx_slots : default_slots_;
  setup_.slots = {.rx = receives ? rx_slots : 0,
                  .tx = transmits ? tx_slots : 0,
                  .fill = receives ? rx_slots : kIdleSlots,
                  .completion = transmits ? tx_slots : kIdleSlots};
  absl::StatusOr<linux_sys::Xsk> socket =
      linux_sys::Xsk::Make(setup_, sockets_.empty() ? nullptr : &sockets_.front().socket);
  if (!socket.ok()) return socket.status();
  sockets_.push_back({.queue = queue,
                      .receives = receives,
                      .transmits = transmits,
                      .socket = *std::move(socket),
                      .fill = {},
                      .rx = {},
                      .tx = {},
                      .completion = {}});
  return absl::OkStatus();
}

absl::Status SocketLease::Bind() {
  const std::vector<uint32_t> queues = QueuesOf(request_);
  for (; bound_ < queues.size(); ++bound_) {
    setup_.queue = queues[bound_];
    if (bound_ == sockets_.size()) {
      if (absl::Status status = Add(setup_.queue); !status.ok()) return status;
    }
    OneSocket& one = sockets_[bound_];
    absl::Status status = one.socket.Bind(setup_, bound_ == 0 ? nullptr : &sockets_.front().socket);
    if (absl::IsUnavailable(status)) return device::OfHeldQueue(status, setup_.queue);
    if (!status.ok()) return status;
    if (status = MapRings(one); !status.ok()) return status;
  }
  if (setup_.zero_copy) why_copied_ = sockets_.front().socket.facts().copy_reason;
  WriteGrant();
  return absl::OkStatus();
}

absl::Status SocketLease::MapRings(OneSocket& one) {
  const auto map = [&one](XskRing ring, std::optional<Counted>& to) -> absl::Status {
    const bool produces = ring == XskRing::kRx || ring == XskRing::kCompletion;
    absl::StatusOr<linux_sys::XskRingView> view = linux_sys::XskRingView::Map(one.socket, ring);
    if (!view.ok()) return view.status();
    to.emplace(Counted{.ring = *std::move(view), .kernel_produces = produces});
    return absl::OkStatus();
  };
  absl::Status status;
  if (one.receives) {
    status.Update(map(XskRing::kFill, one.fill));
    status.Update(map(XskRing::kRx, one.rx));
  }
  if (one.transmits) {
    status.Update(map(XskRing::kTx, one.tx));
    status.Update(map(XskRing::kCompletion, one.completion));
  }
  return status;
}

std::vector<uint32_t> SocketLease::queues() const {
  std::vector<uint32_t> queues;
  for (const OneSocket& one : sockets_) queues.push_back(one.queue);
  return queues;
}

bool SocketLease::Shared() const {
  return std::any_of(sockets_.begin(), sockets_.end(),
                     [](const OneSocket& one) { return one.socket.fd().use_count() > 1; });
}

int SocketLease::SocketOf(uint32_t queue) const {
  for (const OneSocket& one : sockets_) {
    if (one.queue == queue) return one.socket.fd()->get();
  }
  return -1;
}

XskRing SocketLease::RingOf(const v1::Ring& ring, bool transmit) {
  // The ring that the client posts into, or the one that says what became of it.
  const bool posts = !ring.post_forms().empty();
  if (transmit) return posts ? XskRing::kTx : XskRing::kCompletion;
  return posts ? XskRing::kFill : XskRing::kRx;
}

uint64_t SocketLease::CellOf(const v1::IndexCell& cell, const linux_sys::XskRingPlace& place) {
  if (cell.name() == "producer") return place.producer;
  return cell.name() == "consumer" ? place.consumer : place.flags;
}

device::QueueGrant SocketLease::GrantOf(const OneSocket& one, uint32_t fd, bool transmit) {
  const v1::Queue& queue =
      *request_.layout.FindQueue(transmit ? v1::DIRECTION_TRANSMIT : v1::DIRECTION_RECEIVE);
  device::QueueGrant grant;
  grant.queue = one.queue;
  for (const v1::Ring& ring : queue.rings()) {
    const linux_sys::XskRingPlace place = one.socket.place(RingOf(ring, transmit));
    const auto area = static_cast<uint32_t>(grant_.areas.size());
    grant_.areas.push_back(
        {fd, place.map_offset_bytes, place.map_length_bytes, device::AreaAccess::kReadWrite});
    device::RingGrant& out = grant.rings.emplace_back();
    out.slots = {area, place.slots};
    out.slot_count = place.slot_count;
    for (const v1::IndexCell& cell : ring.cells()) {
      out.cells.push_back({area, CellOf(cell, place)});
    }
    if (!ring.post_forms().empty()) out.wakeup_fd = fd;
  }
  if (!transmit) {
    // The socket is readable when a packet is there.
    grant.event_fd = fd;
    grant.rx_buffer_bytes =
        request_.rx_buffer_bytes == 0 ? linux_sys::kMinXskChunkBytes : request_.rx_buffer_bytes;
  }
  return grant;
}

void SocketLease::WriteGrant() {
  for (const OneSocket& one : sockets_) {
    const auto fd = static_cast<uint32_t>(grant_.fds.size());
    grant_.fds.push_back({device::GrantFdKind::kSocket, one.socket.fd()});
    if (one.receives) grant_.rx.push_back(GrantOf(one, fd, false));
    if (one.transmits) grant_.tx.push_back(GrantOf(one, fd, true));
  }
}

const SocketLease::OneSocket* SocketLease::Find(uint32_t queue, bool transmit) const {
  for (const OneSocket& one : sockets_) {
    if (one.queue == queue && (transmit ? one.transmits : one.receives)) return &one;
  }
  return nullptr;
}

std::optional<SocketLease::QueueLevels> SocketLease::Levels(uint32_t queue, bool transmit) const {
  const OneSocket* const one = Find(queue, transmit);
  if (one == nullptr) return std::nullopt;
  const auto level = [](const Counted& counted) {
    const uint32_t consumer = counted.ring.consumer();
    return Level{.slots = counted.ring.slot_count(),
                 .filled = counted.ring.producer() - consumer,
                 .need_wakeup = (counted.ring.flags() & 1) != 0};  // XDP_RING_NEED_WAKEUP
  };
  QueueLevels levels{.posted = level(transmit ? *one->tx : *one->fill),
                     .completed = level(transmit ? *one->completion : *one->rx),
                     .statistics = one->socket.Statistics(),
                     .napi_id = one->socket.NapiId(),
                     .zero_copy = one->socket.facts().zero_copy,
                     .multi_buffer = one->socket.facts().multi_buffer,
                     .busy_poll_reason = one->socket.facts().busy_poll_reason};
  const Counted& posts = transmit ? *one->tx : *one->fill;
  const Counted& takes = transmit ? *one->completion : *one->rx;
  levels.holder_position = uint64_t{posts.ring.producer()} << 32 | takes.ring.consumer();
  if (levels.zero_copy && !transmit) {
    levels.held = one->fill->ring.producer() - one->rx->ring.producer();
  }
  return levels;
}

absl::StatusOr<device::RingImage> SocketLease::ReadRing(const device::RingSelection& wanted) const {
  const OneSocket* const one = Find(wanted.queue, wanted.transmit);
  if (one == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("queue ", wanted.queue, " is not among the lease's"));
  }
  const v1::Queue& queue =
      *request_.layout.FindQueue(wanted.transmit ? v1::DIRECTION_TRANSMIT : v1::DIRECTION_RECEIVE);
  dataplane::QueueView view;
  view.ring_count = static_cast<uint32_t>(queue.rings_size());
  for (int i = 0; i < queue.rings_size(); ++i) {
    const v1::Ring& ring = queue.rings(i);
    const std::optional<Counted>* const of[] = {&one->fill, &one->completion, &one->rx, &one->tx};
    const Counted& counted = **of[static_cast<size_t>(RingOf(ring, wanted.transmit))];
    const linux_sys::XskRingPlace& place = counted.ring.place();
    // Mapped to be read, and only read.
    std::byte* const at = const_cast<std::byte*>(counted.ring.data());
    dataplane::RingView& out = view.rings[static_cast<size_t>(i)];
    out.slots = at + place.slots;
    out.slot_count = place.slot_count;
    for (int c = 0; c < ring.cells_size(); ++c) {
      out.cells[static_cast<size_t>(c)] = at + CellOf(ring.cells(c), place);
    }
  }
  return backend::ReadRing(queue, view, wanted);
}

void SocketLease::AddCounters(device::DeviceCounters* counters) {
  for (OneSocket& one : sockets_) {
    const linux_sys::XskStatistics statistics = one.socket.Statistics();
    if (one.receives && one.queue < counters->rx.size()) {
      device::QueueCounters& rx = counters->rx[one.queue];
      rx.packets -= statistics.rx_ring_full + statistics.rx_dropped;
      rx.completions += one.rx->Total();
      rx.descriptors += one.fill->Total();
      // With zero copy it is how often the driver looked for buffers in vain. Else each is a
      // packet, which the kernel counts as dropped, too.
      const uint64_t starved = one.socket.facts().zero_copy ? 0 : statistics.rx_fill_ring_empty;
      rx.drops_no_descriptor += statistics.rx_ring_full + starved;
      rx.drops_too_long += statistics.rx_dropped - std::min(statistics.rx_dropped, starved);
      rx.faults += statistics.rx_invalid_descs;
    }
    if (one.transmits && one.queue < counters->tx.size()) {
      device::QueueCounters& tx = counters->tx[one.queue];
      const uint64_t sent = one.tx->Total();
      tx.packets += sent;
      tx.descriptors += sent;
      tx.completions += one.completion->Total();
      tx.faults += statistics.tx_invalid_descs;
    }
  }
}

}  // namespace qsplit::af_xdp
