// Private to the canonical form: where things went, and how references follow them.
#ifndef QSPLIT_DESCRIPTOR_LANG_LAYOUT_CANONICAL_REFERENCES_H_
#define QSPLIT_DESCRIPTOR_LANG_LAYOUT_CANONICAL_REFERENCES_H_

#include <google/protobuf/repeated_field.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout::canonical {

using google::protobuf::RepeatedField;
using google::protobuf::RepeatedPtrField;

// old index -> new index.
using Remap = std::vector<uint32_t>;

inline uint32_t Mapped(const Remap& remap, uint32_t index) {
  return index < remap.size() ? remap[index] : index;
}

// Sorts by key(element); returns where each one went.
template <typename T, typename Key>
Remap SortBy(RepeatedPtrField<T>& list, Key key) {
  std::vector<uint32_t> order(static_cast<size_t>(list.size()));
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return key(list[static_cast<int>(a)]) < key(list[static_cast<int>(b)]);
  });
  RepeatedPtrField<T> sorted;
  sorted.Reserve(list.size());
  Remap remap(order.size());
  for (uint32_t to = 0; to < order.size(); ++to) {
    remap[order[to]] = to;
    sorted.Add(std::move(list[static_cast<int>(order[to])]));
  }
  list.Swap(&sorted);
  return remap;
}

inline constexpr auto kName = [](const auto& element) -> const std::string& {
  return element.name();
};

// Where everything that can be referred to went. A reference that leads nowhere stays as it is.
struct References {
  Remap enumerations, features, forms;
  std::vector<Remap> fields;  // by old form index

  void Rewrite(v1::FieldReference& reference) const;
  // Sorted, each conjunction and comparison once.
  void Rewrite(v1::Condition& condition) const;
  void Rewrite(RepeatedPtrField<v1::FeatureChoice>& choices) const;
  // In the order given, each form once.
  void RewriteFormList(RepeatedField<uint32_t>& list) const;
  // Sorted, each field once.
  void RewriteFieldList(RepeatedPtrField<v1::FieldReference>& list) const;
};

// canonical_queues.cc: the queue's references, order and defaults, its rings included.
void RewriteQueue(const References& references, v1::Queue& queue);

}  // namespace qsplit::layout::canonical

#endif  // QSPLIT_DESCRIPTOR_LANG_LAYOUT_CANONICAL_REFERENCES_H_
