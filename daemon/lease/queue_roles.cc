#include "daemon/lease/queue_roles.h"

#include <algorithm>

namespace qsplit::lease {
namespace {

// Ways to reach a form that are told apart; those behind them are not looked at. A spec has a
// handful.
constexpr size_t kMaxWays = 64;

template <typename Needs>
Needs With(Needs needs, const google::protobuf::RepeatedPtrField<v1::FeatureChoice>& more) {
  for (const v1::FeatureChoice& need : more) needs.emplace(need.feature(), need.choice());
  return needs;
}

}  // namespace

// How each form can be reached, containers before what they contain.
class QueueRoles::Collector {
 public:
  Collector(const v1::Layout& layout, const std::vector<std::string>& wanted)
      : layout_(layout), wanted_(wanted), reached_(static_cast<size_t>(layout.forms_size())) {}

  void Reach(uint32_t form, const Needs& needs) {
    Ways& ways = reached_[form];
    if (ways.size() < kMaxWays) {
      ways.insert(With(needs, layout_.forms(static_cast<int>(form)).features()));
    }
  }

  std::vector<Ways> Roles() {
    std::vector<Ways> roles(wanted_.size());
    // A form contains only forms of lower indices.
    for (size_t i = reached_.size(); i-- > 0;) {
      const v1::Form& form = layout_.forms(static_cast<int>(i));
      for (const Needs& needs : reached_[i]) {
        for (const v1::ContainedForm& part : form.contains()) Reach(part.form(), needs);
        for (const v1::Field& field : form.fields()) AddField(field, needs, roles);
      }
    }
    return roles;
  }

 private:
  void AddField(const v1::Field& field, const Needs& needs, std::vector<Ways>& roles) const {
    if (field.role().empty()) return;
    for (size_t i = 0; i < wanted_.size(); ++i) {
      if (wanted_[i] == field.role()) roles[i].insert(With(needs, field.features()));
    }
  }

  const v1::Layout& layout_;
  const std::vector<std::string>& wanted_;
  std::vector<Ways> reached_;  // by form
};

QueueRoles::QueueRoles(const v1::Layout& layout, const v1::Queue& queue,
                       const std::vector<std::string>& wanted) {
  Collector collector(layout, wanted);
  const bool transmit = queue.direction() == v1::DIRECTION_TRANSMIT;
  for (const v1::Ring& ring : queue.rings()) {
    const Needs needs = With(Needs(), ring.features());
    slots_.emplace_back(needs, ring.slot_bytes());
    for (uint32_t form : ring.complete_forms()) collector.Reach(form, needs);
    if (ring.has_packets()) collector.Reach(ring.packets().form(), needs);
    if (!transmit) continue;
    for (uint32_t form : ring.post_forms()) collector.Reach(form, needs);
  }
  if (queue.packet().has_prefix_form()) collector.Reach(queue.packet().prefix_form(), {});
  for (const v1::ContextRule& context : queue.contexts()) collector.Reach(context.form(), {});
  ways_ = collector.Roles();
}

bool QueueRoles::Meets(const Needs& needs, const Choices& choices) {
  return std::all_of(needs.begin(), needs.end(),
                     [&](const auto& need) { return choices[need.first] == need.second; });
}

bool QueueRoles::Has(size_t wanted, const Choices& choices) const {
  return std::any_of(ways_[wanted].begin(), ways_[wanted].end(),
                     [&](const Needs& needs) { return Meets(needs, choices); });
}

uint32_t QueueRoles::SlotBytes(const Choices& choices) const {
  uint32_t bytes = 0;
  for (const auto& [needs, slot_bytes] : slots_) {
    if (Meets(needs, choices)) bytes += slot_bytes;
  }
  return bytes;
}

void QueueRoles::MarkFeatures(std::vector<bool>& features) const {
  const auto mark = [&](const Needs& needs) {
    for (const auto& [feature, choice] : needs) features[feature] = true;
  };
  for (const Ways& ways : ways_) {
    for (const Needs& needs : ways) mark(needs);
  }
  for (const auto& [needs, slot_bytes] : slots_) mark(needs);
}

}  // namespace qsplit::lease
