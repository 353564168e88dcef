#include "daemon/lease/layout_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <set>

#include "daemon/lease/feature_choice.h"
#include "daemon/policy/error.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::lease {
namespace {

using policy::Error;

constexpr size_t kMaxRoles = 64;
constexpr uint32_t kNormalBufferBytes = 2048;
// Where the layout sets no limit.
constexpr uint32_t kMostBufferBytes = 1U << 24;

using Names = std::set<std::string, std::less<>>;

using Choices = std::vector<uint32_t>;

// The roles of a form and of the forms inside it, in a queue that is set up with these choices.
void AddRoles(const v1::Layout& layout, const Choices& choices, uint32_t form_index, Names& roles) {
  const v1::Form& form = layout.forms(static_cast<int>(form_index));
  if (!layout::Applies(form.features(), choices)) return;
  for (const v1::Field& field : form.fields()) {
    if (!field.role().empty() && layout::Applies(field.features(), choices)) {
      roles.insert(field.role());
    }
  }
  // Contained forms have lower indices: this ends.
  for (const v1::ContainedForm& part : form.contains()) {
    AddRoles(layout, choices, part.form(), roles);
  }
}

Names RolesOf(const v1::Layout& layout, const Choices& choices, const v1::Queue& queue) {
  Names roles;
  const bool transmit = queue.direction() == v1::DIRECTION_TRANSMIT;
  for (const v1::Ring& ring : queue.rings()) {
    if (!layout::Applies(ring.features(), choices)) continue;
    for (uint32_t form : ring.complete_forms()) AddRoles(layout, choices, form, roles);
    if (!transmit) continue;
    for (uint32_t form : ring.post_forms()) AddRoles(layout, choices, form, roles);
  }
  for (const v1::ContextRule& context : queue.contexts()) {
    AddRoles(layout, choices, context.form(), roles);
  }
  return roles;
}

uint32_t SlotBytes(const v1::Queue& queue, const Choices& choices) {
  uint32_t bytes = 0;
  for (const v1::Ring& ring : queue.rings()) {
    if (layout::Applies(ring.features(), choices)) bytes += ring.slot_bytes();
  }
  return bytes;
}

struct Candidate {
  const layout::VerifiedLayout* layout = nullptr;
  Choices choices;
  uint32_t slot_bytes = 0;
  std::vector<std::string> hard;  // missing, and software cannot help
  std::vector<std::string> soft;  // missing, software can
};

void Sort(const std::vector<std::string>& wanted, const Names& there, Candidate& candidate) {
  for (const std::string& role : wanted) {
    if (there.contains(role)) continue;
    auto& missing = SoftwareCanCompute(role) ? candidate.soft : candidate.hard;
    if (std::find(missing.begin(), missing.end(), role) == missing.end()) missing.push_back(role);
  }
}

// nullopt: it has no queue of a direction that is wanted.
std::optional<Candidate> Judge(const layout::VerifiedLayout& layout, const Choices& choices,
                               const LayoutWish& wish) {
  Candidate candidate{.layout = &layout, .choices = choices};
  const struct {
    bool wanted;
    v1::Direction direction;
    const std::vector<std::string>& roles;
  } sides[] = {{wish.receive, v1::DIRECTION_RECEIVE, wish.rx_roles},
               {wish.transmit, v1::DIRECTION_TRANSMIT, wish.tx_roles}};
  for (const auto& side : sides) {
    if (!side.wanted) continue;
    const v1::Queue* queue = layout.FindQueue(side.direction);
    if (queue == nullptr) return std::nullopt;
    candidate.slot_bytes += SlotBytes(*queue, choices);
    Sort(side.roles, RolesOf(layout.message(), choices, *queue), candidate);
  }
  return candidate;
}

absl::Status CheckRoles(std::string_view field, const std::vector<std::string>& roles) {
  if (roles.size() > kMaxRoles) {
    return Error(v1::ERROR_REASON_MALFORMED, field, fmt::format("{}", roles.size()),
                 fmt::format("{}", kMaxRoles),
                 fmt::format("{} names {} roles; name at most {}", field, roles.size(), kMaxRoles));
  }
  for (const std::string& role : roles) {
    if (layout::FindRole(role)) continue;
    const std::string shown = role.substr(0, 64);
    return Error(
        v1::ERROR_REASON_MALFORMED, field, shown, "",
        fmt::format("'{}' is no role; see the vocabulary, for example packet.length", shown));
  }
  return absl::OkStatus();
}

absl::Status NoSuchFeatures(std::span<const layout::VerifiedLayout> offered,
                            const LayoutWish& wish) {
  const std::string wanted = fmt::format("{}", fmt::join(wish.features, ", "));
  for (const layout::VerifiedLayout& layout : offered) {
    if (layout.name() != wish.name) continue;
    const std::string there = DescribeFeatures(layout.message());
    return Error(v1::ERROR_REASON_NOT_FOUND, "features", wanted, there,
                 fmt::format("layout {} cannot be set up with {}; {}", wish.name, wanted,
                             there.empty() ? "it has no features" : "it has " + there));
  }
  return Error(v1::ERROR_REASON_NOT_FOUND, "features", wanted, "",
               fmt::format("no layout that the device offers can be set up with {}; name the "
                           "layout that is meant, or leave them out",
                           wanted));
}

bool Allowed(const v1::SlotRange& range, uint32_t slots) {
  return slots >= range.min() && slots <= range.max() &&
         (slots - range.min()) % std::max(range.step(), 1U) == 0 &&
         (!range.power_of_two() || std::has_single_bit(slots));
}

// The highest count that is allowed and not above, else the lowest that is allowed; 0: none is.
uint32_t Nearest(const v1::SlotRange& range, uint32_t slots) {
  if (range.power_of_two()) {
    for (uint32_t n = std::bit_floor(std::min(slots, range.max())); n > 0; n /= 2) {
      if (Allowed(range, n)) return n;
    }
    for (uint32_t n = 1; n != 0 && n <= range.max(); n *= 2) {
      if (Allowed(range, n)) return n;
    }
    return 0;
  }
  if (slots < range.min()) return range.min();
  const uint32_t step = std::max(range.step(), 1U);
  const uint32_t capped = std::min(slots, range.max());
  return range.min() + (capped - range.min()) / step * step;
}

std::string Describe(const v1::SlotRange& range) {
  std::string text = fmt::format("{}..{}", range.min(), range.max());
  if (range.step() > 1) text += fmt::format(" step {}", range.step());
  if (range.power_of_two()) text += " powers of two";
  return text;
}

}  // namespace

bool SoftwareCanCompute(std::string_view role) {
  return role == "hash.value" || role.starts_with("checksum.") || role.starts_with("vlan.");
}

absl::StatusOr<LayoutChoice> ChooseLayout(std::span<const layout::VerifiedLayout> offered,
                                          const LayoutWish& wish) {
  if (absl::Status s = CheckRoles("rx_roles", wish.rx_roles); !s.ok()) return s;
  if (absl::Status s = CheckRoles("tx_roles", wish.tx_roles); !s.ok()) return s;
  auto features = ParseFeatures(wish.features);
  if (!features.ok()) return features.status();
  bool named = wish.name.empty();
  bool pinned = features->empty();
  std::optional<Candidate> best;
  std::optional<Candidate> nearest;  // of those that lack roles, for the error
  for (const layout::VerifiedLayout& layout : offered) {
    if (!wish.name.empty() && layout.name() != wish.name) continue;
    named = true;
    const auto pins = PinChoices(layout.message(), *features);
    if (!pins) continue;
    pinned = true;
    Choices choices;
    for (const auto& pin : *pins) choices.push_back(pin.value_or(0));
    std::optional<Candidate> candidate = Judge(layout, choices, wish);
    if (!candidate) continue;
    if (!candidate->hard.empty()) {
      if (!nearest || candidate->hard.size() < nearest->hard.size()) nearest = candidate;
      continue;
    }
    if (!best || candidate->soft.size() < best->soft.size() ||
        (candidate->soft.size() == best->soft.size() && candidate->slot_bytes < best->slot_bytes)) {
      best = candidate;
    }
  }
  if (best) return LayoutChoice{*best->layout, best->choices, best->soft};
  if (!named) {
    std::vector<std::string> names;
    for (const layout::VerifiedLayout& layout : offered) names.push_back(layout.name());
    const std::string list = fmt::format("{}", fmt::join(names, ", "));
    const std::string shown = wish.name.substr(0, 64);
    return Error(v1::ERROR_REASON_NOT_FOUND, "layout", shown, list,
                 fmt::format("the device offers no layout '{}'; it offers {}", shown, list));
  }
  if (!pinned) return NoSuchFeatures(offered, wish);
  if (nearest) {
    const std::string list = fmt::format("{}", fmt::join(nearest->hard, ", "));
    return Error(v1::ERROR_REASON_MISSING_ROLES, wish.rx_roles.empty() ? "tx_roles" : "rx_roles",
                 list, "",
                 fmt::format("no layout {} has the roles {}; do without them or choose another "
                             "device",
                             wish.name.empty() ? "of the device" : "of this name", list));
  }
  return Error(v1::ERROR_REASON_UNSUPPORTED, "layout", wish.name, "",
               "no layout that the device offers has queues of the directions asked for");
}

absl::StatusOr<uint32_t> ChooseSlots(const v1::Queue& queue, uint32_t wanted, uint32_t normal,
                                     std::string_view field) {
  uint32_t slots = wanted != 0 ? wanted : normal;
  if (wanted == 0) {
    // One count for all rings: each pass settles it for one more.
    for (int pass = 0; pass < queue.rings_size(); ++pass) {
      for (const v1::Ring& ring : queue.rings()) slots = Nearest(ring.slots(), slots);
    }
  }
  for (const v1::Ring& ring : queue.rings()) {
    if (Allowed(ring.slots(), slots)) continue;
    return Error(
        v1::ERROR_REASON_OUT_OF_RANGE, field, fmt::format("{}", slots), Describe(ring.slots()),
        fmt::format("{} slots are not what ring {} of the layout allows, {}; take {}", slots,
                    ring.name(), Describe(ring.slots()), Nearest(ring.slots(), slots)));
  }
  return slots;
}

absl::StatusOr<uint32_t> ChooseBufferBytes(const v1::Queue& queue, uint32_t wanted) {
  const v1::BufferRange& range = queue.limits().buffer();
  if (range.max_bytes() == 0) {  // the layout sets no limit
    if (wanted <= kMostBufferBytes) return wanted != 0 ? wanted : kNormalBufferBytes;
    return Error(v1::ERROR_REASON_OUT_OF_RANGE, "rx_buffer_bytes", fmt::format("{}", wanted),
                 fmt::format("{}", kMostBufferBytes),
                 fmt::format("receive buffers of {} bytes are too large; take at most {}", wanted,
                             kMostBufferBytes));
  }
  const uint32_t step = std::max(range.step_bytes(), 1U);
  const uint32_t asked = wanted != 0 ? wanted : kNormalBufferBytes;
  uint32_t near = range.min_bytes();
  if (asked > range.min_bytes()) {
    near += (std::min(asked, range.max_bytes()) - range.min_bytes()) / step * step;
  }
  if (range.power_of_two()) near = std::bit_floor(near);
  if (wanted == 0 || near == wanted) return near;
  return Error(v1::ERROR_REASON_OUT_OF_RANGE, "rx_buffer_bytes", fmt::format("{}", wanted),
               fmt::format("{}..{} step {}{}", range.min_bytes(), range.max_bytes(), step,
                           range.power_of_two() ? " powers of two" : ""),
               fmt::format("receive buffers of {} bytes are not what the layout allows, {}..{} "
                           "bytes in steps of {}{}; take {}",
                           wanted, range.min_bytes(), range.max_bytes(), step,
                           range.power_of_two() ? ", powers of two" : "", near));
}

}  // namespace qsplit::lease
