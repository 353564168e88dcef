#include "daemon/backend/vfio/igb/queues.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/igb/registers.h"

namespace qsplit::vfio::igb {
namespace {

constexpr absl::Duration kEnableLimit = absl::Milliseconds(20);
constexpr absl::Duration kDisableLimit = absl::Milliseconds(20);
constexpr uint32_t kDescriptorBytes = 16;
constexpr uint32_t kMinSlots = 64, kMaxSlots = 4096, kSlotStep = 8;  // RDLEN counts 128 bytes
constexpr uint64_t kRingAlignment = 128;

// WTHRESH is 1: each descriptor with a report, and each received packet, is written back at once,
// and the 82576's erratum of write-backs that never come (DPDK igb_rxtx.c) is kept away.
// Prefetch thresholds are Linux's (IGB_{RX,TX}_{P,H}THRESH).
constexpr uint32_t kRxThresholds = 8u << kPrefetchShift | 8u << kHostShift | 1u << kWriteBackShift;
constexpr uint32_t kTxThresholds = 8u << kPrefetchShift | 1u << kHostShift | 1u << kWriteBackShift;

const char* Direction(bool transmit) { return transmit ? "transmit" : "receive"; }

// The ring that descriptors are completed in, as an index into the queue's rings; the other one
// of the transmit queue is for completions by head.
int RingIndex(const v1::Queue& queue) {
  for (int i = 0; i < queue.rings_size(); ++i) {
    if (queue.rings(i).name() == "descriptors") return i;
  }
  return -1;
}

}  // namespace

absl::Status Queues::Check(const QueueSetup& setup) const {
  const DrivenLayout driven = LayoutOf(model_);
  if (setup.layout.name() != driven.name) {
    return absl::InvalidArgumentError(absl::StrCat("layout ", setup.layout.name(), ": the ",
                                                   model_.family, " is driven by ", driven.name));
  }
  const v1::Layout& message = setup.layout.message();
  for (const auto& [feature, choice] : driven.choices) {
    for (int i = 0; i < message.features_size(); ++i) {
      if (message.features(i).name() != feature) continue;
      const uint32_t chosen = static_cast<size_t>(i) < setup.features.size()
                                  ? setup.features[static_cast<size_t>(i)]
                                  : 0;
      const bool known = chosen < static_cast<uint32_t>(message.features(i).choices_size());
      if (!known || message.features(i).choices(static_cast<int>(chosen)) != choice) {
        return absl::InvalidArgumentError(absl::StrCat("feature ", feature, " choice ", chosen,
                                                       ": the ", model_.family, " is set up for ",
                                                       choice));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<QueuePlaces> Queues::Start(RegisterWindow& registers, uint32_t number,
                                          const QueueSetup& setup) {
  if (absl::Status status = Check(setup); !status.ok()) return status;
  const v1::Queue* queue =
      setup.layout.FindQueue(setup.transmit ? v1::DIRECTION_TRANSMIT : v1::DIRECTION_RECEIVE);
  const int index = queue == nullptr ? -1 : RingIndex(*queue);
  if (index < 0 || setup.rings.size() != static_cast<size_t>(queue->rings_size())) {
    return absl::InvalidArgumentError(absl::StrCat(setup.rings.size(),
                                                   " rings for a queue whose layout has ",
                                                   queue == nullptr ? 0 : queue->rings_size()));
  }
  const RingSetup& ring = setup.rings[static_cast<size_t>(index)];
  if (ring.slot_count < kMinSlots || ring.slot_count > kMaxSlots ||
      ring.slot_count % kSlotStep != 0) {
    return absl::InvalidArgumentError(absl::StrCat(ring.slot_count, " slots: ", kMinSlots, " to ",
                                                   kMaxSlots, " in steps of ", kSlotStep));
  }
  if (ring.slots_iova % kRingAlignment != 0) {
    return absl::InvalidArgumentError(absl::StrCat("ring at 0x", absl::Hex(ring.slots_iova),
                                                   ": must be aligned to ", kRingAlignment));
  }
  if (!setup.transmit && (setup.rx_buffer_bytes % kSrrctlBufferUnitBytes != 0 ||
                          setup.rx_buffer_bytes < kSrrctlBufferUnitBytes ||
                          setup.rx_buffer_bytes > 127 * kSrrctlBufferUnitBytes)) {
    return absl::InvalidArgumentError(absl::StrCat("buffers of ", setup.rx_buffer_bytes,
                                                   " bytes: 1 KiB to 127 KiB in steps of 1 KiB"));
  }

  const uint32_t base = setup.transmit ? bank_.Tx(number) : bank_.Rx(number);
  const uint32_t control = bank_.Control(setup.transmit, number);
  const uint32_t tail = base + (setup.transmit ? kTxTail : kRxTail);
  // 4.5 (receive, transmit initialization): the queue is off while its ring is described. Offsets
  // of bases, length and head are those of both directions.
  registers.Write32(control, 0);
  registers.Write32(base + kRxBase, static_cast<uint32_t>(ring.slots_iova));
  registers.Write32(base + kRxBaseHigh, static_cast<uint32_t>(ring.slots_iova >> 32));
  registers.Write32(base + kRxLength, ring.slot_count * kDescriptorBytes);
  registers.Write32(base + kRxHead, 0);
  // Nothing is posted yet, whatever an earlier lease left there; emulated NICs take this write.
  registers.Write32(tail, 0);
  if (setup.transmit) {
    // 7.2, TDWBAL: completions in the descriptors, not of the head.
    registers.Write32(base + kTdwbal, 0);
    registers.Write32(base + kTdwbah, 0);
  } else {
    // 7.1, SRRCTL (8.10.2): one buffer a descriptor. A queue without buffers drops its own packets,
    // and holds up nobody else's.
    registers.Write32(base + kSrrctl, setup.rx_buffer_bytes / kSrrctlBufferUnitBytes |
                                          kSrrctlAdvancedOneBuffer | kSrrctlDropEnable);
  }
  registers.Write32(control, (setup.transmit ? kTxThresholds : kRxThresholds) | kQueueEnable);
  // 4.5 (receive, transmit initialization): the tail may move only when the bit reads as one.
  if (!WaitFor(function_, registers, control, kQueueEnable, kQueueEnable, kEnableLimit) ||
      registers.Read32(control) == kGone) {
    registers.Write32(control, 0);
    return absl::UnavailableError(
        absl::StrCat(Direction(setup.transmit), " queue ", number, " did not start within ",
                     absl::FormatDuration(kEnableLimit), "; is the function still there?"));
  }
  registers.Write32(tail, 0);

  QueuePlaces places;
  places.rings.resize(setup.rings.size());
  places.rings[static_cast<size_t>(index)] = {
      .producer_doorbells = {{.bar = 0, .offset = tail}},
      .device_index = RegisterPlace{.bar = 0, .offset = base + kRxHead}};
  return places;
}

absl::Status Queues::Stop(RegisterWindow& registers, bool transmit, uint32_t number) {
  const uint32_t control = bank_.Control(transmit, number);
  // 4.5 (dynamic disabling of queues): the bit reads as zero when no access to the ring is under
  // way any more.
  registers.Write32(control, 0);
  if (WaitFor(function_, registers, control, kQueueEnable, 0, kDisableLimit)) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat(Direction(transmit), " queue ", number, " is still enabled ",
                   absl::FormatDuration(kDisableLimit), " after it was told to stop"));
}

void Queues::StopAll(RegisterWindow& registers, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    registers.Write32(bank_.Control(false, i), 0);
    registers.Write32(bank_.Control(true, i), 0);
  }
}

}  // namespace qsplit::vfio::igb
