// A guard between a hostile client and a device. The input: a layout that a guard takes, one of its
// queues, memory, then a row of acts: of an honest driver in front of the shadow ring, of somebody
// who writes shadow slots, doorbells and cells, of the guard, of the data plane's device behind the
// real ring.
//
// What must hold whatever the input is: each descriptor that the guard stores says addresses of the
// lease's regions, as the device knows them; the device never finds anything wrong with its ring;
// a queue that was stopped forwards nothing more; and all of it goes the same way whether the guard
// checks in bursts or one by one. Memory is the sanitizers' business.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/guard/guarded_queue.h"
#include "dataplane/form_match.h"
#include "dataplane/ring_cells.h"
#include "dataplane/ring_forms.h"
#include "dataplane/ring_shape.h"
#include "dataplane/rx_device.h"
#include "dataplane/rx_driver.h"
#include "dataplane/tx_device.h"
#include "dataplane/tx_driver.h"
#include "descriptor-lang/layout/roles.h"
#include "tests/fuzz/guard/guarded_lease.h"
#include "tests/fuzz/support/input.h"
#include "tests/fuzz/support/queue_memory.h"

namespace {

using namespace qsplit;             // NOLINT
using namespace qsplit::dataplane;  // NOLINT
using fuzz::Guardable;
using fuzz::GuardableLayouts;
using fuzz::Input;
using fuzz::kBytes;
using fuzz::kDelta;
using fuzz::QueueMemory;
using fuzz::Regions;
using fuzz::ToClient;
using layout::Role;

constexpr size_t kMaxInput = 4096;
class Case {
 public:
  Case(const Guardable& chosen, uint32_t queue, QueueMemory& shadow, QueueMemory& real,
       guard::GuardOptions::Checks checks)
      : layout_(chosen.layout),
        shadow_(shadow),
        receive_(Message().queues(static_cast<int>(queue)).direction() == v1::DIRECTION_RECEIVE),
        queue_(Message().queues(static_cast<int>(queue))),
        shape_(*ShapeQueue(Message(), queue_, real.view())),
        shadow_shape_(*ShapeQueue(Message(), queue_, shadow.view())) {
    const v1::BufferRange& range = queue_.limits().buffer();
    buffer_bytes_ = std::max(range.min_bytes(), 64u);
    options_.rx_buffer_bytes = buffer_bytes_;
    options_.checks = checks;
    DeviceMemory memory;
    memory.context = this;
    memory.read = [](void* self, Iova from, std::byte* to, uint32_t bytes) {
      const auto iova = ToClient(from.value, bytes, false);
      return iova.has_value() &&
             static_cast<Case*>(self)->shadow_.device_memory().Read(Iova(*iova), to, bytes);
    };
    memory.write = [](void* self, Iova to, const std::byte* from, uint32_t bytes) {
      const auto iova = ToClient(to.value, bytes, true);
      return iova.has_value() &&
             static_cast<Case*>(self)->shadow_.device_memory().Write(Iova(*iova), from, bytes);
    };
    auto guard = guard::GuardedQueue::Create(layout_, queue_.direction(), shadow.view(),
                                             real.view(), Regions(), options_);
    if (!guard.ok()) return;
    if (receive_) {
      auto device = RxDevice::Create(layout_, real.view(), {buffer_bytes_, memory});
      auto driver = RxDriver::Create(layout_, shadow.view(), {RxFields::None(), buffer_bytes_});
      if (!device.ok() || !driver.ok()) return;
      rx_device_.emplace(*std::move(device));
      rx_driver_.emplace(*std::move(driver));
    } else {
      auto device = TxDevice::Create(layout_, real.view(), {memory});
      auto driver = TxDriver::Create(layout_, shadow.view(), {3});
      if (!device.ok() || !driver.ok()) return;
      tx_device_.emplace(*std::move(device));
      tx_driver_.emplace(*std::move(driver));
    }
    guard_.emplace(*std::move(guard));
  }

  bool IsMade() const { return guard_.has_value(); }
  // What the guard did, turn by turn.
  const std::vector<uint64_t>& Trace() const { return trace_; }

  void Act(Input& in) {
    switch (in.Byte() % 8) {
      case 0:
      case 1:
        Client(in);
        break;
      case 2:
        shadow_.Scribble(in);
        break;
      case 3:
        Describe(in);
        break;
      case 4:
        MoveIndex(in);
        break;
      case 5:
        Device(in);
        break;
      default:
        Guard(in);
    }
  }

 private:
  const v1::Layout& Message() const { return layout_.message(); }

  // An address that is good, or, seldom, just not.
  static uint64_t Address(Input& in) {
    const uint8_t how = in.Byte();
    const uint64_t at = QueueMemory::kBuffersIova + uint64_t{how} % 8 * kBytes;
    switch (how / 8) {
      case 0:
        return at - in.Below(128);
      case 1:
        return at + in.Below(kBytes);
      case 2:
        return in.Value();
      case 3:
        return at + kDelta;
      case 4:
        return at + 8 * kBytes;
      default:
        return at;
    }
  }

  void Client(Input& in) {
    for (uint32_t i = in.Byte() % 16; i > 0; --i) {
      const Iova address(Address(in));
      if (receive_) {
        const RxBuffer buffer{address, buffer_bytes_, 0, shadow_.Buffer(0)};
        rx_driver_->Post(std::span(&buffer, 1));
      } else {
        TxSegment segments[3];
        const uint32_t count = 1 + in.Byte() % 3;
        for (uint32_t k = 0; k < count; ++k) {
          segments[k] = {k == 0 ? address : Iova(Address(in)),
                         64 + static_cast<uint32_t>(in.Below(256)), shadow_.Buffer(0)};
        }
        TxRequest request;
        request.wants = TxFeatures(static_cast<uint32_t>(in.Number(2))) & tx_driver_->Features();
        request.l3 = L3Kind::kIp4;
        request.l4 = L4Kind::kTcp;
        request.l2_header_bytes = 14;
        request.l3_header_bytes = 20;
        request.l4_header_bytes = static_cast<uint16_t>(in.Byte());
        request.segment_bytes = static_cast<uint16_t>(in.Value());
        tx_driver_->Push(std::span(segments, count), in.Byte() % 8 != 0 ? TxRequest{} : request, 0);
      }
    }
    if (receive_) {
      rx_driver_->Publish();
      RxCompletion done[16];
      rx_driver_->Poll(done);
    } else {
      tx_driver_->Publish();
      uint32_t cookies[16];
      tx_driver_->Reclaim(cookies);
    }
  }

  // A descriptor of some form, with values that are nearly good, in a shadow slot.
  void Describe(Input& in) {
    const RingShape& ring = shadow_shape_.rings[in.Below(shadow_shape_.rings.size())];
    if (ring.post_forms.empty()) return;
    const uint32_t index = ring.post_forms[in.Below(ring.post_forms.size())];
    const v1::Form& form = ring.Form(index);
    auto image = FormImage(ring, index);
    if (!image.ok()) return;
    for (const v1::Field& field : form.fields()) {
      if (field.parts().empty() || !layout::Applies(field.features(), ring.choices)) continue;
      const auto access = *FieldAccess::Compile(field, form.size_bytes());
      const auto role = layout::FindRole(field.role());
      if (role == Role::kBufferAddress) {
        access.Store(image->bytes, Address(in));
      } else if (role == Role::kBufferLength || role == Role::kPacketTotalLength) {
        access.Store(image->bytes, in.Byte() % 4 == 0 ? in.Value() : 64 + in.Below(kBytes));
      } else if (role == Role::kNextIndex || role == Role::kTableIndex || role == Role::kTag) {
        access.Store(image->bytes, in.Below(ring.slot_count + 1));
      } else if (field.constraint() != v1::CONSTRAINT_CONSTANT || in.Byte() == 0) {
        access.StoreRaw(image->bytes, in.Value() & access.MaxRaw());
      }
    }
    const uint64_t slot = in.Below(ring.slot_count);
    std::memcpy(ring.view.slots + slot * ring.ring->slot_bytes(), image->bytes,
                std::min(ring.ring->slot_bytes(), form.size_bytes()));
  }

  // The shadow's doorbell or count, a little further.
  void MoveIndex(Input& in) {
    const RingShape& ring = shadow_shape_.rings[in.Below(shadow_shape_.rings.size())];
    index_ += static_cast<uint32_t>(in.Byte()) % 16;
    if (ring.ring->posted().has_cell()) {
      const v1::IndexCell& cell = ring.ring->cells(static_cast<int>(ring.ring->posted().cell()));
      StoreCell(ring.view.cells[ring.ring->posted().cell()], cell.bytes(), false, index_);
    } else if (ring.ring->producer_doorbells_size() > 0) {
      StoreCell(ring.view.producer_doorbells[0], ring.ring->producer_doorbells(0).bytes(), false,
                ring.view.counts_for_increments ? index_ % (ring.slot_count + 1) : index_);
    }
  }

  std::vector<std::byte> RealSlots() const {
    std::vector<std::byte> bytes;
    for (const RingShape& ring : shape_.rings) {
      bytes.insert(bytes.end(), ring.view.slots,
                   ring.view.slots + size_t{ring.slot_count} * ring.ring->slot_bytes());
    }
    return bytes;
  }

  // Each slot that differs and holds a buffer holds one of the lease's.
  void CheckStored(const std::vector<std::byte>& before, const std::vector<std::byte>& after) {
    size_t at = 0;
    for (const RingShape& ring : shape_.rings) {
      const uint32_t bytes = ring.ring->slot_bytes();
      const auto matcher = *FormMatcher::Compile(Message(), ring.post_forms, ring.choices);
      for (uint32_t slot = 0; slot < ring.slot_count; ++slot, at += bytes) {
        if (std::memcmp(&before[at], &after[at], bytes) == 0) continue;
        DescriptorBytes copy{};
        std::memcpy(copy.bytes, &after[at], bytes);
        const int match = matcher.Match(copy.bytes);
        // Of a packet that is not whole the first slot waits for its last word.
        const bool whole = match != FormMatcher::kNone && !ring.ring->has_phase();
        MUST(whole || ring.ring->has_phase());
        const v1::Form& form = ring.Form(ring.post_forms[whole ? static_cast<size_t>(match) : 0]);
        std::optional<uint64_t> address;
        uint64_t length = receive_ ? buffer_bytes_ : 1;
        for (const v1::Field& field : form.fields()) {
          const auto role = layout::FindRole(field.role());
          if (role == Role::kBufferAddress) {
            address = FieldAccess::Compile(field, form.size_bytes())->Load(copy.bytes);
          } else if (role == Role::kBufferLength) {
            length = whole ? FieldAccess::Compile(field, form.size_bytes())->Load(copy.bytes) : 1;
          }
        }
        MUST(!address.has_value() || ToClient(*address, length, receive_).has_value());
      }
    }
  }

  void Guard(Input& in) {
    const std::vector<std::byte> before = RealSlots();
    const bool stopped = guard_->fault().has_value();
    const uint32_t budget = 1 + in.Byte() % 64;
    const guard::GuardedQueue::Moved moved = guard_->Poll(budget);
    const std::vector<std::byte> after = RealSlots();
    CheckStored(before, after);
    MUST(moved.returned <= budget);
    MUST(!stopped || (moved.forwarded == 0 && before == after));
    MUST(guard_->counters().faults.Read() == (guard_->fault().has_value() ? 1u : 0u));
    Remember(moved, after);
    if (in.Byte() % 8 == 0) {
      guard_->SetNeedWakeup(true);
      guard_->HasWork();
      guard_->SetNeedWakeup(false);
    }
  }

  void Remember(const guard::GuardedQueue::Moved& moved, const std::vector<std::byte>& slots) {
    const guard::GuardCounters& counters = guard_->counters();
    const guard::QueueFault fault = guard_->fault().value_or(guard::QueueFault{});
    const std::string_view bytes(reinterpret_cast<const char*>(slots.data()), slots.size());
    for (const uint64_t number :
         {uint64_t{moved.forwarded}, uint64_t{moved.returned}, counters.packets.Read(),
          counters.bytes.Read(), counters.descriptors.Read(), counters.completions.Read(),
          counters.faults.Read(), static_cast<uint64_t>(fault.kind), uint64_t{fault.slot},
          fault.iova, fault.length_bytes, uint64_t{std::hash<std::string_view>()(bytes)}}) {
      trace_.push_back(number);
    }
  }

  void CheckDevice(RingFault fault) {
    if (fault == RingFault::kNone || fault == RingFault::kEmpty) return;
    // What stands in front of packets in the client's memory is not the guard's; and this memory
    // is of pieces that nobody reads across.
    MUST(queue_.packet().prefix_bytes() != 0 &&
         (fault == RingFault::kBadRequest || fault == RingFault::kUndefinedForm ||
          fault == RingFault::kUnreachable));
  }

  void Device(Input& in) {
    uint32_t most = in.Byte() % 32;
    for (; receive_ && most > 0; --most) {
      PostedBuffer buffer;
      const RingFault fault = rx_device_->Fetch(&buffer);
      CheckDevice(fault);
      if (fault != RingFault::kNone) break;
      MUST(ToClient(buffer.address.value, buffer.bytes, true).has_value());
      MUST(buffer.header_address.value == 0);
      RxResult result;
      result.length = std::min<uint32_t>(buffer.bytes, static_cast<uint32_t>(in.Below(kBytes)));
      result.length -= std::min(result.length, rx_device_->PrefixBytes());
      rx_device_->Complete(result);
    }
    if (receive_) rx_device_->Publish();
    for (; !receive_ && most > 0; --most) {
      TxWork work;
      const RingFault fault = tx_device_->Fetch(&work);
      CheckDevice(fault);
      if (fault != RingFault::kNone) break;
      for (const TxSegment& segment : work.segments) {
        MUST(ToClient(segment.address.value, segment.bytes, false).has_value());
      }
      tx_device_->Complete(work.handle);
    }
  }

  const layout::VerifiedLayout layout_;
  QueueMemory& shadow_;
  const bool receive_;
  const v1::Queue& queue_;
  const QueueShape shape_;
  const QueueShape shadow_shape_;
  uint32_t buffer_bytes_ = 0;
  uint32_t index_ = 0;
  guard::GuardOptions options_;
  std::vector<uint64_t> trace_;
  std::optional<guard::GuardedQueue> guard_;
  std::optional<RxDevice> rx_device_;
  std::optional<RxDriver> rx_driver_;
  std::optional<TxDevice> tx_device_;
  std::optional<TxDriver> tx_driver_;
};

// Plays the input's acts; what the guard did. nullopt: nothing can be made of it.
std::optional<std::vector<uint64_t>> Play(Input in, guard::GuardOptions::Checks checks) {
  const Guardable& chosen = GuardableLayouts()[in.Below(GuardableLayouts().size())];
  const v1::Layout& message = chosen.layout.message();
  const auto queue = static_cast<uint32_t>(in.Below(static_cast<uint64_t>(message.queues_size())));
  if (message.queues(static_cast<int>(queue)).direction() == v1::DIRECTION_COMMAND) {
    return std::nullopt;
  }
  // Both rings alike.
  Input again = in;
  const auto shadow = QueueMemory::Create(message, queue, chosen.choices, in);
  const auto real = QueueMemory::Create(message, queue, chosen.choices, again);
  if (shadow == nullptr || real == nullptr) return std::nullopt;
  Case on(chosen, queue, *shadow, *real, checks);
  if (!on.IsMade()) return std::nullopt;
  while (!in.Empty()) on.Act(in);
  return on.Trace();
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  GuardableLayouts();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Input in(data, std::min(size, kMaxInput));
  using Checks = guard::GuardOptions::Checks;
  const auto one_by_one = Play(in, Checks::kOneByOne);
  MUST(Play(in, Checks::kFastest) == one_by_one);
  MUST(Play(in, Checks::kPortable) == one_by_one);
  return 0;
}
