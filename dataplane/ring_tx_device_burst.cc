// Plain packets in bursts, from the device's side of any transmit queue: see ring_tx_device.h,
// burst/slot_reader.h.
#include <algorithm>

#include "dataplane/burst_cache.h"
#include "dataplane/ring_tx_device.h"

namespace qsplit::dataplane {
namespace {

// What is noted of a slot: the packet's tag, and above it whether a report is asked for.
constexpr uint32_t kReportBit = 31;
constexpr uint32_t kTagMask = (uint32_t{1} << kReportBit) - 1;

}  // namespace

std::unique_ptr<burst::SlotReader> RingTxDevice::MakeReader(uint32_t form, bool compiled) const {
  if (program_.uses[form].kind != RingTxProgram::Kind::kData) return nullptr;
  const TxPost& post = program_.posts[program_.uses[form].at];
  // One buffer, and nothing that counts anything.
  if (post.own.size() != 1 || !post.part.empty() || post.max_buffers != 1 || !post.MayBeFirst() ||
      post.buffer_count.has_value() || post.part_count.has_value() ||
      post.descriptor_count.has_value()) {
    return nullptr;
  }
  burst::SlotReadPlan plan;
  const TxPost::Place& place = post.own.front();
  if (!posts_->Plan(form, &plan) || !burst::AddPieces(place.address, 64, 0, &plan.address) ||
      place.length.MaxRaw() > UINT32_MAX || !burst::AddPieces(place.length, 32, 0, &plan.length)) {
    return nullptr;
  }
  plan.most_bytes = static_cast<uint32_t>(
      std::min({post.max_bytes, program_.max_packet_bytes, uint64_t{UINT32_MAX}}));
  if (post.tag.has_value() && SpeaksIn(post.tag->position, true, true) &&
      (post.tag->field.MaxRaw() > kTagMask ||
       !burst::AddPieces(post.tag->field, kReportBit, 0, &plan.note))) {
    return nullptr;
  }
  if (post.report_at.has_value() && SpeaksIn(post.report_at->position, true, true) &&
      (post.report_at->field.MaxRaw() != 1 ||
       !burst::AddPieces(post.report_at->field, 1, kReportBit, &plan.note))) {
    return nullptr;
  }
  // A packet that asks for nothing, as drivers write it.
  const DescriptorBytes& image = post.image[true][true];
  RequestDraft draft;
  TxRequest request;
  post.request.Load(image.bytes, true, true, &draft);
  if (posts_->forms().Match(image.bytes, true) != static_cast<int>(form) ||
      !post.last.IsLast(image.bytes) || !FinishRequest(draft, &request) ||
      request.wants.bits != 0) {
    return nullptr;
  }
  DescriptorBytes decide{};
  post.last.MarkBits(decide.bytes);
  post.request.MarkBits(decide.bytes);
  for (const auto* field : {&post.context_index, &post.context_present, &post.indirect}) {
    if (!field->has_value()) continue;
    (*field)->StoreRaw(decide.bytes, (*field)->MaxRaw());
    if ((*field)->Load(image.bytes) != 0) return nullptr;
  }
  if (!plan.Require(decide, image) || !plan.IsSound()) return nullptr;
  return burst::SlotReader::Create(std::move(plan), compiled);
}

void RingTxDevice::FindReader(const layout::VerifiedLayout& layout,
                              const TxDeviceOptions& options) {
  // Not where something of each packet stands elsewhere.
  if (options.access == AccessMode::kEngine || table_.has_value() || program_.prefix_bytes != 0 ||
      program_.before_bytes != 0 || program_.span == v1::SPAN_COUNT_IN_FIRST || times_.unasked) {
    return;
  }
  const std::string key =
      BurstKey("ring tx device", layout, shape_.view, {static_cast<uint64_t>(options.access)});
  reader_ = BurstCache::Get<burst::SlotReader>(options.bursts, key, [&] {
    std::unique_ptr<burst::SlotReader> reader;
    for (uint32_t form = 0; form < posts_->forms().size() && reader == nullptr; ++form) {
      reader = MakeReader(form, options.access == AccessMode::kCompiled);
    }
    return reader;
  });
  if (reader_ != nullptr) notes_.resize(rings_.posts->slot_count);
}

uint32_t RingTxDevice::FetchRun(std::span<PlainTx> out) {
  if (reader_ == nullptr || is_stuck_ || contexts_.MayEnable(program_.requests)) return 0;
  auto most = static_cast<uint32_t>(std::min(out.size(), free_.size()));
  uint32_t each = 0;  // slots of completions, at most
  if (completions_.has_value() && rings_.how != TxReturn::kInPlace) {
    each = done_slots_;
    if (rings_.how == TxReturn::kAddress) {
      most = static_cast<uint32_t>(
          std::min<uint64_t>(most, addresses_.size() - (addresses_end_ - addresses_begin_)));
    }
    if (!rings_.CompletesInOwnSlots() && !completions_->HasRoom(owed_ + most * each)) return 0;
  }
  blocked_ = 0;
  const uint32_t count = posts_->NextRun(*reader_, most, notes_.data(), out.data());
  for (PlainTx& packet : out.first(count)) {
    const uint32_t note = notes_[packet.slot];
    const bool asked = note >> kReportBit != 0;
    const uint32_t id = free_.back();
    free_.pop_back();
    Record& record = records_[id];
    record.fetched = true;
    record.sent = record.wants_time = record.answers = false;
    record.report = !has_report_ || asked;
    record.first_slot = record.index = packet.slot;
    record.slots = 1;
    const bool always = rings_.how == TxReturn::kAddress || rings_.how == TxReturn::kDescriptor;
    record.owed = always || record.report ? each : 0;
    record.tag = note & kTagMask;
    record.number = fetched_++;
    record.request = Iova();
    owed_ += record.owed;
    if (InOrder()) order_[order_end_++ % order_.size()] = id;
    if (rings_.how == TxReturn::kAddress) {
      addresses_[addresses_end_++ % addresses_.size()] = packet.address.value;
    }
    packet.slot = id;
  }
  if (count != 0) posts_->PublishConsumed();
  return count;
}

uint32_t RingTxDevice::FetchPlain(std::span<PlainTx> out, bool* nothing) {
  if (held_.has_value()) return 0;
  uint32_t count = 0;
  TxWork work;
  while (count < out.size()) {
    if (const uint32_t run = FetchRun(out.subspan(count)); run != 0) {
      count += run;
      continue;
    }
    if (const RingFault fault = FetchOne(&work); fault != RingFault::kNone) {
      // Neither a beginning that waits for its end, nor a packet that waits for room.
      *nothing =
          fault == RingFault::kEmpty && count == 0 && !is_stuck_ && blocked_ == 0 && !free_.empty();
      break;
    }
    if (work.segments.size() != 1 || !work.inline_bytes.empty() || work.wants_time ||
        work.request.wants.bits != 0) {
      held_ = work;
      break;
    }
    out[count++] = {work.segments[0].address, work.segments[0].bytes, work.handle.record};
  }
  return count;
}

AccessReport RingTxDevice::Access() const {
  return reader_ == nullptr ? AccessReport::Engine() : AccessReport::Burst(reader_->code_status());
}

}  // namespace qsplit::dataplane
