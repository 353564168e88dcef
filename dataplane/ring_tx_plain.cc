#include "dataplane/ring_tx_plain.h"

#include <algorithm>
#include <cstring>

#include "dataplane/ring_tx_driver.h"

namespace qsplit::dataplane {
namespace {

// Whether the field's bits are its value, from 1 on: no scale, no bias, no inversion. Zero may be
// spelt otherwise.
bool BitsAreValue(const FieldAccess& field) {
  const uint64_t most = field.MaxRaw();
  for (const uint64_t value : {uint64_t{1}, uint64_t{2}, most / 2, most}) {
    uint64_t raw = 0;
    if (value == 0 || value > most) continue;
    if (!field.Encode(value, &raw) || raw != value) return false;
  }
  return true;
}

}  // namespace

bool TxPlain::Descriptor::Add(const FieldAccess& field, uint32_t at, Source source) {
  if (!BitsAreValue(field)) return false;
  const std::vector<FieldPart> parts = field.Parts();
  for (FieldPart part : parts) {
    part.offset = static_cast<uint16_t>(part.offset + at);
    part.Put(image.bytes, 0);
    ops.push_back({part, source, parts.size() == 1 && part.place == 0});
  }
  return true;
}

void TxPlain::TakeAll(const TxPost& first, const TxPost* rest, uint64_t alignment,
                      uint64_t most_bytes) {
  limits_.address_not = alignment - 1;
  limits_.most_bytes = std::min<uint64_t>(most_bytes, UINT32_MAX);
  for (const TxPost* post : {&first, rest}) {
    if (post == nullptr) continue;
    limits_.most_bytes = std::min(limits_.most_bytes, post->max_bytes);
    for (const std::vector<TxPost::Place>* places : {&post->own, &post->part}) {
      if (places->empty()) continue;
      limits_.address_not |= ~places->front().address.MaxRaw();
      limits_.most_bytes = std::min(limits_.most_bytes, places->front().length.MaxRaw());
    }
  }
}

bool RingTxDriver::Describe(const Plan& plan, bool has_total, TxPlain* to_plain,
                            Packet* to_packet) const {
  if (plan.first == nullptr || plan.first->max_buffers == 0) return false;
  const TxPost& first = *plan.first;
  TxPlain& plain = *to_plain;
  Packet& packet = *to_packet;
  packet.plan = &plan;
  packet.buffers = program_.prefix_bytes != 0 ? 2 : 1;
  if (!Measure(first, packet.buffers, &packet.descriptors, &packet.slots) ||
      packet.descriptors > TxPlain::kMaxDescriptors) {
    return false;
  }
  static const TxSegment kNothing;
  packet.segments = std::span(&kNothing, 1);
  packet.reporter = ReporterOf(first, packet.descriptors);
  plain.count = packet.descriptors;
  plain.slots = table_ ? 1 : packet.slots;
  plain.reporter = packet.reporter;
  uint64_t most_bytes = program_.max_packet_bytes;
  uint32_t begin = 0;
  for (uint32_t number = 0; number < packet.descriptors; ++number) {
    const TxPost& post = PostOf(packet, number);
    const uint32_t count = std::min(packet.buffers - begin, post.max_buffers);
    const bool is_first = number == 0;
    const bool is_last = number + 1 == packet.descriptors;
    TxPlain::Descriptor& to = plain.descriptors[number];
    to.form = post.ring_form;
    to.bytes = post.Bytes(count);
    to.copy_bytes = (to.bytes + 7) / 8 * 8;
    Fill(packet, post, number, begin, count, to.image.bytes);
    bool all = true;
    for (uint32_t i = 0; i < count; ++i, ++begin) {
      const bool prefix = begin + 1 < packet.buffers;
      uint32_t at = 0;
      const TxPost::Place& place = post.Find(i, &at);
      all = all && to.Add(place.address, at, prefix ? TxPlain::kPrefix : TxPlain::kAddress) &&
            (prefix || to.Add(place.length, at, TxPlain::kBytes));
    }
    if (post.tag.has_value() && SpeaksIn(post.tag->position, is_first, is_last)) {
      all = all && to.Add(post.tag->field, 0, TxPlain::kId);
    }
    if (table_ && !is_last) all = all && to.Add(*post.next_index, 0, TxPlain::kNext);
    if (post.slot_count.has_value()) all = all && to.Add(*post.slot_count, 0, TxPlain::kSlotCount);
    if (const auto& field = post.total_length;
        has_total && field.has_value() && SpeaksIn(field->position, is_first, is_last)) {
      all = all && to.Add(field->field, 0, TxPlain::kBytes);
      most_bytes = std::min(most_bytes, field->field.MaxRaw());
    }
    if (has_report_ && number == packet.reporter && post.report_at.has_value()) {
      all = all && to.Add(post.report_at->field, 0, TxPlain::kReport);
    }
    if (!all) return false;
  }
  plain.TakeAll(first, program_.Rest(), AddressAlignment(), most_bytes);
  return true;
}

bool RingTxDriver::HasTotal(const Plan& plan) const {
  TxPlain unused;
  Packet packet;
  if (plan.first == nullptr || !plan.first->total_length.has_value() ||
      !Describe(plan, false, &unused, &packet)) {
    return false;
  }
  const PacketLengthField& field = *plan.first->total_length;
  return SpeaksIn(field.position, true, packet.descriptors == 1) &&
         field.valid.Holds(unused.descriptors[0].image.bytes);
}

void RingTxDriver::OpenPlain() {
  TxPlain plain;
  Packet packet;
  if (!Describe(plans_.plain(), HasTotal(plans_.plain()), &plain, &packet) ||
      NeedsContextDescriptor(packet)) {
    return;
  }
  plain_owed_ = OwedFor(packet);
  plain_pending_ = EachDescriptorReturns() ? packet.descriptors : 1;
  const TxPost& reporter = PostOf(packet, packet.reporter);
  if (reporter.report_at.has_value()) plain_report_ = &reporter.report_at->field;
  if (IsRight(plain, packet)) plain_packet_ = std::move(plain);
}

bool RingTxDriver::IsRight(const TxPlain& plain, Packet packet) const {
  constexpr uint64_t kAddresses[] = {0, 0x0123456789abcdef, ~uint64_t{0}};
  const uint64_t most = plain.limits().most_bytes;
  for (uint32_t probe = 0; probe < 3; ++probe) {
    const bool even = probe % 2 == 0;
    const TxSegment segment{Iova(kAddresses[probe] & ~plain.limits().address_not),
                            static_cast<uint32_t>(probe == 0 ? 1
                                                  : even     ? most
                                                             : most / 2 + 1),
                            nullptr};
    packet.segments = std::span(&segment, 1);
    packet.total = segment.bytes;
    packet.id = even ? ledger_.NextId() : 0;
    packet.report = !even;
    const TxPlain::Values values =
        PlainValues(segment.address.value, segment.bytes, packet.id, packet.report);
    uint32_t begin = 0;
    for (uint32_t number = 0; number < packet.descriptors; ++number) {
      const TxPost& post = PostOf(packet, number);
      const uint32_t count = std::min(packet.buffers - begin, post.max_buffers);
      DescriptorBytes general;
      DescriptorBytes ours;
      Fill(packet, post, number, begin, count, general.bytes);
      plain.descriptors[number].Fill(values, ours.bytes);
      if (std::memcmp(general.bytes, ours.bytes, plain.descriptors[number].bytes) != 0)
        return false;
      begin += count;
    }
  }
  return true;
}

TxLedger::Packet& RingTxDriver::AddPlain(uint32_t cookie, bool report) {
  TxLedger::Packet& record = ledger_.Append();
  record.cookie = cookie;
  record.slots = plain_packet_.slots;
  record.pending = plain_pending_;
  record.owed = report ? plain_owed_ : 0;
  record.reported = report;
  owed_ += record.owed;
  return record;
}

void RingTxDriver::WritePlain(uint64_t address, uint32_t bytes, uint32_t cookie) {
  const uint32_t id = ledger_.NextId();
  const bool report = TakeReport(plain_packet_.slots);
  if (program_.prefix_bytes != 0) WritePrefixes(plans_.plain(), &id + 1, 1);
  TxPlain::Values values = PlainValues(address, bytes, id, report);
  const RingCursor& at = posts_->position();
  TxLedger::Packet& record = AddPlain(cookie, report);
  record.first = at.index();
  record.begin_count = at.count();
  if (table_) {
    WritePlainChain(values, &record);
  } else {
    WritePlainRing(values, id, &record);
  }
  record.end_count = at.count();
  if (rings_.key == v1::COMPLETION_KEY_INDEX && !NamesPositions()) {
    ledger_.SetSlots(id, record.first, record.slots);
  }
  if (rings_.how == TxReturn::kAddress) addresses_.Add({address, AddressLedger::kFirstId + id, 0});
}

void RingTxDriver::WritePlainChain(TxPlain::Values& values, TxLedger::Packet* record) {
  const TxPlain& plain = plain_packet_;
  DescriptorBytes image;
  uint32_t slot = table_->Allocate();
  record->first = slot;
  for (uint32_t number = 0; number < plain.count; ++number) {
    const uint32_t next = number + 1 == plain.count ? TableWriter::kNone : table_->Allocate();
    values[TxPlain::kNext] = next;
    plain.descriptors[number].Fill(values, image.bytes);
    table_->Write(slot, plain.descriptors[number].form, image.bytes);
    table_next_[slot] = next;
    slot = next;
  }
  chain_head_.Store(chain_image_.bytes, record->first);
  record->last_count = posts_->position().count();
  posts_->Write(0, chain_image_.bytes);
}

void RingTxDriver::WritePlainRing(TxPlain::Values& values, uint32_t id, TxLedger::Packet* record) {
  const TxPlain& plain = plain_packet_;
  const RingCursor& at = posts_->position();
  const bool report = values[TxPlain::kReport] != 0;
  DescriptorBytes image;
  for (uint32_t number = 0; number < plain.count; ++number) {
    const TxPlain::Descriptor& descriptor = plain.descriptors[number];
    const bool reports = has_report_ && number == plain.reporter;
    std::byte* const to = reports ? unreported_.image.bytes : image.bytes;
    values[TxPlain::kSlotCount] = record->last_count = at.count();
    descriptor.Fill(values, to);
    if (reports) {
      unreported_.field = report ? nullptr : plain_report_;
      if (!report) {
        unreported_.at = at;
        unreported_.form = descriptor.form;
        unreported_.bytes = descriptor.bytes;
        unreported_.id = id;
      }
    }
    posts_->Write(descriptor.form, to, descriptor.bytes);
  }
}

uint32_t RingTxDriver::PushPlain(std::span<const TxPacket> packets) {
  if (plain_packet_.count == 0) return 0;
  easy_ = 0;
  const uint32_t room = PlainRoom(static_cast<uint32_t>(packets.size()));
  const TxPlain::Limits limits = plain_packet_.limits();
  uint32_t n = 0;
  for (; n < room && limits.Allow(packets[n].address.value, packets[n].bytes); ++n) {
    WritePlain(packets[n].address.value, packets[n].bytes, packets[n].cookie);
  }
  return n;
}

}  // namespace qsplit::dataplane
