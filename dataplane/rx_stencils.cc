#include "dataplane/rx_stencils.h"

#include <algorithm>
#include <bit>

namespace qsplit::dataplane {
namespace {

void Mark(const FieldAccess& field, DescriptorBytes* bits) {
  field.StoreRaw(bits->bytes, field.MaxRaw());
}

}  // namespace

void RxProgram::MarkDeciding(const RxMetadata& meta, DescriptorBytes* bits) const {
  for (const Valued& length : lengths_) length.valid.MarkBits(bits->bytes);
  for (const FieldStore& store : validate_length_) Mark(store.field, bits);
  for (const auto* ops : {&flags_, &numbers_}) {
    for (const Op& op : *ops) {
      op.valid.MarkBits(bits->bytes);
      for (const FieldStore& store : op.validate) Mark(store.field, bits);
      uint64_t unused;
      const bool is_hole = op.kind == Kind::kHash || op.kind == Kind::kTimestamp;
      if (op.kind < Kind::kFlags || (!is_hole && NumberOf(op, meta, &unused))) {
        Mark(op.field, bits);
      }
    }
  }
  if (has_offset_) Mark(offset_, bits);
  if (has_first_) Mark(first_, bits);
  last_.MarkBits(bits->bytes);
}

std::optional<const FieldAccess*> RxProgram::FindHole(Kind kind, const RxMetadata& zero,
                                                      const RxMetadata& ones,
                                                      DescriptorBytes* taken) const {
  DescriptorBytes without{}, with{};
  if (!Encode(0, 0, true, true, zero, without.bytes)) return std::nullopt;
  if (!Encode(0, 0, true, true, ones, with.bytes)) return std::nullopt;
  for (uint32_t i = 0; i < copy_bytes_; ++i) with.bytes[i] ^= without.bytes[i];
  const auto same = [&](const DescriptorBytes& bits) {
    return std::equal(bits.bytes, bits.bytes + copy_bytes_, with.bytes);
  };
  if (same(DescriptorBytes{})) return nullptr;
  for (const Op& op : numbers_) {
    if (op.kind != kind) continue;
    DescriptorBytes bits{};
    Mark(op.field, &bits);
    if (!same(bits)) continue;
    if (Overlap(bits, *taken, copy_bytes_)) return std::nullopt;
    Mark(op.field, taken);
    return &op.field;
  }
  return std::nullopt;
}

std::optional<RxHoles> RxProgram::FindHoles(const RxMetadata& meta) const {
  RxHoles holes;
  DescriptorBytes taken{};
  MarkDeciding(meta, &taken);
  DescriptorBytes length{};
  if (!lengths_.empty()) Mark(lengths_.front().field, &length);
  for (const FieldAccess& wire : wire_lengths_) Mark(wire, &length);
  if (Overlap(length, taken, copy_bytes_)) return std::nullopt;
  if (!lengths_.empty()) Mark(lengths_.front().field, &taken);
  for (const FieldAccess& wire : wire_lengths_) Mark(wire, &taken);
  holes.length = lengths_.empty() ? nullptr : &lengths_.front().field;
  holes.wire_lengths = wire_lengths_;

  RxMetadata zero = meta;
  zero.hash = 0;
  zero.timestamp = 0;
  RxMetadata ones = zero;
  ones.hash = ~uint32_t{0};
  const auto hash = FindHole(Kind::kHash, zero, ones, &taken);
  ones = zero;
  ones.timestamp = ~uint64_t{0};
  const auto timestamp = FindHole(Kind::kTimestamp, zero, ones, &taken);
  if (!hash.has_value() || !timestamp.has_value()) return std::nullopt;
  holes.hash = *hash;
  holes.timestamp = *timestamp;
  return holes;
}

RxStencils::Stencil::Hole::Hole(const FieldAccess* f) : field(f) {
  const FieldPart* const part = f == nullptr ? nullptr : f->OnlyPart();
  if (part == nullptr) return;
  const uint32_t first_bit = part->offset * 8u + part->shift;
  const uint32_t bits = static_cast<uint32_t>(std::bit_width(part->mask));
  if (first_bit % 64 + bits > 64) return;
  in_word = true;
  word = first_bit / 64;
  shift = first_bit % 64;
  max = part->mask;
}

void RxStencils::SetTime(uint64_t timestamp, Stencil* stencil) {
  auto* const bytes = reinterpret_cast<std::byte*>(stencil->words_.data());
  const FieldAccess& field = *stencil->timestamp_field_;
  if (!field.Store(bytes, timestamp)) field.StoreRaw(bytes, timestamp & field.MaxRaw());
  stencil->timestamp_ = timestamp;
}

void RxStencils::Learn(const RxProgram& program, const RxMetadata& meta) {
  // Two kinds that take turns in one place would cost more than they save.
  const uint64_t what = WhatOf(meta);
  const uint64_t numbers = NumbersOf(meta);
  if (missed_what_ != what || missed_numbers_ != numbers) {
    missed_what_ = what;
    missed_numbers_ = numbers;
    return;
  }
  constexpr RxFields kOtherNumbers = RxField::kChecksumValue | RxField::kSegment;
  if ((meta.present & kOtherNumbers).bits != 0 || program.EncodedBytes() > kMaxBytes) return;
  const std::optional<RxHoles> holes = program.FindHoles(meta);
  if (!holes.has_value()) return;
  DescriptorBytes whole{};
  if (!program.Encode(0, 0, true, true, meta, whole.bytes)) return;
  for (const FieldAccess* hole : {holes->length, holes->hash}) {
    if (hole != nullptr) hole->StoreRaw(whole.bytes, 0);
  }
  Stencil& stencil = stencils_[PlaceOf(meta)];
  stencil.program_ = &program;
  stencil.what_ = what;
  stencil.numbers_ = numbers;
  stencil.length_ = Stencil::Hole(holes->length);
  stencil.hash_ = Stencil::Hole(holes->hash);
  stencil.wire_lengths_ = holes->wire_lengths;
  stencil.word_count_ = program.EncodedBytes() / 8;
  stencil.is_pair_ = stencil.word_count_ == 2 && stencil.length_.in_word &&
                     (stencil.hash_.in_word || stencil.hash_.field == nullptr) &&
                     stencil.wire_lengths_.empty();
  std::memcpy(stencil.words_.data(), whole.bytes, program.EncodedBytes());
  stencil.timestamp_field_ = holes->timestamp;
  stencil.timestamp_ = meta.timestamp;
}

}  // namespace qsplit::dataplane
