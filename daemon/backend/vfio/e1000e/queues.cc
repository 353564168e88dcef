// Queues and what pauses while one is started or stopped: driver.h. Sections: registers.h.
#include <bit>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/e1000e/driver.h"
#include "daemon/backend/vfio/e1000e/registers.h"

namespace qsplit::vfio::e1000e {
namespace {

constexpr uint32_t kSlotBytes = 16;
constexpr uint32_t kMinBufferBytes = 256;
constexpr uint32_t kMaxBufferBytes = 16384;

std::string QueueName(bool transmit, uint32_t queue) {
  return absl::StrCat(transmit ? "transmit" : "receive", " queue ", queue);
}

// The choice that the setup makes of a feature; empty: the layout has none of that name.
std::string_view Choice(const QueueSetup& setup, std::string_view feature) {
  const auto& features = setup.layout.message().features();
  for (int i = 0; i < features.size(); ++i) {
    if (features[i].name() != feature) continue;
    const auto index = static_cast<size_t>(i);
    const uint32_t choice = index < setup.features.size() ? setup.features[index] : 0;
    if (choice < static_cast<uint32_t>(features[i].choices_size())) {
      return features[i].choices(static_cast<int>(choice));
    }
  }
  return {};
}

}  // namespace

absl::Status Driver::CheckRing(const QueueSetup& setup) const {
  if (setup.queue >= kQueues) {
    return absl::InvalidArgumentError(
        absl::StrCat(QueueName(setup.transmit, setup.queue), " is none of the 82574's ", kQueues));
  }
  if (setup.layout.name() != facts_.layouts[0].name) {
    return absl::InvalidArgumentError(absl::StrCat("the 82574 is set up for the layout ",
                                                   facts_.layouts[0].name, ", not for ",
                                                   setup.layout.name()));
  }
  if ((setup.transmit ? tx_running_ : rx_running_)[setup.queue]) {
    return absl::FailedPreconditionError(
        absl::StrCat(QueueName(setup.transmit, setup.queue), " runs; stop it first"));
  }
  if (setup.rings.empty()) return absl::InvalidArgumentError("the queue has no ring");
  const RingSetup& ring = setup.rings[0];
  // 10.2.5, 10.2.6: RDLEN and TDLEN count 128 bytes, the layout says how many there may be.
  if (ring.slot_count < 64 || ring.slot_count > 4096 || ring.slot_count % 8 != 0) {
    return absl::InvalidArgumentError(absl::StrCat("a ring of ", ring.slot_count,
                                                   " slots: the 82574 takes 64 to 4096 in "
                                                   "steps of 8"));
  }
  if (ring.slots_iova % 128 != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the ring's address 0x", absl::Hex(ring.slots_iova), " is no multiple of 128 bytes"));
  }
  return absl::OkStatus();
}

absl::Status Driver::CheckReceive(const QueueSetup& setup) const {
  if (Choice(setup, "Buffers") != "one" || Choice(setup, "Dword1") != "hash") {
    return absl::InvalidArgumentError(
        "the 82574 is set up with Buffers = one and Dword1 = hash for all of its queues");
  }
  const uint32_t bytes = setup.rx_buffer_bytes;
  if (bytes < kMinBufferBytes || bytes > kMaxBufferBytes || !std::has_single_bit(bytes)) {
    return absl::InvalidArgumentError(absl::StrCat("receive buffers of ", bytes,
                                                   " bytes: the 82574 takes powers of two from ",
                                                   kMinBufferBytes, " to ", kMaxBufferBytes));
  }
  if (AnyRunning(false) && bytes != buffer_bytes_) {
    return absl::InvalidArgumentError(
        absl::StrCat("receive buffers of ", bytes, " bytes: the other queue runs with ",
                     buffer_bytes_, ", and the 82574 has one size for both"));
  }
  return absl::OkStatus();
}

bool Driver::AnyRunning(bool transmit) const {
  const auto& running = transmit ? tx_running_ : rx_running_;
  return running[0] || running[1];
}

absl::StatusOr<QueuePlaces> Driver::StartQueue(const QueueSetup& setup) {
  if (absl::Status status = CheckRing(setup); !status.ok()) return status;
  if (!setup.transmit) {
    if (absl::Status status = CheckReceive(setup); !status.ok()) return status;
  }
  if (absl::Status status = Pause(setup.transmit); !status.ok()) return status;
  WriteRing(setup.transmit, setup.queue, setup.rings[0].slots_iova, setup.rings[0].slot_count);
  if (!setup.transmit) buffer_bytes_ = setup.rx_buffer_bytes;
  (setup.transmit ? tx_running_ : rx_running_)[setup.queue] = true;
  Resume(setup.transmit);

  QueuePlaces places;
  places.rings.resize(setup.rings.size());
  const uint64_t at = (setup.transmit ? kTdbal - kRdbal : 0) + setup.queue * kQueueStride;
  places.rings[0] = {.producer_doorbells = {{.bar = 0, .offset = kRdt + at}},
                     .device_index = RegisterPlace{.bar = 0, .offset = kRdh + at}};
  return places;
}

absl::Status Driver::StopQueue(bool transmit, uint32_t queue) {
  if (queue >= kQueues) {
    return absl::InvalidArgumentError(
        absl::StrCat(QueueName(transmit, queue), " is none of the 82574's ", kQueues));
  }
  bool& running = (transmit ? tx_running_ : rx_running_)[queue];
  if (!running) return absl::OkStatus();
  if (absl::Status status = Pause(transmit); !status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat(QueueName(transmit, queue), ": ", status.message()));
  }
  WriteRing(transmit, queue, 0, 0);
  running = false;
  Resume(transmit);
  return absl::OkStatus();
}

// The enable bit takes effect behind the packet that is under way; what the FIFO holds (40 KB) is
// gone over PCIe in a fifth of the millisecond. Then requests of all kinds are barred, and the
// function says when none is under way (10.2.2: GIO Master Disable and GIO Master Enable Status).
absl::Status Driver::Pause(bool transmit) {
  if (transmit) {
    registers_->Write32(kTctl, kTctlPadShort | kTctlCollisions | kTctlManyRequests);
  } else {
    registers_->Write32(kRctl, ReceiveControl() & ~kRctlEnable);
  }
  Flush();
  function_.Sleep(absl::Milliseconds(1));
  registers_->Write32(kCtrl, ctrl_ | kCtrlMasterDisable);
  if (!WaitFor(function_, *registers_, kStatus, kStatusMasterEnable, 0, absl::Milliseconds(20))) {
    return absl::UnavailableError(
        "the 82574 did not end its requests (STATUS.GIO_Master_Enable) within 20 ms");
  }
  return absl::OkStatus();
}

void Driver::Resume(bool transmit) {
  registers_->Write32(kCtrl, ctrl_);
  if (transmit) {
    registers_->Write32(kTctl, kTctlPadShort | kTctlCollisions | kTctlManyRequests |
                                   (AnyRunning(true) ? kTctlEnable : 0));
  } else {
    registers_->Write32(kRctl, ReceiveControl());
  }
  Flush();
}

// 4.6.5, 4.6.6: base, length, then head and tail. A ring without slots has length zero: its queue
// is empty whatever its tail says.
void Driver::WriteRing(bool transmit, uint32_t queue, uint64_t iova, uint32_t slots) {
  const uint64_t at = (transmit ? kTdbal - kRdbal : 0) + queue * kQueueStride;
  registers_->Write32(kRdlen + at, 0);
  registers_->Write32(kRdh + at, 0);
  registers_->Write32(kRdt + at, 0);
  registers_->Write32(kRdbal + at, static_cast<uint32_t>(iova));
  registers_->Write32(kRdbah + at, static_cast<uint32_t>(iova >> 32));
  registers_->Write32(kRdlen + at, slots * kSlotBytes);
}

}  // namespace qsplit::vfio::e1000e
