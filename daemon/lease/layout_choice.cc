#include "daemon/lease/layout_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "daemon/lease/feature_choice.h"
#include "daemon/policy/error.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::lease {
namespace {

using policy::Error;
using Names = std::vector<std::string>;

constexpr size_t kMaxRoles = 64;

// What client-lib/src/software.cc computes of received packets, and what its Send does.
constexpr std::string_view kComputed[] = {
    "checksum.checked", "checksum.l3.bad", "checksum.l3.checked", "checksum.l3.ok",
    "checksum.l4.bad",  "checksum.l4.ok",  "checksum.l4.checked", "checksum.udp.checked",
    "hash.type",        "hash.value",      "vlan.present",        "vlan.stripped",
    "vlan.tci"};
constexpr std::string_view kDone[] = {"checksum.l3.request", "checksum.l4.request", "vlan.insert",
                                      "vlan.tci"};

// A layout, set up in some way.
struct Candidate {
  const layout::VerifiedLayout* layout = nullptr;
  Choices choices;
  uint32_t slot_bytes = 0;
  Names hard;                 // missing, and software cannot help
  Names soft;                 // missing, software can
  bool hard_receive = false;  // `hard` begins with a receive role

  bool BetterThan(const Candidate& other) const {
    return std::tuple(hard.size(), soft.size(), slot_bytes) <
           std::tuple(other.hard.size(), other.soft.size(), other.slot_bytes);
  }
};

// A direction in which queues are wanted.
struct Side {
  v1::Direction direction;
  const Names& roles;
  QueueRoles queue;
};

void Add(const std::string& role, Names& names) {
  if (std::find(names.begin(), names.end(), role) == names.end()) names.push_back(role);
}

// The best way to set one layout up.
class Search {
 public:
  // The layout must outlive this.
  Search(const layout::VerifiedLayout& layout, const PinnedChoices& pinned, std::vector<Side> sides)
      : layout_(layout), sides_(std::move(sides)), free_(pinned.size()) {
    for (const auto& pin : pinned) choices_.push_back(pin.value_or(0));
    for (const Side& side : sides_) side.queue.MarkFeatures(free_);
    for (size_t i = 0; i < pinned.size(); ++i) {
      if (pinned[i]) free_[i] = false;
    }
  }

  Candidate Best() {
    best_ = Judge();
    tries_ = 1;
    for (size_t away = 1; away <= choices_.size(); ++away) Vary(0, away);
    return *std::move(best_);
  }

 private:
  // Tries everything with `away` features, from `first` on, away from their defaults.
  void Vary(size_t first, size_t away) {
    for (size_t i = first; i < choices_.size() && tries_ < kMaxTries; ++i) {
      if (!free_[i]) continue;
      const int count = layout_.message().features(static_cast<int>(i)).choices_size();
      for (int choice = 1; choice < count && tries_ < kMaxTries; ++choice) {
        choices_[i] = static_cast<uint32_t>(choice);
        if (away > 1) {
          Vary(i + 1, away - 1);
          continue;
        }
        ++tries_;
        if (Candidate candidate = Judge(); candidate.BetterThan(*best_)) best_ = candidate;
      }
      choices_[i] = 0;
    }
  }

  Candidate Judge() const {
    Candidate candidate{.layout = &layout_, .choices = choices_};
    for (const Side& side : sides_) {
      candidate.slot_bytes += side.queue.SlotBytes(choices_);
      for (size_t i = 0; i < side.roles.size(); ++i) {
        if (side.queue.Has(i, choices_)) continue;
        const bool soft = SoftwareCanCompute(side.direction, side.roles[i]);
        Add(side.roles[i], soft ? candidate.soft : candidate.hard);
        if (!soft && side.direction == v1::DIRECTION_RECEIVE) candidate.hard_receive = true;
      }
    }
    return candidate;
  }

  const layout::VerifiedLayout& layout_;
  const std::vector<Side> sides_;
  std::vector<bool> free_;  // by feature: what is chosen matters, and may be chosen
  Choices choices_;
  std::optional<Candidate> best_;
  int tries_ = 0;
};

// nullopt: it has no queue of a direction that is wanted.
std::optional<std::vector<Side>> SidesOf(const layout::VerifiedLayout& layout,
                                         const LayoutWish& wish) {
  std::vector<Side> sides;
  for (const v1::Direction direction : {v1::DIRECTION_RECEIVE, v1::DIRECTION_TRANSMIT}) {
    const bool receive = direction == v1::DIRECTION_RECEIVE;
    if (!(receive ? wish.receive : wish.transmit)) continue;
    const v1::Queue* queue = layout.FindQueue(direction);
    if (queue == nullptr) return std::nullopt;
    const Names& roles = receive ? wish.rx_roles : wish.tx_roles;
    sides.push_back({direction, roles, QueueRoles(layout.message(), *queue, roles)});
  }
  return sides;
}

struct Found {
  std::optional<Candidate> best;  // it may lack roles
  bool named = false;             // there is a layout of the name asked for
  bool featured = false;          // and one with the features asked for
};

Found Find(std::span<const layout::VerifiedLayout> offered, const LayoutWish& wish,
           const std::vector<FeatureWish>& features) {
  Found found;
  for (const layout::VerifiedLayout& layout : offered) {
    if (!wish.name.empty() && layout.name() != wish.name) continue;
    found.named = true;
    const auto pinned = PinChoices(layout.message(), features);
    if (!pinned) continue;
    found.featured = true;
    auto sides = SidesOf(layout, wish);
    if (!sides) continue;
    Candidate candidate = Search(layout, *pinned, *std::move(sides)).Best();
    if (!found.best || candidate.BetterThan(*found.best)) found.best = std::move(candidate);
  }
  return found;
}

absl::Status CheckRoles(std::string_view field, const Names& roles) {
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

absl::Status NoSuchLayout(std::span<const layout::VerifiedLayout> offered, const LayoutWish& wish) {
  Names names;
  for (const layout::VerifiedLayout& layout : offered) names.push_back(layout.name());
  const std::string list = fmt::format("{}", fmt::join(names, ", "));
  const std::string shown = wish.name.substr(0, 64);
  return Error(v1::ERROR_REASON_NOT_FOUND, "layout", shown, list,
               fmt::format("the device offers no layout '{}'; it offers {}", shown, list));
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

std::string Describe(const Candidate& candidate) {
  Names features;
  const v1::Layout& layout = candidate.layout->message();
  for (int i = 0; i < layout.features_size(); ++i) {
    const uint32_t choice = candidate.choices[static_cast<size_t>(i)];
    if (choice != 0) features.push_back(NameOfChoice(layout.features(i), choice));
  }
  return features.empty()
             ? candidate.layout->name()
             : fmt::format("{} with {}", candidate.layout->name(), fmt::join(features, ", "));
}

// `nearest` lacks the fewest of the roles that software cannot compute.
absl::Status MissingRoles(std::span<const layout::VerifiedLayout> offered, const LayoutWish& wish,
                          const Candidate& nearest) {
  const std::string list = fmt::format("{}", fmt::join(nearest.hard, ", "));
  std::string limit;
  std::string message;
  if (wish.name.empty() && wish.features.empty()) {
    message = fmt::format(
        "no layout of the device has all the roles asked for; {} comes nearest and lacks {}: do "
        "without, or choose another device",
        Describe(nearest), list);
  } else {
    LayoutWish any = wish;
    any.name.clear();
    any.features.clear();
    const Found other = Find(offered, any, {});
    const bool there = other.best && other.best->hard.empty();
    if (there) limit = Describe(*other.best);
    message = fmt::format("{} lacks {}; {}", Describe(nearest), list,
                          there ? limit +
                                      " has all the roles asked for: leave layout and features "
                                      "to the daemon, or do without"
                                : "and no other layout of the device has all the roles asked for: "
                                  "do without, or choose another device");
  }
  return Error(v1::ERROR_REASON_MISSING_ROLES, nearest.hard_receive ? "rx_roles" : "tx_roles", list,
               limit, message);
}

}  // namespace

bool SoftwareCanCompute(v1::Direction direction, std::string_view role) {
  if (direction == v1::DIRECTION_TRANSMIT) {
    return std::find(std::begin(kDone), std::end(kDone), role) != std::end(kDone);
  }
  return std::find(std::begin(kComputed), std::end(kComputed), role) != std::end(kComputed);
}

absl::StatusOr<LayoutChoice> ChooseLayout(std::span<const layout::VerifiedLayout> offered,
                                          const LayoutWish& wish) {
  if (absl::Status s = CheckRoles("rx_roles", wish.rx_roles); !s.ok()) return s;
  if (absl::Status s = CheckRoles("tx_roles", wish.tx_roles); !s.ok()) return s;
  const auto features = ParseFeatures(wish.features);
  if (!features.ok()) return features.status();
  const Found found = Find(offered, wish, *features);
  if (!found.named && !wish.name.empty()) return NoSuchLayout(offered, wish);
  if (!found.featured && !wish.features.empty()) return NoSuchFeatures(offered, wish);
  if (!found.best) {
    return Error(v1::ERROR_REASON_UNSUPPORTED, "layout", wish.name, "",
                 "no layout that the device offers has queues of the directions asked for");
  }
  if (!found.best->hard.empty()) return MissingRoles(offered, wish, *found.best);
  return LayoutChoice{*found.best->layout, found.best->choices, found.best->soft};
}

}  // namespace qsplit::lease
