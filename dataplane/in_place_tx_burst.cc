// The common case of a transmit ring that is completed in place: see burst/tx_burst.h.
#include <algorithm>

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

bool LooksAt(const Condition& condition, const DescriptorBytes& bits) {
  DescriptorBytes looked_at{};
  std::vector<Condition::WideTest> none;
  condition.MarkBits(64, looked_at.bytes, &none);
  for (uint32_t i = 0; i < kMaxDescriptorBytes; ++i) {
    if ((looked_at.bytes[i] & bits.bytes[i]) != std::byte{0}) return true;
  }
  return false;
}

}  // namespace

std::unique_ptr<burst::TxBurst> InPlaceTxDriver::MakeBurst(const TxDataForm& data,
                                                           AccessMode most) const {
  const uint32_t slot_bytes = shape_.slots.slot_bytes();
  if (most == AccessMode::kEngine || shape_.slots.word_bytes() != kWord ||
      slot_bytes > kWord * burst::kMaxWords) {
    return nullptr;
  }
  burst::TxBurstPlan plan;
  plan.slot_count = shape_.slot_count;
  plan.slot_bytes = slot_bytes;
  if (!burst::AddPieces(data.address, 64, 0, &plan.address) ||
      !burst::AddPieces(data.length, 64, 0, &plan.length)) {
    return nullptr;
  }
  plan.max_address = data.address.MaxRaw();
  uint64_t max_bytes = std::min(
      {data.max_bytes, program_.max_packet_bytes, data.length.MaxRaw(), uint64_t{UINT32_MAX}});
  // The packet's own numbers decide nothing, and share no bits.
  DescriptorBytes numbers{};
  bool overlap = AddBits(plan.address, &numbers) || AddBits(plan.length, &numbers);
  if (data.total_length.has_value()) {
    const PacketLengthField& total = *data.total_length;
    if (!burst::AddPieces(total.field, 64, 0, &plan.total_length)) return nullptr;
    max_bytes = std::min(max_bytes, total.field.MaxRaw());
    overlap = overlap || AddBits(plan.total_length, &numbers);
  }
  for (const std::optional<PacketLengthField>* field : {&data.total_length, &data.payload_length}) {
    overlap = overlap || (field->has_value() && LooksAt((*field)->valid, numbers));
  }
  if (data.report.has_value()) {
    std::vector<burst::Piece> report;
    if (!burst::AddPieces(*data.report, 64, 0, &report) || AddBits(report, &numbers)) {
      return nullptr;
    }
    for (const burst::Piece& piece : report) plan.report_words |= 1u << piece.word;
  }
  if (overlap || data.request.LooksAt(numbers)) return nullptr;
  plan.max_bytes = static_cast<uint32_t>(max_bytes);
  return burst::TxBurst::Create(std::move(plan), most == AccessMode::kCompiled);
}

void InPlaceTxDriver::MakeImages(Plan* plan) const {
  const TxDataForm& data = *plan->data;
  const size_t number = static_cast<size_t>(&data - program_.data.data());
  plan->burst = nullptr;
  // Where packets are cut, each has lengths of its own to say, here or in its context.
  if (bursts_[number] == nullptr || plan->request.wants.Has(TxFeature::kSegment)) return;
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
  if (has_total) data.total_length->field.Store(image.bytes, 0);
  if (speaks(data.payload_length)) {
    if (has_total) return;  // both at once
    data.payload_length->field.Store(image.bytes, 0);
  }
  burst::TxImage to;
  to.has_total_length = has_total;
  std::memcpy(to.words.data(), image.bytes, shape_.slots.slot_bytes());
  const burst::TxBurstPlan& writes = bursts_[number]->plan();
  for (const auto* pieces : {&writes.address, &writes.length, &writes.total_length}) {
    if (pieces == &writes.total_length && !has_total) continue;
    for (const burst::Piece& piece : *pieces) to.words[piece.word] &= ~piece.Put(~uint64_t{0});
  }
  plan->image[false] = plan->image[true] = to;
  if (data.report.has_value()) {
    DescriptorBytes report{};
    data.report->Store(report.bytes, 1);
    std::memcpy(plan->image[true].report.data(), report.bytes, shape_.slots.slot_bytes());
  }
  plan->burst = bursts_[number].get();
}

uint32_t InPlaceTxDriver::WriteRun(const Plan& plan, std::span<const TxPacket> packets,
                                   bool report) {
  const auto most = static_cast<uint32_t>(packets.size());
  uint32_t done = 0;
  while (done < most) {
    // Up to the ring's end.
    const uint32_t part = std::min(most - done, shape_.slot_count - produce_);
    const burst::TxImage& image = plan.image[report && done + part == most];
    const uint32_t written = plan.burst->Push(shape_.view.slots, cookies_.data(), produce_, part,
                                              packets.data() + done, image);
    done += written;
    produce_ = produce_ + written == shape_.slot_count ? 0 : produce_ + written;
    if (written < part) break;
  }
  produced_ += done;
  in_use_ += done;
  outstanding_ += done;
  since_report_ += done;
  slots_since_report_ += done;
  return done;
}

uint32_t InPlaceTxDriver::PushRun(std::span<const TxPacket> packets, const TxRequest& request) {
  const Plan& plan = PlanFor(request);
  if (plan.burst == nullptr) return 0;
  if (plan.context != TxProgram::kNoContext && plan.seen_at != contexts_.changes()) {
    bool emit = false;
    DescriptorBytes unused;
    const uint32_t place = contexts_.Find(program_, plan.context, plan.request, 0, &emit, &unused);
    if (emit) return 0;  // the engine sets it up with the first packet
    last_plan_.seen_at = contexts_.changes();
    if (place != plan.place) {
      last_plan_.place = place;
      MakeImages(&last_plan_);
      if (plan.burst == nullptr) return 0;
    }
  }
  const bool reports = plan.data->report.has_value();
  const auto most =
      static_cast<uint32_t>(std::min<size_t>(packets.size(), shape_.capacity - in_use_));
  uint32_t done = 0;
  while (done < most) {
    // Up to the one that is reported.
    const uint32_t until =
        std::max(1u, std::min(report_every_ - std::min(report_every_, since_report_),
                              most_unreported_ - std::min(most_unreported_, slots_since_report_)));
    const uint32_t run = reports ? std::min(most - done, until) : 1;
    const bool report = reports && run == until;
    const uint32_t written = WriteRun(plan, packets.subspan(done, run), report);
    done += written;
    if (written < run) break;
    if (report || !reports) {
      last_slot_ = Before(produce_);
      AddReport(last_slot_, slots_since_report_, since_report_);
    }
  }
  if (done == 0) return 0;
  if (since_report_ != 0 && reports) {
    // What Publish may have to write again, with a report.
    last_form_ = plan.data;
    last_slot_ = Before(produce_);
    const auto words = plan.burst->Words(packets[done - 1], plan.image[false]);
    std::memcpy(last_image_.bytes, words.data(), sizeof words);
  }
  return done;
}

AccessReport InPlaceTxDriver::Access() const {
  for (const auto& burst : bursts_) {
    if (burst != nullptr) return AccessReport::Burst(burst->code_status());
  }
  return AccessReport::Engine();
}

}  // namespace qsplit::dataplane
