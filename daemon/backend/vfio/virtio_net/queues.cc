// Starting and stopping virtqueues (4.1.5.1.3, 2.6.1), and where their parts are: driver.h.
#include <algorithm>
#include <bit>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/virtio_net/driver.h"
#include "daemon/backend/vfio/virtio_net/registers.h"

namespace qsplit::vfio::virtio_net {
namespace {

constexpr absl::Duration kPatience = absl::Milliseconds(45);  // NicDriver allows 50 ms

uint32_t VirtqueueOf(bool transmit, uint32_t queue) { return 2 * queue + (transmit ? 1 : 0); }

std::string QueueName(bool transmit, uint32_t queue) {
  return absl::StrCat(transmit ? "transmit" : "receive", " queue ", queue);
}

absl::Status Misplaced(const std::string& part, uint64_t iova, const char* wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat(part, " is at 0x", absl::Hex(iova), ", which is not ", wanted));
}

// The rings of a setup, by the names that the layout gives them.
class NamedRings {
 public:
  explicit NamedRings(const QueueSetup& setup)
      : setup_(setup),
        queue_(setup.layout.FindQueue(setup.transmit ? v1::DIRECTION_TRANSMIT
                                                     : v1::DIRECTION_RECEIVE)) {}

  // nullptr: the setup has none of that name, or left it out.
  const RingSetup* Find(std::string_view name) const {
    const int index = IndexOf(name);
    if (index < 0 || static_cast<size_t>(index) >= setup_.rings.size()) return nullptr;
    const RingSetup& ring = setup_.rings[static_cast<size_t>(index)];
    return ring.slot_count == 0 ? nullptr : &ring;
  }
  // 0: left out.
  uint64_t Cell(std::string_view ring_name, std::string_view name) const {
    const RingSetup* const ring = Find(ring_name);
    if (ring == nullptr) return 0;
    const auto& cells = queue_->rings(IndexOf(ring_name)).cells();
    for (int i = 0; i < cells.size(); ++i) {
      const auto index = static_cast<size_t>(i);
      if (cells[i].name() == name && index < ring->cell_iovas.size()) {
        return ring->cell_iovas[index];
      }
    }
    return 0;
  }
  const v1::Queue* queue() const { return queue_; }

 private:
  int IndexOf(std::string_view name) const {
    if (queue_ == nullptr) return -1;
    for (int i = 0; i < queue_->rings_size(); ++i) {
      if (queue_->rings(i).name() == name) return i;
    }
    return -1;
  }

  const QueueSetup& setup_;
  const v1::Queue* queue_;
};

// 2.7: the available ring begins 4 bytes in front of its slots, with flags and index, and so does
// the used ring, whose flags are the cell that says whether the device wants to be notified.
absl::StatusOr<QueueAddresses> SplitAddresses(const NamedRings& rings) {
  const RingSetup* const table = rings.Find("descriptors");
  const RingSetup* const available = rings.Find("available");
  const RingSetup* const used = rings.Find("used");
  if (table == nullptr || available == nullptr || used == nullptr) {
    return absl::InvalidArgumentError("a split virtqueue has descriptors, available and used ring");
  }
  if (available->slot_count != table->slot_count || used->slot_count != table->slot_count) {
    return absl::InvalidArgumentError(absl::StrCat("a split virtqueue's rings have one size, not ",
                                                   table->slot_count, ", ", available->slot_count,
                                                   " and ", used->slot_count, " slots"));
  }
  if (!std::has_single_bit(table->slot_count)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a split virtqueue of ", table->slot_count, " slots, no power of two"));
  }
  if (table->slots_iova % 16 != 0) {
    return Misplaced("the descriptor table", table->slots_iova, "a multiple of 16");
  }
  if (available->slots_iova < 4 || available->slots_iova % 2 != 0) {
    return Misplaced("the available ring's first slot", available->slots_iova,
                     "a multiple of 2, 4 bytes behind its flags");
  }
  if (used->slots_iova < 4 || used->slots_iova % 4 != 0) {
    return Misplaced("the used ring's first slot", used->slots_iova,
                     "a multiple of 4, 4 bytes behind its flags");
  }
  const uint64_t no_notify = rings.Cell("available", "no_notify");
  if (no_notify != used->slots_iova - 4) {
    return Misplaced("the available ring's cell no_notify", no_notify,
                     "4 bytes in front of the used ring's first slot");
  }
  return QueueAddresses{.descriptors = table->slots_iova,
                        .driver = available->slots_iova - 4,
                        .device = used->slots_iova - 4};
}

// 2.8.10, 2.8.14: the flags are the second half of the event suppression structures.
absl::StatusOr<QueueAddresses> PackedAddresses(const NamedRings& rings) {
  const RingSetup* const ring = rings.Find("descriptors");
  if (ring == nullptr) return absl::InvalidArgumentError("a packed virtqueue has a ring");
  if (ring->slots_iova % 16 != 0) {
    return Misplaced("the descriptor ring", ring->slots_iova, "a multiple of 16");
  }
  QueueAddresses addresses{.descriptors = ring->slots_iova};
  for (const auto& [cell, address] :
       {std::pair{"no_notify", &addresses.device}, std::pair{"no_interrupt", &addresses.driver}}) {
    const uint64_t iova = rings.Cell("descriptors", cell);
    if (iova < 2 || iova % 4 != 2) {
      return Misplaced(absl::StrCat("the ring's cell ", cell), iova,
                       "2 bytes behind a multiple of 4");
    }
    *address = iova - 2;
  }
  return addresses;
}

// Features are the device's: every queue has what was agreed on. What a setup leaves out is choice
// 0.
absl::Status CheckFeatures(const QueueSetup& setup, const DrivenLayout& driven) {
  const v1::Layout& layout = setup.layout.message();
  for (int i = 0; i < layout.features_size(); ++i) {
    const auto index = static_cast<size_t>(i);
    const uint32_t choice = index < setup.features.size() ? setup.features[index] : 0;
    const v1::Feature& feature = layout.features(i);
    for (const auto& [name, agreed] : driven.choices) {
      if (name != feature.name()) continue;
      if (choice < static_cast<uint32_t>(feature.choices_size()) &&
          feature.choices(static_cast<int>(choice)) == agreed) {
        continue;
      }
      return absl::InvalidArgumentError(absl::StrCat("the device is set up with ", name, " = ",
                                                     agreed, " for all of its queues"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

bool Driver::AnyRunning() const {
  return std::any_of(virtqueues_.begin(), virtqueues_.end(),
                     [](const Virtqueue& queue) { return queue.running; });
}

absl::Status Driver::CheckSetup(const QueueSetup& setup) const {
  if (setup.queue >= facts_.rx_queues) {
    return absl::InvalidArgumentError(absl::StrCat(QueueName(setup.transmit, setup.queue),
                                                   " is none of the device's ", facts_.rx_queues));
  }
  const auto driven =
      std::find_if(facts_.layouts.begin(), facts_.layouts.end(),
                   [&](const DrivenLayout& layout) { return layout.name == setup.layout.name(); });
  if (driven == facts_.layouts.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the device cannot be set up for the layout ", setup.layout.name()));
  }
  if (absl::Status status = CheckFeatures(setup, *driven); !status.ok()) return status;
  const Virtqueue& queue = virtqueues_[VirtqueueOf(setup.transmit, setup.queue)];
  if (queue.running) {
    return absl::FailedPreconditionError(
        absl::StrCat(QueueName(setup.transmit, setup.queue), " runs; stop it first"));
  }
  const bool packed = setup.layout.name() == "virtio.packed";
  if (AnyRunning() && (packed != packed_ || !up_)) {
    return absl::FailedPreconditionError(
        absl::StrCat("queues run in ", packed_ ? "virtio.packed" : "virtio.split",
                     up_ ? ", and the device has one format for all; stop them first"
                         : " or were silenced with others; stop all of them first"));
  }
  const uint32_t slots = setup.rings.empty() ? 0 : setup.rings[0].slot_count;
  if (slots == 0 || slots > queue.max_slots) {
    return absl::InvalidArgumentError(absl::StrCat(QueueName(setup.transmit, setup.queue), " of ",
                                                   slots, " slots: the device has 1 to ",
                                                   queue.max_slots));
  }
  return absl::OkStatus();
}

absl::Status Driver::Enable(uint32_t virtqueue) {
  Virtqueue& queue = virtqueues_[virtqueue];
  absl::StatusOr<RegisterPlace> doorbell =
      transport_->EnableQueue(virtqueue, queue.slots, VectorOf(virtqueue), queue.addresses);
  if (doorbell.ok()) queue.doorbell = *doorbell;
  return doorbell.status();
}

absl::StatusOr<QueuePlaces> Driver::StartQueue(const QueueSetup& setup) {
  if (absl::Status status = CheckSetup(setup); !status.ok()) return status;
  const NamedRings rings(setup);
  const bool packed = setup.layout.name() == "virtio.packed";
  absl::StatusOr<QueueAddresses> addresses =
      packed ? PackedAddresses(rings) : SplitAddresses(rings);
  if (!addresses.ok()) return addresses.status();

  StartClock(kPatience);
  const uint32_t virtqueue = VirtqueueOf(setup.transmit, setup.queue);
  Virtqueue& queue = virtqueues_[virtqueue];
  queue.addresses = *addresses;
  queue.slots = static_cast<uint16_t>(setup.rings[0].slot_count);
  queue.running = true;
  absl::Status status;
  if (!up_ || packed != packed_ || !Has(kRingReset)) {
    status = BringUp(packed);
  } else {
    status = Enable(virtqueue);
    if (status.ok()) status = ApplyPairs();
  }
  if (!status.ok()) {
    // Stops what may have been enabled; where that fails too, the queue counts as running.
    StopQueue(setup.transmit, setup.queue).IgnoreError();
    return status;
  }

  QueuePlaces places;
  places.doorbell_number = virtqueue;
  places.rings.resize(setup.rings.size());
  for (size_t i = 0; i < setup.rings.size(); ++i) {
    if (setup.rings[i].slot_count == 0) continue;
    // Each of a ring's doorbells is this one, whatever choices decide which of them exists.
    const auto bells = rings.queue()->rings(static_cast<int>(i)).producer_doorbells_size();
    places.rings[i].producer_doorbells.assign(static_cast<size_t>(bells), queue.doorbell);
  }
  return places;
}

absl::Status Driver::StopQueue(bool transmit, uint32_t number) {
  if (number >= facts_.rx_queues) {
    return absl::InvalidArgumentError(
        absl::StrCat(QueueName(transmit, number), " is none of the device's ", facts_.rx_queues));
  }
  StartClock(kPatience);
  const uint32_t virtqueue = VirtqueueOf(transmit, number);
  Virtqueue& queue = virtqueues_[virtqueue];
  if (!queue.running) return absl::OkStatus();
  if (up_ && Has(kRingReset)) {
    if (absl::Status status = transport_->ResetQueue(virtqueue, Left()); !status.ok()) {
      return status;
    }
    queue.running = false;
    ApplyPairs().IgnoreError();  // the queue is stopped, whatever the device thinks of the others
    return absl::OkStatus();
  }
  up_ = false;
  if (absl::Status status = transport_->Reset(Left()); !status.ok()) return status;
  queue.running = false;
  // Comes up again for settings and the control queue; a start of a queue tries again.
  if (!AnyRunning()) BringUp(packed_).IgnoreError();
  return absl::OkStatus();
}

}  // namespace qsplit::vfio::virtio_net
