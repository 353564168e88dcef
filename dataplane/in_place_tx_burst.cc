// The common case of a transmit ring that is completed in place: see burst/tx_ring.h.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "dataplane/burst/around_ring.h"
#include "dataplane/burst_cache.h"
#include "dataplane/in_place_tx_driver.h"

namespace qsplit::dataplane {
namespace {

constexpr uint32_t kWord = 8;

// Sets the bits of pieces; whether some of them are set already.
bool AddBits(const std::vector<burst::Piece>& pieces, DescriptorBytes* bits) {
  bool overlaps = false;
  for (const burst::Piece& piece : pieces) {
    uint64_t word;
    std::memcpy(&word, bits->bytes + size_t{kWord} * piece.word, kWord);
    const uint64_t more = piece.Put(~uint64_t{0});
    overlaps = overlaps || (word & more) != 0;
    word |= more;
    std::memcpy(bits->bytes + size_t{kWord} * piece.word, &word, kWord);
  }
  return overlaps;
}

}  // namespace

std::optional<burst::TxRingPlan> InPlaceTxDriver::MakeBurstPlan(const TxDataForm& data,
                                                                bool has_total) const {
  const uint32_t slot_bytes = shape_.slots.slot_bytes();
  if (shape_.slots.word_bytes() != kWord || slot_bytes > kWord * burst::kMaxWords ||
      (has_total && !data.total_length.has_value())) {
    return std::nullopt;
  }
  burst::TxRingPlan plan;
  plan.slot_count = shape_.slot_count;
  plan.slot_bytes = slot_bytes;
  plan.memory = burst::TxMemory::kOrder;
  for (uint32_t at = 0; at < slot_bytes; at += kWord) plan.words.push_back({at, {}});
  // The packet's own numbers decide nothing, and share no bits.
  DescriptorBytes numbers{};
  const auto add = [&](const FieldAccess& field, burst::TxSource source) {
    std::vector<burst::Piece> pieces;
    if (!burst::AddPieces(field, 64, 0, &pieces) || AddBits(pieces, &numbers)) return false;
    for (const burst::Piece& piece : pieces) {
      plan.words[piece.word].parts.push_back({source, 0, piece, pieces.size() == 1});
    }
    return true;
  };
  uint64_t max_bytes = std::min(
      {data.max_bytes, program_.max_packet_bytes, data.length.MaxRaw(), uint64_t{UINT32_MAX}});
  if (!add(data.address, burst::TxSource::kAddress) || !add(data.length, burst::TxSource::kBytes)) {
    return std::nullopt;
  }
  plan.address_not = ~data.address.MaxRaw();
  if (has_total) {
    max_bytes = std::min(max_bytes, data.total_length->field.MaxRaw());
    if (!add(data.total_length->field, burst::TxSource::kBytes)) return std::nullopt;
  }
  plan.max_bytes = static_cast<uint32_t>(max_bytes);
  for (const std::optional<PacketLengthField>* field : {&data.total_length, &data.payload_length}) {
    if (field->has_value() && (*field)->valid.LooksAt(numbers)) return std::nullopt;
  }
  if (data.report.has_value()) {
    std::vector<burst::Piece> report;
    if (!burst::AddPieces(*data.report, 64, 0, &report) || AddBits(report, &numbers)) {
      return std::nullopt;
    }
    for (const burst::Piece& piece : report) plan.report_words |= 1u << piece.word;
  }
  if (data.request.LooksAt(numbers)) return std::nullopt;
  return plan;
}

void InPlaceTxDriver::OpenBursts(const layout::VerifiedLayout& layout, const QueueView& view,
                                 const TxOptions& options) {
  for (const TxDataForm& data : program_.data) {
    Bursts& bursts = bursts_.emplace_back();
    if (options.access == AccessMode::kEngine) continue;
    for (const bool has_total : {false, true}) {
      std::optional<burst::TxRingPlan> plan = MakeBurstPlan(data, has_total);
      if (!plan.has_value()) continue;
      const std::string key =
          BurstKey("in-place tx", layout, view,
                   {static_cast<uint64_t>(options.access), bursts_.size(), has_total ? 1u : 0u});
      bursts[has_total ? 1 : 0] = BurstCache::Get<burst::TxRingBurst>(options.bursts, key, [&] {
        return burst::TxRingBurst::Create(*std::move(plan), nullptr,
                                          options.access == AccessMode::kCompiled);
      });
    }
  }
}

void InPlaceTxDriver::MakeImage(Plan* plan) const {
  const TxDataForm& data = *plan->data;
  const size_t number = static_cast<size_t>(&data - program_.data.data());
  plan->burst = nullptr;
  // Where packets are cut, each has lengths of its own to say, here or in its context.
  if (number >= bursts_.size() || plan->request.wants.Has(TxFeature::kSegment)) return;
  DescriptorBytes image{};
  CopyDescriptor(image.bytes, data.image[true][true].bytes, program_.copy_bytes);
  if (plan->request.wants.bits != 0) {
    data.request.Store(plan->request, true, true, image.bytes);
    if (plan->context != TxProgram::kNoContext) {
      if (data.context_index.has_value()) data.context_index->Store(image.bytes, plan->place);
      if (data.context_present.has_value()) data.context_present->Store(image.bytes, 1);
    }
  }
  const auto speaks = [&](const std::optional<PacketLengthField>& field) {
    return field.has_value() && SpeaksIn(field->position, true, true) &&
           field->valid.Holds(image.bytes);
  };
  const bool has_total = speaks(data.total_length);
  const burst::TxRingBurst* const burst = bursts_[number][has_total ? 1 : 0].get();
  if (burst == nullptr) return;
  if (has_total) data.total_length->field.Store(image.bytes, 0);
  if (speaks(data.payload_length)) {
    if (has_total) return;  // both at once
    data.payload_length->field.Store(image.bytes, 0);
  }
  plan->image = {};
  std::memcpy(plan->image.words.data(), image.bytes, shape_.slots.slot_bytes());
  const std::vector<burst::TxWord>& words = burst->plan().words;
  for (size_t w = 0; w < words.size(); ++w) {
    for (const burst::TxWord::Part& part : words[w].parts) {
      plan->image.words[w] &= ~part.piece.Put(~uint64_t{0});
    }
  }
  if (data.report.has_value()) {
    DescriptorBytes report{};
    data.report->Store(report.bytes, 1);
    std::memcpy(plan->image.report.data(), report.bytes, shape_.slots.slot_bytes());
  }
  plan->burst = burst;
}

bool InPlaceTxDriver::FindContext(Plan* plan) {
  const uint32_t named = plan->place;
  if (!plan->FindContext(contexts_, program_)) return false;
  if (plan->place != named) MakeImage(plan);
  return plan->burst != nullptr;
}

[[gnu::always_inline]] inline uint32_t InPlaceTxDriver::WriteRun(const Plan& plan,
                                                                 const TxPacket* packets,
                                                                 uint32_t most, bool report) {
  const uint32_t done =
      burst::AroundRing(shape_.slot_count, most, &produce_, [&](uint32_t part, uint32_t before) {
        call_.cookies = &cookies_[produce_];
        call_.report = report && before + part == most;
        return plan.burst->Push(shape_.view.slots, call_, produce_, part, packets + before,
                                plan.image);
      });
  produced_ += done;
  in_use_ += done;
  outstanding_ += done;
  since_report_ += done;
  slots_since_report_ += done;
  return done;
}

// What Publish may have to write again, with a report.
void InPlaceTxDriver::KeepUnreported(const Plan& plan, const TxPacket& packet) {
  last_form_ = plan.data;
  last_slot_ = Before(produce_);
  const burst::TxRingPlan& writes = plan.burst->plan();
  for (uint32_t w = 0; w < writes.words.size(); ++w) {
    const uint64_t word = burst::TxRingBurst::Word(writes, w, packet, call_, plan.image);
    std::memcpy(last_image_.bytes + size_t{kWord} * w, &word, kWord);
  }
}

uint32_t InPlaceTxDriver::PushRun(std::span<const TxPacket> packets, const TxRequest& request) {
  Plan& plan = PlanFor(request);
  if (plan.burst == nullptr) return 0;
  if (plan.context != TxProgram::kNoContext && plan.seen_at != contexts_.changes() &&
      !FindContext(&plan)) {
    return 0;
  }
  const bool reports = plan.data->report.has_value();
  const auto most =
      static_cast<uint32_t>(std::min<size_t>(packets.size(), shape_.capacity - in_use_));
  uint32_t done = 0;
  while (done < most) {
    // Up to the one that is reported.
    const uint32_t until = UntilReport();
    const uint32_t run = reports ? std::min(most - done, until) : 1;
    const bool report = reports && run == until;
    const uint32_t written = WriteRun(plan, packets.data() + done, run, report);
    done += written;
    if (written < run) break;
    if (report || !reports) {
      last_slot_ = Before(produce_);
      AddReport(last_slot_, slots_since_report_, since_report_);
    }
  }
  // The device has read what stands in the slots of the burst to come, and gave them back.
  shape_.slots.PrefetchToWrite(
      produce_, std::min({done, shape_.capacity - in_use_, shape_.slot_count - produce_}));
  if (done != 0 && since_report_ != 0 && reports) KeepUnreported(plan, packets[done - 1]);
  return done;
}

AccessReport InPlaceTxDriver::Access() const {
  for (const Bursts& bursts : bursts_) {
    for (const auto& burst : bursts) {
      if (burst != nullptr) return AccessReport::Burst(burst->code_status());
    }
  }
  return AccessReport::Engine();
}

}  // namespace qsplit::dataplane
