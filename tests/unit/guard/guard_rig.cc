#include "tests/unit/guard/guard_rig.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "dataplane/field_access.h"
#include "dataplane/form_match.h"
#include "dataplane/ring_cells.h"

namespace qsplit::guard::testing {
namespace {

using dataplane::DescriptorBytes;
using dataplane::FieldAccess;
using dataplane::Iova;
using dataplane::PostedBuffer;
using dataplane::RingFault;
using dataplane::testing::PacketMemory;
using dataplane::testing::Region;

// Far from each other and from what the client says, within 32 bits.
constexpr uint64_t kDelta = 0x0800'0000;
constexpr uint64_t kOtherDelta = 0x4000'0000;
constexpr uint32_t kRxBuffers = 256;

uint32_t BufferBytes(const RxCase& c) { return dataplane::testing::BufferBytesFrom(c, 512); }

template <typename Case>
bool IsGuarded(const Case& c, v1::Direction direction) {
  const QueueMemory shadow(*c.layout, c.queue, c.choices, 64);
  const QueueMemory real(*c.layout, c.queue, c.choices, 64);
  const GuardedRegion region{Region::kIova, 4096, Region::kIova + kDelta, true};
  GuardOptions options;
  if constexpr (std::is_same_v<Case, RxCase>) options.rx_buffer_bytes = BufferBytes(c);
  return GuardedQueue::Create(*c.layout, direction, shadow.view(), real.view(),
                              std::span(&region, 1), options)
      .ok();
}

}  // namespace

std::vector<RxCase> GuardedRxCases() {
  std::vector<RxCase> cases = dataplane::testing::AllRxCases();
  std::erase_if(cases, [](const RxCase& c) { return !IsGuarded(c, v1::DIRECTION_RECEIVE); });
  return cases;
}

std::vector<TxCase> GuardedTxCases() {
  std::vector<TxCase> cases = dataplane::testing::AllTxCases();
  std::erase_if(cases, [](const TxCase& c) { return !IsGuarded(c, v1::DIRECTION_TRANSMIT); });
  return cases;
}

bool AddressPair::DeviceMayReach(uint64_t device_iova, uint64_t bytes) const {
  return ToClient(device_iova, bytes).has_value();
}

std::optional<uint64_t> AddressPair::ToClient(uint64_t device_iova, uint64_t bytes) const {
  for (const GuardedRegion& region : regions) {
    const uint64_t offset = device_iova - region.device_iova;
    if (offset < region.bytes && bytes <= region.bytes - offset) return region.iova + offset;
  }
  return std::nullopt;
}

RawRing::RawRing(const layout::VerifiedLayout& layout, const dataplane::QueueView& view,
                 uint32_t ring)
    : layout_(layout),
      ring_(&layout.message()
                 .queues(static_cast<int>(view.layout_queue))
                 .rings(static_cast<int>(ring))),
      view_(view.rings[ring]),
      choices_(view.features.choice.begin(), view.features.choice.end()) {}

std::vector<std::byte> RawRing::Bytes() const {
  return {view_.slots, view_.slots + size_t{view_.slot_count} * ring_->slot_bytes()};
}

void RawRing::Ring(uint64_t value) const {
  const v1::Doorbell& bell = ring_->producer_doorbells(0);
  dataplane::StoreCell(view_.producer_doorbells[0], bell.bytes(),
                       bell.byte_order() == v1::BYTE_ORDER_BIG, value);
}

uint64_t RawRing::Rung() const {
  const v1::Doorbell& bell = ring_->producer_doorbells(0);
  return dataplane::LoadCell(view_.producer_doorbells[0], bell.bytes(),
                             bell.byte_order() == v1::BYTE_ORDER_BIG);
}

const v1::Form* RawRing::FormAt(uint32_t index) const {
  DescriptorBytes copy{};
  std::memcpy(copy.bytes, slot(index), ring_->slot_bytes());
  // Later forms first: the tests' layouts put contexts there, whose marks are the strictest.
  for (int i = ring_->post_forms_size() - 1; i >= 0; --i) {
    const uint32_t form = ring_->post_forms(i);
    if (!layout::Applies(layout_.message().forms(static_cast<int>(form)).features(), choices_)) {
      continue;
    }
    const auto matcher =
        *dataplane::FormMatcher::Compile(layout_.message(), std::span(&form, 1), choices_);
    if (matcher.Match(copy.bytes) == 0) return &layout_.message().forms(static_cast<int>(form));
  }
  return nullptr;
}

const v1::Field* RawRing::Find(std::string_view role, const v1::Form& form) const {
  for (const v1::Field& field : form.fields()) {
    if (field.role() == role && layout::Applies(field.features(), choices_)) return &field;
  }
  return nullptr;
}

bool RawRing::Put(std::string_view role, uint64_t value, uint32_t index) const {
  const v1::Form* form = FormAt(index);
  const v1::Field* field = form == nullptr ? nullptr : Find(role, *form);
  return field != nullptr &&
         FieldAccess::Compile(*field, form->size_bytes())->Store(slot(index), value);
}

std::optional<uint64_t> RawRing::Get(std::string_view role, uint32_t index) const {
  const v1::Form* form = FormAt(index);
  const v1::Field* field = form == nullptr ? nullptr : Find(role, *form);
  if (field == nullptr) return std::nullopt;
  return FieldAccess::Compile(*field, form->size_bytes())->Load(slot(index));
}

std::string RawRing::Escapes(const AddressPair& addresses, uint64_t bytes_without_length) const {
  const std::vector<std::byte> nothing(ring_->slot_bytes());
  for (uint32_t i = 0; i < view_.slot_count; ++i) {
    if (std::memcmp(slot(i), nothing.data(), nothing.size()) == 0) continue;
    const v1::Form* form = FormAt(i);
    if (form == nullptr) return absl::StrCat("slot ", i, ": of no form");
    std::optional<uint64_t> address;
    uint64_t bytes = bytes_without_length;
    for (const v1::Field& field : form->fields()) {
      if (field.role() != "buffer.address" && field.role() != "buffer.length") continue;
      const uint64_t value = FieldAccess::Compile(field, form->size_bytes())->Load(slot(i));
      if (field.role() == "buffer.address") {
        address = value;
      } else {
        bytes = value;
      }
    }
    if (address.has_value() && !addresses.DeviceMayReach(*address, bytes)) {
      return absl::StrCat("slot ", i, ": ", bytes, " bytes at ", absl::Hex(*address));
    }
  }
  return "";
}

RxGuardRig::RxGuardRig(const RxCase& c, uint32_t slots, GuardOptions options)
    : rx_case(c),
      client(c, slots, BufferBytes(c), kRxBuffers),
      real_memory(*c.layout, c.queue, c.choices, slots) {
  const uint64_t half = client.region().bytes().size() / 2;
  addresses.regions = {
      {Region::kIova, half, Region::kIova + kDelta, true},
      {Region::kIova + half, client.region().bytes().size() - half, kOtherDelta + half, true}};
  options.rx_buffer_bytes = BufferBytes(c);
  absl::StatusOr<GuardedQueue> made =
      GuardedQueue::Create(*c.layout, v1::DIRECTION_RECEIVE, client.memory().view(),
                           real_memory.view(), addresses.regions, options);
  EXPECT_TRUE(made.ok()) << made.status();
  guard.emplace(*std::move(made));
  dataplane::RxDeviceOptions device_options;
  device_options.buffer_bytes = BufferBytes(c);
  device_options.memory.context = this;
  device_options.memory.write = [](void* context, Iova to, const std::byte* from, uint32_t bytes) {
    std::byte* at = static_cast<RxGuardRig*>(context)->At(to, bytes);
    if (at != nullptr) std::memcpy(at, from, bytes);
    return at != nullptr;
  };
  absl::StatusOr<dataplane::RxDevice> side =
      dataplane::RxDevice::Create(*c.layout, real_memory.view(), device_options);
  EXPECT_TRUE(side.ok()) << side.status();
  device.emplace(*std::move(side));
}

std::byte* RxGuardRig::At(Iova device_iova, uint64_t bytes) {
  const std::optional<uint64_t> iova = addresses.ToClient(device_iova.value, bytes);
  return iova.has_value() ? client.region().At(Iova(*iova)) : nullptr;
}

bool RxGuardRig::Send(const SentPacket& packet) {
  struct Piece {
    std::byte* at;
    uint32_t bytes;
  };
  std::vector<Piece> pieces;
  const auto bytes = static_cast<uint32_t>(packet.bytes.size());
  for (uint32_t left = bytes; left > 0 || pieces.empty();) {
    PostedBuffer buffer;
    const RingFault fault = device->Fetch(&buffer, pieces.empty(), bytes);
    EXPECT_TRUE(fault == RingFault::kNone || fault == RingFault::kEmpty) << RingFaultText(fault);
    if (fault != RingFault::kNone) {
      device->Unfetch();
      return false;
    }
    const uint32_t prefix = pieces.empty() ? device->PrefixBytes() : 0;
    std::byte* at = At(buffer.address, buffer.bytes);
    if (at == nullptr) {
      ADD_FAILURE() << "the device got a buffer of " << buffer.bytes << " bytes at "
                    << buffer.address.value;
      return false;
    }
    const uint32_t part = std::min(left, buffer.bytes - prefix);
    pieces.push_back({at + prefix, part});
    left -= part;
  }
  const std::byte* from = packet.bytes.data();
  for (size_t i = 0; i < pieces.size(); ++i) {
    std::memcpy(pieces[i].at, from, pieces[i].bytes);
    from += pieces[i].bytes;
    EXPECT_TRUE(device->Complete({pieces[i].bytes, i + 1 == pieces.size(), packet.meta}));
  }
  device->Publish();
  return true;
}

void RxGuardRig::Settle() {
  while (guard->Poll(32).Any()) {
  }
}

TxGuardRig::TxGuardRig(const TxCase& c, uint32_t slots, GuardOptions options,
                       dataplane::TxOptions tx_options)
    : tx_case(c), client(c, slots, tx_options), real_memory(*c.layout, c.queue, c.choices, slots) {
  addresses.regions = {
      {PacketMemory::kIova, PacketMemory::kBytes, PacketMemory::kIova + kDelta, false}};
  absl::StatusOr<GuardedQueue> made =
      GuardedQueue::Create(*c.layout, v1::DIRECTION_TRANSMIT, client.View(), real_memory.view(),
                           addresses.regions, options);
  EXPECT_TRUE(made.ok()) << made.status();
  guard.emplace(*std::move(made));
  dataplane::TxDeviceOptions device_options;
  device_options.memory.context = this;
  device_options.memory.read = [](void* context, Iova from, std::byte* to, uint32_t bytes) {
    auto* self = static_cast<TxGuardRig*>(context);
    const std::optional<uint64_t> iova = self->addresses.ToClient(from.value, bytes);
    if (iova.has_value()) std::memcpy(to, self->client.packets.At(Iova(*iova)), bytes);
    return iova.has_value();
  };
  absl::StatusOr<dataplane::TxDevice> side =
      dataplane::TxDevice::Create(*c.layout, real_memory.view(), device_options);
  EXPECT_TRUE(side.ok()) << side.status();
  device.emplace(*std::move(side));
}

std::vector<dataplane::TxSegment> TxGuardRig::Segments(Random& random, uint32_t segments) {
  while (true) {
    std::vector<dataplane::TxSegment> made =
        dataplane::testing::RandomSegments(client, random, segments);
    uint64_t bytes = 0;
    for (const dataplane::TxSegment& segment : made) bytes += segment.bytes;
    if (bytes >= 200) return made;
  }
}

std::vector<std::byte> TxGuardRig::BytesOf(const dataplane::TxWork& work) {
  std::vector<std::byte> bytes;
  for (const dataplane::TxSegment& segment : work.segments) {
    const std::optional<uint64_t> iova = addresses.ToClient(segment.address.value, segment.bytes);
    if (!iova.has_value()) {
      ADD_FAILURE() << "the device got " << segment.bytes << " bytes at " << segment.address.value;
      return {};
    }
    const std::byte* at = client.packets.At(Iova(*iova));
    bytes.insert(bytes.end(), at, at + segment.bytes);
  }
  return bytes;
}

void TxGuardRig::Settle() {
  while (guard->Poll(32).Any()) {
  }
}

}  // namespace qsplit::guard::testing
