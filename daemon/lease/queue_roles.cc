#include "daemon/lease/queue_roles.h"

#include <algorithm>
#include <set>

namespace qsplit::lease {
namespace {

// Ways to reach a form that are told apart; those behind them are not looked at. A spec has a
// handful.
constexpr size_t kMaxWays = 64;

Needs With(Needs needs, const google::protobuf::RepeatedPtrField<v1::FeatureChoice>& more) {
  for (const v1::FeatureChoice& need : more) needs.emplace_back(need.feature(), need.choice());
  std::sort(needs.begin(), needs.end());
  needs.erase(std::unique(needs.begin(), needs.end()), needs.end());
  return needs;
}

void Mark(const Needs& needs, std::vector<bool>& features) {
  for (const auto& [feature, choice] : needs) features[feature] = true;
}

}  // namespace

bool Meets(const Needs& needs, const Choices& choices) {
  return std::all_of(needs.begin(), needs.end(),
                     [&](const auto& need) { return choices[need.first] == need.second; });
}

bool MeetsAny(const Ways& ways, const Choices& choices) {
  return std::any_of(ways.begin(), ways.end(),
                     [&](const Needs& needs) { return Meets(needs, choices); });
}

// How each form can be reached, containers before what they contain.
class QueueRoles::Collector {
 public:
  explicit Collector(const v1::Layout& layout)
      : layout_(layout), reached_(static_cast<size_t>(layout.forms_size())) {}

  void Reach(uint32_t form, const Needs& needs) {
    std::set<Needs>& ways = reached_[form];
    if (ways.size() < kMaxWays) {
      ways.insert(With(needs, layout_.forms(static_cast<int>(form)).features()));
    }
  }

  std::map<std::string, Ways, std::less<>> Roles() {
    std::map<std::string, std::set<Needs>> found;
    // A form contains only forms of lower indices.
    for (size_t i = reached_.size(); i-- > 0;) {
      const v1::Form& form = layout_.forms(static_cast<int>(i));
      for (const Needs& needs : reached_[i]) {
        for (const v1::ContainedForm& part : form.contains()) Reach(part.form(), needs);
        for (const v1::Field& field : form.fields()) {
          if (!field.role().empty()) found[field.role()].insert(With(needs, field.features()));
        }
      }
    }
    std::map<std::string, Ways, std::less<>> roles;
    for (const auto& [role, ways] : found) roles[role].assign(ways.begin(), ways.end());
    return roles;
  }

 private:
  const v1::Layout& layout_;
  std::vector<std::set<Needs>> reached_;  // by form
};

QueueRoles::QueueRoles(const v1::Layout& layout, const v1::Queue& queue) {
  Collector collector(layout);
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
  for (const v1::ContextRule& context : queue.contexts()) {
    collector.Reach(context.form(), {});
    if (context.has_done_form()) collector.Reach(context.done_form(), {});
  }
  ways_ = collector.Roles();
}

const Ways& QueueRoles::WaysTo(std::string_view role) const {
  static const Ways kNone;
  const auto found = ways_.find(role);
  return found == ways_.end() ? kNone : found->second;
}

uint32_t QueueRoles::SlotBytes(const Choices& choices) const {
  uint32_t bytes = 0;
  for (const auto& [needs, slot_bytes] : slots_) {
    if (Meets(needs, choices)) bytes += slot_bytes;
  }
  return bytes;
}

uint32_t QueueRoles::LeastSlotBytes() const {
  uint32_t bytes = 0;
  for (const auto& [needs, slot_bytes] : slots_) {
    if (needs.empty()) bytes += slot_bytes;
  }
  return bytes;
}

void QueueRoles::MarkFeaturesOf(std::string_view role, std::vector<bool>& features) const {
  for (const Needs& needs : WaysTo(role)) Mark(needs, features);
}

void QueueRoles::MarkFeaturesOfSlots(std::vector<bool>& features) const {
  for (const auto& [needs, slot_bytes] : slots_) Mark(needs, features);
}

}  // namespace qsplit::lease
