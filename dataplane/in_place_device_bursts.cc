// The common case of rings that a device completes in place, from the device's side, as plans: see
// burst/slot_reader.h, burst/slot_writer.h.
#include <algorithm>
#include <cstring>

#include "dataplane/burst_cache.h"
#include "dataplane/in_place_rx.h"
#include "dataplane/in_place_tx_device.h"

namespace qsplit::dataplane {
namespace {

constexpr uint32_t kWord = 8;

// Slots that plans speak of.
bool Fits(const InPlaceShape& shape) {
  return shape.slots.word_bytes() == kWord && shape.slots.slot_bytes() <= kWord * burst::kMaxWords;
}

burst::SlotReadPlan PlanOf(const InPlaceShape& shape) {
  burst::SlotReadPlan plan;
  plan.slot_count = shape.slot_count;
  plan.slot_bytes = shape.slots.slot_bytes();
  return plan;
}

// A plan that is interpreted takes longer than kinds of descriptors that the engine knows: only who
// asks for it has it.
template <typename Burst>
bool IsWanted(const Burst* burst, AccessMode access) {
  return burst != nullptr && (access == AccessMode::kInterpreted || burst->code_status().ok());
}

// What became of a reader that was made, or could not be (null).
AccessReport ReportOf(const burst::SlotReader* reader, AccessMode access) {
  if (reader == nullptr) return AccessReport::Engine();
  return IsWanted(reader, access) ? AccessReport::Burst(reader->code_status())
                                  : AccessReport::EngineFor(reader->code_status());
}

bool IsWithin(const std::vector<burst::Piece>& pieces, uint32_t slot_bytes) {
  return std::ranges::all_of(
      pieces, [&](const burst::Piece& piece) { return piece.word < slot_bytes / kWord; });
}

}  // namespace

std::unique_ptr<burst::SlotReader> InPlaceTxDevice::MakeReader(const TxDataForm& data,
                                                               bool compiled) const {
  burst::SlotReadPlan plan = PlanOf(shape_);
  if (!burst::AddPieces(data.address, 64, 0, &plan.address) || data.length.MaxRaw() > UINT32_MAX ||
      !burst::AddPieces(data.length, 32, 0, &plan.length)) {
    return nullptr;
  }
  plan.most_bytes = static_cast<uint32_t>(
      std::min({data.max_bytes, program_.max_packet_bytes, uint64_t{UINT32_MAX}}));
  plan.note_bits = kFetched | (shape_.only_where_reported ? 0 : kReported);
  DescriptorBytes decide{};
  const auto which = static_cast<size_t>(&data - program_.data.data());
  matcher_.MarkBits(which, decide.bytes);
  data.last.MarkBits(decide.bytes);
  data.request.MarkBits(decide.bytes);
  if (data.context_index.has_value()) {
    data.context_index->StoreRaw(decide.bytes, data.context_index->MaxRaw());
  }
  if (data.report.has_value()) {
    static_assert(kReported == 2);
    if (data.report->MaxRaw() != 1 || !burst::AddPieces(*data.report, 1, 1, &plan.note)) {
      return nullptr;
    }
  }
  // A packet that asks for nothing, as drivers write it.
  const DescriptorBytes& image = data.image[true][true];
  RequestDraft draft;
  TxRequest request;
  data.request.Load(image.bytes, true, true, &draft);
  if (matcher_.Match(image.bytes) != static_cast<int>(which) || !data.last.IsLast(image.bytes) ||
      !FinishRequest(draft, &request) || request.wants.bits != 0 || !plan.Require(decide, image) ||
      !plan.IsSound()) {
    return nullptr;
  }
  return burst::SlotReader::Create(std::move(plan), compiled);
}

void InPlaceTxDevice::FindReader(const layout::VerifiedLayout& layout, const QueueView& view,
                                 const TxDeviceOptions& options) {
  if (options.access == AccessMode::kEngine || !Fits(shape_)) return;
  const std::string key =
      BurstKey("in-place tx device", layout, view, {static_cast<uint64_t>(options.access)});
  auto found = BurstCache::Get<burst::SlotReader>(options.bursts, key, [&] {
    std::unique_ptr<burst::SlotReader> reader;
    for (const TxDataForm& data : program_.data) {
      if (reader == nullptr) reader = MakeReader(data, options.access == AccessMode::kCompiled);
    }
    return reader;
  });
  access_ = ReportOf(found.get(), options.access);
  if (access_.mode != AccessMode::kEngine) reader_ = std::move(found);
}

std::unique_ptr<burst::SlotReader> InPlaceRxDevice::MakeReader(bool compiled) const {
  burst::SlotReadPlan plan = PlanOf(shape_);
  if (!burst::AddPieces(post_.address, 64, 0, &plan.address)) return nullptr;
  plan.notes_length = true;
  plan.bytes_each = plan.most_bytes = buffer_bytes_;
  if (post_.length.has_value()) {
    if (post_.length->MaxRaw() > UINT32_MAX ||
        !burst::AddPieces(*post_.length, 32, 0, &plan.length)) {
      return nullptr;
    }
    plan.most_bytes = max_bytes_;
  }
  DescriptorBytes decide{};
  matcher_.MarkBits(0, decide.bytes);
  if (matcher_.Match(post_.image.bytes) != 0 || !plan.Require(decide, post_.image) ||
      !plan.IsSound()) {
    return nullptr;
  }
  return burst::SlotReader::Create(std::move(plan), compiled);
}

std::unique_ptr<burst::SlotWriter> InPlaceRxDevice::MakeWriter(const RxHoles& holes,
                                                               bool compiled) const {
  burst::SlotWritePlan plan;
  plan.slot_count = shape_.slot_count;
  plan.slot_bytes = shape_.slots.slot_bytes();
  plan.word_count = plan.slot_bytes / kWord;
  plan.element_bytes = sizeof(RxPlain);
  plan.last_word = shape_.done_word;
  plan.length.offset = offsetof(RxPlain, length);
  plan.length_more = crc_bytes_;
  plan.most_length = holes.length->MaxRaw();
  plan.has_rooms = true;
  plan.prefix_bytes = prefix_bytes_;
  if (!holes.wire_lengths.empty() || !burst::AddPieces(*holes.length, 64, 0, &plan.length.pieces) ||
      !IsWithin(plan.length.pieces, plan.slot_bytes)) {
    return nullptr;
  }
  if (holes.hash != nullptr) {
    burst::SlotWritePlan::Number hash{.offset = offsetof(RxPlain, hash), .bytes = 4};
    if (holes.hash->MaxRaw() < UINT32_MAX || !burst::AddPieces(*holes.hash, 32, 0, &hash.pieces) ||
        !IsWithin(hash.pieces, plan.slot_bytes)) {
      return nullptr;
    }
    plan.others.push_back(std::move(hash));
  }
  return burst::SlotWriter::Create(std::move(plan), compiled);
}

void InPlaceRxDevice::FindBursts(const layout::VerifiedLayout& layout, const QueueView& view,
                                 const RxDeviceOptions& options) {
  if (options.access == AccessMode::kEngine || !Fits(shape_)) return;
  const bool compiled = options.access == AccessMode::kCompiled;
  reader_ = BurstCache::Get<burst::SlotReader>(
      options.bursts,
      BurstKey("in-place rx device", layout, view,
               {static_cast<uint64_t>(options.access), options.buffer_bytes}),
      [&] { return MakeReader(compiled); });
  access_ = ReportOf(reader_.get(), options.access);
  if (access_.mode == AccessMode::kEngine) reader_ = nullptr;
  for (const RxProgram& program : programs_) {
    for (const bool hashed : {true, false}) {
      RxMetadata meta;
      if (hashed) meta.present = program.Fields() & RxField::kHash;
      if (hashed && meta.present.bits == 0) continue;
      const std::optional<RxHoles> holes = program.FindHoles(meta);
      if (!holes.has_value() || holes->length == nullptr || (holes->hash != nullptr) != hashed) {
        continue;
      }
      auto writer = BurstCache::Get<burst::SlotWriter>(
          options.bursts,
          BurstKey("in-place completions", layout, view,
                   {static_cast<uint64_t>(options.access), hashed,
                    static_cast<uint64_t>(&program - programs_.data())}),
          [&] { return MakeWriter(*holes, compiled); });
      if (IsWanted(writer.get(), options.access)) {
        writers_.push_back({holes->length, holes->hash, std::move(writer)});
      }
    }
  }
}

}  // namespace qsplit::dataplane
