// Which rings of an emitted header are those of a queue with some choices of its features.
#ifndef QSPLIT_TESTS_UNIT_EMIT_BURSTS_OF_CASE_H_
#define QSPLIT_TESTS_UNIT_EMIT_BURSTS_OF_CASE_H_

#include <functional>
#include <string>

#include "dataplane/ring_view.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "tests/unit/emit/header_table.h"

namespace qsplit::testing {

// The choices that the header is written for: the first ones, but for what the ring asks for.
inline bool AreOfTheHeader(const v1::Layout& layout, const dataplane::FeatureChoices& choices,
                           const v1::Ring& ring) {
  for (int f = 0; f < layout.features_size(); ++f) {
    uint32_t expected = 0;
    for (const v1::FeatureChoice& choice : ring.features()) {
      if (choice.feature() == static_cast<uint32_t>(f)) expected = choice.choice();
    }
    if (choices.choice[static_cast<size_t>(f)] != expected) return false;
  }
  return true;
}

// Where bytes of slots differ; empty: nowhere.
inline std::string FirstDifference(const void* header, const void* expected, size_t bytes,
                                   uint32_t slot_bytes) {
  const auto* const a = static_cast<const uint8_t*>(header);
  const auto* const b = static_cast<const uint8_t*>(expected);
  for (size_t i = 0; i < bytes; ++i) {
    if (a[i] == b[i]) continue;
    return "slot " + std::to_string(i / slot_bytes) + ", byte " + std::to_string(i % slot_bytes) +
           ": the header has " + std::to_string(a[i]) + ", not " + std::to_string(b[i]);
  }
  return "";
}

// Calls run(ring, row) for those that have loops.
inline void ForEachRow(const layout::VerifiedLayout& layout, const v1::Queue& queue,
                       const dataplane::FeatureChoices& choices,
                       const std::function<void(int, const RingLoopsRow&)>& run) {
  const auto header = Headers().find(layout.name());
  if (header == Headers().end()) return;
  for (int r = 0; r < queue.rings_size(); ++r) {
    if (!AreOfTheHeader(layout.message(), choices, queue.rings(r))) continue;
    for (const RingLoopsRow& row : header->second.loops) {
      if (queue.name() + "_" + queue.rings(r).name() == row.name) run(r, row);
    }
  }
}

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_UNIT_EMIT_BURSTS_OF_CASE_H_
