#include "tests/unit/dataplane/rx_pair.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace qsplit::dataplane::testing {

bool RxCase::HasRole(std::string_view role) const {
  for (const v1::Form& form : layout->message().forms()) {
    for (const v1::Field& field : form.fields()) {
      if (field.role() == role) return true;
    }
  }
  return false;
}

std::vector<RxCase> AllRxCases() {
  std::vector<RxCase> cases;
  for (const auto& entry : std::filesystem::directory_iterator(QSPLIT_LAYOUT_DIR)) {
    if (entry.path().extension() != ".layout") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    absl::StatusOr<layout::VerifiedLayout> layout = layout::VerifiedLayout::FromBytes(bytes);
    if (!layout.ok()) {
      std::cerr << entry.path() << ": " << layout.status() << "\n";
      std::abort();
    }
    const auto shared = std::make_shared<const layout::VerifiedLayout>(*layout);
    for (int queue = 0; queue < shared->message().queues_size(); ++queue) {
      if (shared->message().queues(queue).direction() != v1::DIRECTION_RECEIVE) continue;
      ForEachChoice(shared->message(), 64,
                    [&](const FeatureChoices& choices, const std::string& choice_name) {
                      RxCase c{shared->name() + "_" + choice_name, shared,
                               static_cast<uint32_t>(queue), choices};
                      while (!std::isalnum(c.name.back())) c.name.pop_back();
                      std::replace_if(
                          c.name.begin(), c.name.end(), [](char ch) { return !std::isalnum(ch); },
                          '_');
                      cases.push_back(c);
                    });
    }
  }
  std::sort(cases.begin(), cases.end(),
            [](const RxCase& a, const RxCase& b) { return a.name < b.name; });
  return cases;
}

void PrintTo(const RxCase& c, std::ostream* os) { *os << c.name; }

uint32_t BufferBytesFrom(const RxCase& c, uint32_t least) {
  const v1::BufferRange& range =
      c.layout->message().queues(static_cast<int>(c.queue)).limits().buffer();
  if (range.max_bytes() == 0) return least;
  const uint32_t step = std::max(range.step_bytes(), 1u);
  uint32_t best = range.min_bytes();
  for (uint32_t bytes = best; best < least && bytes <= range.max_bytes(); bytes += step) {
    if (!range.power_of_two() || (bytes & (bytes - 1)) == 0) best = bytes;
  }
  return best;
}

RxPair::RxPair(const RxCase& c, uint32_t slots, uint32_t buffer_bytes, uint32_t buffers,
               uint32_t packet_bytes, RxFields wanted, AccessMode access)
    : case_(c),
      memory_(*c.layout, c.queue, c.choices, slots),
      buffer_bytes_(buffer_bytes),
      // Where addresses are of any byte in a buffer, or count pages, buffers are apart like that.
      stride_((buffer_bytes + 2047) / 2048 * 2048),
      region_(size_t{stride_} * buffers),
      posted_(buffers) {
  absl::StatusOr<RxDriver> driver =
      RxDriver::Create(*c.layout, memory_.view(), {wanted, buffer_bytes, packet_bytes});
  absl::StatusOr<RxDevice> device =
      RxDevice::Create(*c.layout, memory_.view(), {buffer_bytes, region_.memory(), access});
  if (!driver.ok() || !device.ok()) {
    std::cerr << c.name << ": " << driver.status() << "; " << device.status() << "\n";
    std::abort();
  }
  driver_ = std::make_unique<RxDriver>(*std::move(driver));
  device_ = std::make_unique<RxDevice>(*std::move(device));
  for (uint32_t i = buffers; i > 0; --i) free_.push_back(i - 1);
}

RxBuffer RxPair::Buffer(uint32_t number) {
  const size_t offset = size_t{number} * stride_;
  return {Iova(Region::kIova + offset), buffer_bytes_, number, region_.bytes().data() + offset};
}

uint32_t RxPair::Post(uint32_t most) {
  uint32_t done = 0;
  for (; done < most && !free_.empty(); ++done) {
    const uint32_t buffer = free_.back();
    const RxBuffer one = Buffer(buffer);
    if (driver_->Post(std::span(&one, 1)) == 0) break;
    free_.pop_back();
    posted_[buffer] = true;
    ++posted_count_;
  }
  return done;
}

RingFault RxPair::Fetch(uint32_t bytes, std::vector<Piece>* pieces) {
  for (uint32_t left = bytes; left > 0 || pieces->empty();) {
    PostedBuffer buffer;
    const RingFault fault = device_->Fetch(&buffer, pieces->empty(), bytes);
    if (fault != RingFault::kNone) {
      device_->Unfetch();
      return fault;
    }
    const uint32_t prefix = pieces->empty() ? device_->PrefixBytes() : 0;
    std::byte* at = buffer.memory;
    if (at == nullptr) {
      if (!region_.Holds(buffer.address, buffer.bytes) || buffer.bytes <= prefix) {
        device_->Unfetch();
        return RingFault::kBufferLength;
      }
      at = region_.At(buffer.address);
    }
    const uint32_t part = std::min(left, buffer.bytes - prefix);
    pieces->push_back({at + prefix, part});
    left -= part;
  }
  return RingFault::kNone;
}

void RxPair::Complete(const SentPacket& packet, const std::vector<Piece>& pieces) {
  const std::byte* from = packet.bytes.data();
  for (size_t i = 0; i < pieces.size(); ++i) {
    std::memcpy(pieces[i].at, from, pieces[i].bytes);
    from += pieces[i].bytes;
    RxResult result;
    result.length = pieces[i].bytes;
    result.last = i + 1 == pieces.size();
    result.meta = packet.meta;
    EXPECT_TRUE(device_->Complete(result));
  }
  EXPECT_EQ(device_->Fetched(), 0u);
}

bool RxPair::Send(const SentPacket& packet) {
  std::vector<Piece> pieces;
  const RingFault fault = Fetch(static_cast<uint32_t>(packet.bytes.size()), &pieces);
  EXPECT_TRUE(fault == RingFault::kNone || fault == RingFault::kEmpty)
      << case_.name << ": " << RingFaultText(fault);
  if (fault != RingFault::kNone) return false;
  Complete(packet, pieces);
  return true;
}

void RxPair::SendIfPossible(const SentPacket& packet) {
  std::vector<Piece> pieces;
  const RingFault fault = Fetch(static_cast<uint32_t>(packet.bytes.size()), &pieces);
  if (fault == RingFault::kNone) Complete(packet, pieces);
}

bool RxPair::Lose(const SentPacket& packet) {
  std::vector<Piece> pieces;
  if (Fetch(static_cast<uint32_t>(packet.bytes.size()), &pieces) != RingFault::kNone) return false;
  for (size_t i = 0; i < pieces.size(); ++i) device_->Skip();
  EXPECT_EQ(device_->Fetched(), 0u);
  return true;
}

namespace {

void Merge(const RxMetadata& from, RxMetadata* to) {
  const RxFields fresh(from.present.bits & ~to->present.bits);
  if (fresh.Has(RxField::kHash)) to->hash = from.hash;
  if (fresh.Has(RxField::kHashType)) to->hash_type = from.hash_type;
  if (fresh.Has(RxField::kVlanTci)) to->vlan_tci = from.vlan_tci;
  if (fresh.Has(RxField::kL3Checksum)) to->l3_checksum = from.l3_checksum;
  if (fresh.Has(RxField::kL4Checksum)) to->l4_checksum = from.l4_checksum;
  if (fresh.Has(RxField::kL3Kind)) to->l3 = from.l3;
  if (fresh.Has(RxField::kL4Kind)) to->l4 = from.l4;
  if (fresh.Has(RxField::kTimestamp)) to->timestamp = from.timestamp;
  if (fresh.Has(RxField::kQueue)) to->queue = from.queue;
  if (fresh.Has(RxField::kMark)) to->mark = from.mark;
  if (fresh.Has(RxField::kChecksumValue)) to->checksum = from.checksum;
  if (fresh.Has(RxField::kSegment)) {
    to->segment = from.segment;
    to->segment_bytes = from.segment_bytes;
  }
  to->error = to->error || from.error;
  to->present |= fresh;
}

}  // namespace

uint32_t RxPair::Poll(uint32_t most) {
  std::vector<RxCompletion> done(most);
  const uint32_t count = driver_->Poll(done);
  EXPECT_LE(count, most);
  for (uint32_t i = 0; i < count; ++i) {
    const RxCompletion& c = done[i];
    if (c.cookie >= posted_.size() || !posted_[c.cookie]) {
      ADD_FAILURE() << case_.name << ": cookie " << c.cookie << " was not posted";
      return count;
    }
    posted_[c.cookie] = false;
    --posted_count_;
    free_.push_back(c.cookie);
    EXPECT_LE(uint64_t{c.offset} + c.length, buffer_bytes_);
    EXPECT_EQ(c.first, !in_packet_);
    if (c.first) coming_ = GotPacket();
    const std::byte* at = region_.bytes().data() + size_t{c.cookie} * stride_ + c.offset;
    coming_.bytes.insert(coming_.bytes.end(), at, at + c.length);
    ++coming_.buffers;
    RxMetadata meta = c.meta;
    Merge(coming_.meta, &meta);
    coming_.meta = meta;
    in_packet_ = !c.last;
    if (c.last) got.push_back(std::move(coming_));
  }
  return count;
}

SentPacket MakePacket(uint32_t number, uint32_t bytes) {
  SentPacket packet;
  packet.bytes.resize(bytes);
  uint32_t state = number * 2654435761u + 1;
  for (std::byte& byte : packet.bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<std::byte>(state >> 24);
  }
  return packet;
}

RxMetadata MakeMetadata(const RxCase& c, RxFields can, Random* random_source) {
  Random& random = *random_source;
  RxMetadata in;
  in.present = RxFields(random()) & can;
  constexpr HashType kTypes[] = {HashType::kIp4, HashType::kTcp4, HashType::kIp6, HashType::kTcp6};
  // A hash and its type come together.
  if (in.present.Has(RxField::kHash) != in.present.Has(RxField::kHashType)) {
    in.present.bits &= ~(RxField::kHash | RxField::kHashType).bits;
    if (!can.Has(RxField::kHashType) && random() % 2 != 0) in.present |= RxField::kHash;
  }
  // So do the layers, where one code names both.
  if (c.HasRole("packet.kind") &&
      in.present.Has(RxField::kL3Kind) != in.present.Has(RxField::kL4Kind)) {
    in.present.bits &= ~(RxField::kL3Kind | RxField::kL4Kind).bits;
  }
  if (in.present.Has(RxField::kHash)) in.hash = random() | 1;
  if (in.present.Has(RxField::kHashType)) in.hash_type = kTypes[random() % 4];
  if (in.present.Has(RxField::kVlanTci)) in.vlan_tci = static_cast<uint16_t>(random());
  if (in.present.Has(RxField::kL3Checksum)) in.l3_checksum = ChecksumState(random() % 3);
  if (in.present.Has(RxField::kL4Checksum)) in.l4_checksum = ChecksumState(random() % 3);
  if (in.present.Has(RxField::kL3Kind)) in.l3 = random() % 2 ? L3Kind::kIp4 : L3Kind::kIp6;
  constexpr L4Kind kKinds[] = {L4Kind::kTcp, L4Kind::kUdp,      L4Kind::kTcp,
                               L4Kind::kUdp, L4Kind::kFragment, L4Kind::kOther};
  if (in.present.Has(RxField::kL4Kind)) in.l4 = kKinds[random() % 6];
  // Nobody checks what is not there.
  if (in.l4 == L4Kind::kFragment || in.l4 == L4Kind::kOther) {
    in.l4_checksum = ChecksumState::kUnknown;
  }
  if (in.present.Has(RxField::kTimestamp)) in.timestamp = random();
  if (in.present.Has(RxField::kError)) in.error = random() % 4 == 0;
  if (in.present.Has(RxField::kMark)) in.mark = 1 + random() % 65535;
  if (in.present.Has(RxField::kQueue)) in.queue = 3;
  if (in.present.Has(RxField::kChecksumValue)) in.checksum = static_cast<uint16_t>(random() | 1);
  if (in.present.Has(RxField::kSegment)) {
    in.segment = in.l3 == L3Kind::kIp6 ? SegmentKind::kTcp6 : SegmentKind::kTcp4;
    in.segment_bytes = static_cast<uint16_t>(1 + random() % 9000);
  }
  return in;
}

std::string Differs(const RxCase& c, const RxMetadata& in, const RxMetadata& out,
                    RxFields* through) {
  std::string wrong;
  const auto same = [&](RxField field, auto was, auto is, bool when_absent) {
    const bool said = in.present.Has(field);
    if (said && out.present.Has(field) && was == is && was != decltype(was){}) *through |= field;
    if (!out.present.Has(field) || (!said && !when_absent) || was == is) return;
    wrong += absl::StrCat(" field ", absl::Hex(static_cast<uint32_t>(field)), ": ",
                          static_cast<uint64_t>(was), " became ", static_cast<uint64_t>(is));
  };
  same(RxField::kHash, in.hash, out.hash, true);
  same(RxField::kHashType, in.hash_type, out.hash_type, false);
  same(RxField::kVlanTci, in.vlan_tci, out.vlan_tci, true);
  same(RxField::kL3Kind, in.l3, out.l3, false);
  // A layout may have no word for fragments.
  const bool unnamed = in.l4 == L4Kind::kFragment && out.l4 == L4Kind::kOther;
  same(RxField::kL4Kind, in.l4, unnamed ? in.l4 : out.l4, false);
  same(RxField::kTimestamp, in.timestamp, out.timestamp, true);
  same(RxField::kError, in.error, out.error, true);
  same(RxField::kQueue, in.queue, out.queue, false);
  same(RxField::kMark, in.mark, out.mark, true);
  same(RxField::kChecksumValue, in.checksum, out.checksum, true);
  same(RxField::kSegment, in.segment, out.segment, true);
  if (out.present.Has(RxField::kSegment)) {
    same(RxField::kSegment, in.segment_bytes, out.segment_bytes, true);
  }
  // A verdict is that which was given, or none: one bit may have to speak of both checksums.
  const bool no_l3 = in.present.Has(RxField::kL3Kind) && in.l3 != L3Kind::kIp4;
  if (out.l3_checksum != ChecksumState::kUnknown &&
      !(c.HasRole("checksum.checked") && (no_l3 || !in.present.Has(RxField::kL3Checksum)))) {
    same(RxField::kL3Checksum, in.l3_checksum, out.l3_checksum, true);
  }
  const bool no_l4 =
      in.present.Has(RxField::kL4Kind) && in.l4 != L4Kind::kTcp && in.l4 != L4Kind::kUdp;
  if (out.l4_checksum != ChecksumState::kUnknown && !(c.HasRole("checksum.checked") && no_l4)) {
    same(RxField::kL4Checksum, in.l4_checksum, out.l4_checksum, true);
  }
  return wrong;
}

}  // namespace qsplit::dataplane::testing
