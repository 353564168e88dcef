#include "daemon/guard/phase_burst.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "daemon/guard/prefetch.h"

namespace qsplit::guard {

using dataplane::PlainBuffer;
using dataplane::burst::SlotReader;
using dataplane::burst::SlotReadPlan;
using dataplane::burst::SlotWritePlan;
using dataplane::burst::SlotWriter;

absl::StatusOr<std::unique_ptr<PhaseBurst>> PhaseBurst::Make(const BufferForm& form,
                                                             const WordCondition& posted,
                                                             uint32_t slot_count,
                                                             const Options& options) {
  constexpr uint32_t kWords = 2;
  if (options.checks == GuardOptions::Checks::kOneByOne) {
    return absl::UnimplementedError("it was asked for so");
  }
  const absl::Status nothing = absl::UnimplementedError("nothing of this layout is plain");
  std::unique_ptr<PhaseBurst> burst(new PhaseBurst(form));
  SlotReadPlan read;
  SlotWritePlan write;
  read.slot_count = write.slot_count = slot_count;
  read.slot_bytes = write.slot_bytes = 8 * kWords;
  read.first_word = write.last_word = posted.word;
  write.word_count = kWords;
  write.element_bytes = sizeof(PlainBuffer);
  std::array<uint64_t, kWords> image{};
  if (!form.PlanPlain(posted, &read, &image)) return nothing;
  // What hands a slot over, at either phase.
  dataplane::burst::WordTest& test = read.tests[posted.word];
  if ((test.mask & posted.mask) != 0) return nothing;
  test.mask |= posted.mask;
  test.value |= posted.value[0];
  read.phase[posted.word] = posted.value[0] ^ posted.value[1];
  if (!read.IsSound()) return nothing;
  for (uint32_t phase = 0; phase < 2; ++phase) {
    std::copy_n(image.begin(), kWords, burst->image_[phase].begin());
    uint64_t& word = burst->image_[phase][posted.word];
    word = posted.Sign(word, phase);
  }
  write.length = {offsetof(PlainBuffer, bytes), 4, read.length};
  write.most_length = UINT32_MAX;
  write.others.push_back({offsetof(PlainBuffer, address), 8, read.address});
  // Before it is written a descriptor's tag takes its slot's place.
  write.others.push_back({offsetof(PlainBuffer, slot), 4, read.note});
  const bool compiled = options.checks == GuardOptions::Checks::kFastest;
  // What the guard's options add to the ring's.
  const std::string key = absl::StrCat(options.key, " ", read.most_bytes);
  dataplane::BurstCache* const kept = compiled ? options.bursts : nullptr;
  burst->reader_ = dataplane::BurstCache::Get<SlotReader>(
      kept, "read " + key, [&] { return SlotReader::Create(std::move(read), compiled); });
  burst->writer_ = dataplane::BurstCache::Get<SlotWriter>(
      kept, "write " + key, [&] { return SlotWriter::Create(std::move(write), compiled); });
  // Interpreted, a burst takes longer than one by one.
  if (compiled && !burst->IsCompiled()) {
    const absl::Status& reads = burst->reader_->code_status();
    return reads.ok() ? burst->writer_->code_status() : reads;
  }
  burst->tags_.resize(slot_count);
  return burst;
}

uint32_t PhaseBurst::Read(const std::byte* shadow, const dataplane::RingCursor& at, uint32_t most) {
  most = std::min({most, kMost, at.slot_count() - at.index()});
  const std::byte* const slot = shadow + size_t{at.index()} * sizeof(WordPair);
  for (size_t ahead = 0; ahead < kMost * sizeof(WordPair); ahead += kLineBytes) {
    PrefetchToRead(slot + kMost * sizeof(WordPair) + ahead);
  }
  return reader_->Read(shadow, tags_.data(), at.index(), most, at.phase(), plain_.data());
}

void PhaseBurst::Write(std::byte* real, const dataplane::RingCursor& at, uint32_t count) {
  const dataplane::burst::SlotImage& image = image_[at.phase() & 1];
  for (PlainBuffer& plain : std::span(plain_).first(count)) plain.slot = tags_[plain.slot];
  // Whoever polls the first slot does not take the lines away while the rest is written.
  if (count > 1) {
    writer_->Write(real, nullptr, at.index() + 1, count - 1, &plain_[1], image);
  }
  writer_->Write(real, nullptr, at.index(), 1, plain_.data(), image);
}

}  // namespace qsplit::guard
