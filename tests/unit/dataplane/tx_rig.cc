#include "tests/unit/dataplane/tx_rig.h"

#include <algorithm>
#include <cstring>
#include <ostream>

namespace qsplit::dataplane::testing {

std::vector<TxCase> AllTxCases() {
  std::vector<TxCase> cases;
  for (const NamedLayout& named : ShippedLayouts()) {
    const v1::Layout& message = named.layout->message();
    for (int queue = 0; queue < message.queues_size(); ++queue) {
      if (message.queues(queue).direction() != v1::DIRECTION_TRANSMIT) continue;
      ForEachChoice(message, 64, [&](const FeatureChoices& choices, const std::string& chosen) {
        TxCase made{named.name + "_" + chosen, named.layout, choices, static_cast<uint32_t>(queue)};
        std::replace_if(
            made.name.begin(), made.name.end(), [](char c) { return !std::isalnum(c); }, '_');
        cases.push_back(std::move(made));
      });
    }
  }
  return cases;
}

void PrintTo(const TxCase& tx_case, std::ostream* os) { *os << tx_case.name; }

PacketMemory::PacketMemory() {
  static const std::vector<std::byte> kPattern = [] {
    std::vector<std::byte> pattern(kBytes);
    for (size_t i = 0; i < kBytes; ++i) pattern[i] = static_cast<std::byte>(i * 7 + i / 251);
    return pattern;
  }();
  bytes_ = kPattern;
}

DeviceMemory PacketMemory::memory() {
  DeviceMemory memory;
  memory.context = this;
  memory.read = [](void* context, Iova from, std::byte* to, uint32_t bytes) {
    auto* self = static_cast<PacketMemory*>(context);
    if (!self->Holds(from, bytes)) return false;
    std::memcpy(to, self->At(from), bytes);
    return true;
  };
  memory.write = [](void* context, Iova to, const std::byte* from, uint32_t bytes) {
    auto* self = static_cast<PacketMemory*>(context);
    if (!self->Holds(to, bytes)) return false;
    std::memcpy(self->At(to), from, bytes);
    return true;
  };
  return memory;
}

TxRig::TxRig(const TxCase& tx_case, uint32_t slots, TxOptions options)
    : rings(*tx_case.layout, tx_case.queue, tx_case.choices, slots), view(rings.view()) {
  view.scratch_bytes = TxDriver::ScratchBytes(*tx_case.layout, view);
  if (view.scratch_bytes != 0) {
    view.scratch = packets.bytes().data();
    view.scratch_iova = Iova(PacketMemory::kIova);
  }
  packets_begin = (view.scratch_bytes + 4095) / 4096 * 4096;
  absl::StatusOr<TxDriver> made_driver = TxDriver::Create(*tx_case.layout, view, options);
  status = made_driver.status();
  if (!status.ok()) return;
  TxDeviceOptions device_options;
  device_options.memory = packets.memory();
  device_options.access = options.access;
  absl::StatusOr<TxDevice> made_device = TxDevice::Create(*tx_case.layout, view, device_options);
  status = made_device.status();
  if (!status.ok()) return;
  driver = std::make_unique<TxDriver>(*std::move(made_driver));
  device = std::make_unique<TxDevice>(*std::move(made_device));
}

std::vector<uint32_t> TxRig::ReclaimAll() {
  std::vector<uint32_t> all;
  uint32_t cookies[16];
  while (const uint32_t count = driver->Reclaim(cookies)) {
    all.insert(all.end(), cookies, cookies + count);
  }
  return all;
}

std::vector<TxSegment> RandomSegments(TxRig& rig, Random& random, uint32_t segments) {
  std::vector<TxSegment> made;
  const uint64_t alignment = rig.driver->AddressAlignment();
  // Descriptors that say a packet's whole length have 16 bits for it at least.
  const uint32_t total = rig.driver->NeedsMemory() ? 1900 : 60000;
  const uint32_t most = std::min(1500u, total / segments);
  for (uint32_t i = 0; i < segments; ++i) {
    TxSegment segment;
    segment.bytes = 1 + random() % most;
    if (segments == 1) segment.bytes = std::max(segment.bytes, 200u);
    const uint64_t room = PacketMemory::kBytes - rig.packets_begin - 4096;
    uint64_t offset = random.Wide() % room / alignment * alignment;
    // Where requests stand in front of the bytes, segments are apart.
    if (const uint32_t before = rig.driver->BytesBefore(); before != 0) {
      constexpr uint64_t kApart = 1600;
      offset = (rig.next_segment + i) % (room / kApart) * kApart + before + random() % 64;
    }
    segment.address = Iova(PacketMemory::kIova + rig.packets_begin + offset);
    if (rig.driver->NeedsMemory() || rig.driver->BytesBefore() != 0) {
      segment.memory = rig.packets.At(segment.address);
    }
    made.push_back(segment);
  }
  // What the driver will not take leaves its place to the next.
  if (rig.driver->Room() >= segments) rig.next_segment += segments;
  return made;
}

TxRequest RandomRequest(const TxRig& rig, Random& random) {
  TxRequest in;
  in.wants = TxFeatures(random()) & rig.driver->Features();
  in.wants.bits &= ~TxFeatures(TxFeature::kScatter).bits;
  in.l3 = random() % 2 ? L3Kind::kIp4 : L3Kind::kIp6;
  if (in.wants.Has(TxFeature::kL3Checksum)) in.l3 = L3Kind::kIp4;
  constexpr L4Kind kKinds[] = {L4Kind::kTcp, L4Kind::kUdp, L4Kind::kSctp};
  in.l4 = kKinds[random() % 3];
  if (in.wants.Has(TxFeature::kSegment)) in.l4 = L4Kind::kTcp;
  in.l2_header_bytes = random() % 2 ? 14 : 18;
  in.l3_header_bytes = in.l3 == L3Kind::kIp4 ? 20 : 40;
  in.l4_header_bytes = 20;
  in.vlan_tci = static_cast<uint16_t>(random());
  in.segment_bytes = 1448;
  return in;
}

std::string Difference(const TxRequest& in, const TxRequest& out) {
  // What a layout says in another way, or not at all, a device finds in the packet.
  const auto told = [](uint32_t is, uint32_t should) { return is == 0 || is == should; };
  const bool segment = in.wants.Has(TxFeature::kSegment);
  // The checksums of what is cut go without saying.
  const TxFeatures implied =
      segment ? TxFeature::kL3Checksum | TxFeature::kL4Checksum : TxFeatures();
  if (((out.wants | implied) & in.wants) != in.wants) return "wants less";
  if (!segment && out.wants != in.wants) return "wants more";
  if (in.wants.Has(TxFeature::kVlanInsert) && out.vlan_tci != in.vlan_tci) return "tag";
  if (segment && out.segment_bytes != in.segment_bytes) return "segment size";
  const uint32_t l3 = in.l2_header_bytes;
  const uint32_t l4 = l3 + in.l3_header_bytes;
  if (in.wants.Has(TxFeature::kL3Checksum) &&
      (!told(out.l3_checksum_start, l3) || !told(out.l3_checksum_at, l3 + 10))) {
    return "network checksum";
  }
  const uint32_t at = in.l4 == L4Kind::kTcp ? 16 : in.l4 == L4Kind::kUdp ? 6 : 8;
  if (in.wants.Has(TxFeature::kL4Checksum) &&
      (!told(out.l4_checksum_start, l4) || !told(out.l4_checksum_at, l4 + at))) {
    return "transport checksum";
  }
  if (segment && (!told(out.l2_header_bytes, in.l2_header_bytes) ||
                  !told(out.l3_header_bytes, in.l3_header_bytes) ||
                  !told(out.l4_header_bytes, in.l4_header_bytes))) {
    return "header lengths";
  }
  return "";
}

std::vector<std::byte> BytesOf(TxRig& rig, const std::vector<TxSegment>& segments) {
  std::vector<std::byte> bytes;
  for (const TxSegment& segment : segments) {
    if (!rig.packets.Holds(segment.address, segment.bytes)) return {};
    const std::byte* at = rig.packets.At(segment.address);
    bytes.insert(bytes.end(), at, at + segment.bytes);
  }
  return bytes;
}

std::vector<std::byte> BytesOf(TxRig& rig, const TxWork& work) {
  std::vector<std::byte> bytes(work.inline_bytes.begin(), work.inline_bytes.end());
  const std::vector<std::byte> rest =
      BytesOf(rig, std::vector<TxSegment>(work.segments.begin(), work.segments.end()));
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  return bytes;
}

}  // namespace qsplit::dataplane::testing
