#include "daemon/guard/tx_packet_check.h"

#include <algorithm>

namespace qsplit::guard {

using dataplane::RingFault;
using dataplane::TxFeature;
using dataplane::TxRequest;

namespace {

// The smaller of two limits of which 0 is none.
uint64_t Limit(uint64_t a, uint64_t b) {
  return std::min(a == 0 ? UINT64_MAX : a, b == 0 ? UINT64_MAX : b);
}

}  // namespace

absl::StatusOr<TxPacketCheck> TxPacketCheck::Compile(const dataplane::InPlaceShape& shape,
                                                     const GuardOptions& options) {
  TxPacketCheck check;
  absl::StatusOr<dataplane::TxProgram> program = dataplane::TxProgram::Compile(shape);
  if (!program.ok()) return program.status();
  check.program_ = *std::move(program);
  check.contexts_ = dataplane::TxContextMemory(check.program_);
  for (const dataplane::TxDataForm& form : check.program_.data) {
    check.says_total_ = check.says_total_ || form.total_length.has_value();
  }
  const v1::Limits& limits = shape.queue->limits();
  check.min_bytes_ = limits.min_bytes_per_packet();
  check.max_bytes_ = Limit(limits.max_bytes_per_packet(), options.max_packet_bytes);
  check.max_segmented_bytes_ = Limit(limits.max_bytes_per_packet(), options.max_segmented_bytes);
  check.min_segment_bytes_ = options.min_segment_bytes;
  return check;
}

bool TxPacketCheck::TakeContext(size_t context, const std::byte* copy) {
  if (contexts_.Take(program_, context, copy) != RingFault::kNone) return false;
  // Of one that holds until the next comes.
  const dataplane::TxContextForm& form = program_.contexts[context];
  if (form.lifetime != v1::CONTEXT_LIFETIME_INDEXED) {
    context_payload_ = Said(form.payload_length, true, copy);
  }
  return true;
}

bool TxPacketCheck::Begin(size_t form, bool last, bool asks, const std::byte* copy) {
  begun_ = true;
  bytes_ = 0;
  asks_ = asks;
  total_bytes_ = Said(program_.data[form].total_length, last, copy);
  if (!asks) return true;
  payload_bytes_ = Said(program_.data[form].payload_length, last, copy);
  draft_ = {};
  return contexts_.Use(program_, program_.data[form], copy, &draft_) == RingFault::kNone;
}

bool TxPacketCheck::End() {
  begun_ = false;
  if (!IsOrUnsaid(total_bytes_, bytes_) || bytes_ < min_bytes_) return false;
  return asks_ ? RequestFits() : bytes_ <= max_bytes_;
}

bool TxPacketCheck::RequestFits() const {
  TxRequest request;
  if (!FinishRequest(draft_, &request)) return false;
  const bool cuts = request.wants.Has(TxFeature::kSegment);
  if (bytes_ > (cuts ? max_segmented_bytes_ : max_bytes_)) return false;
  // Checksums begin and end up inside of the packet.
  const auto inside = [&](uint16_t start, uint16_t at) {
    return start < bytes_ && uint64_t{at} + sizeof(uint16_t) <= bytes_;
  };
  if ((cuts || request.wants.Has(TxFeature::kL4Checksum)) &&
      !inside(request.l4_checksum_start, request.l4_checksum_at)) {
    return false;
  }
  if (request.wants.Has(TxFeature::kL3Checksum) &&
      !inside(request.l3_checksum_start, request.l3_checksum_at)) {
    return false;
  }
  if (!cuts) return true;
  const uint64_t payload = dataplane::PayloadBytes(request, bytes_);
  if (payload == 0 || request.segment_bytes < min_segment_bytes_) return false;
  if (request.l4_header_bytes == 0) return true;  // the device finds the headers itself
  // The pieces are no longer than a packet that leaves whole.
  if (bytes_ - payload + std::min<uint64_t>(payload, request.segment_bytes) > max_bytes_) {
    return false;
  }
  return IsOrUnsaid(payload_bytes_, payload) && IsOrUnsaid(context_payload_, payload);
}

}  // namespace qsplit::guard
