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

// How well some way to set a layout up does; less is better.
struct Score {
  size_t hard = 0;  // roles that are missing, and software cannot help
  size_t soft = 0;  // roles that are missing, and software can
  uint32_t slot_bytes = 0;

  auto operator<=>(const Score&) const = default;
};

// A layout, set up in some way.
struct Candidate {
  const LayoutOffer* offer = nullptr;
  Choices choices;
  Score score;
};

// A role that is wanted of queues of a direction.
struct WantedRole {
  const std::string& name;
  const Ways& ways;
  bool receive;
  bool soft;  // software can do without
};

// A direction in which queues are wanted.
struct Side {
  const QueueRoles& queue;
  std::vector<WantedRole> roles;
};

void Add(const std::string& role, Names& names) {
  if (std::find(names.begin(), names.end(), role) == names.end()) names.push_back(role);
}

// The best way to set one layout up.
class Search {
 public:
  // Both must outlive this.
  Search(const LayoutOffer& offer, const PinnedChoices& pinned, const std::vector<Side>& sides)
      : offer_(offer), sides_(sides), free_(pinned.size()) {
    for (const Side& side : sides_) {
      ideal_.slot_bytes += side.queue.LeastSlotBytes();
      side.queue.MarkFeaturesOfSlots(free_);
      for (const WantedRole& role : side.roles) side.queue.MarkFeaturesOf(role.name, free_);
    }
    for (size_t i = 0; i < pinned.size(); ++i) {
      choices_.push_back(
          pinned[i].value_or(static_cast<uint32_t>(std::countr_zero(offer.allowed[i]))));
      if (pinned[i]) free_[i] = false;
    }
  }

  Candidate Best() {
    best_ = Judge();
    best_choices_ = choices_;
    tries_ = 1;
    const auto free = static_cast<size_t>(std::count(free_.begin(), free_.end(), true));
    for (size_t away = 1; away <= free && !Done(); ++away) Vary(0, away);
    return {&offer_, best_choices_, best_};
  }

 private:
  // Tries everything with `away` features, from `first` on, away from their defaults.
  void Vary(size_t first, size_t away) {
    for (size_t i = first; i < choices_.size() && !Done(); ++i) {
      if (!free_[i]) continue;
      const uint32_t normal = choices_[i];
      const auto end = static_cast<uint32_t>(std::bit_width(offer_.allowed[i]));
      for (uint32_t choice = normal + 1; choice < end && !Done(); ++choice) {
        if (!offer_.Allows(i, choice)) continue;
        choices_[i] = choice;
        if (away > 1) {
          Vary(i + 1, away - 1);
          continue;
        }
        ++tries_;
        if (const Score score = Judge(); score < best_) {
          best_ = score;
          best_choices_ = choices_;
        }
      }
      choices_[i] = normal;
    }
  }

  bool Done() const { return tries_ >= kMaxTries || best_ == ideal_; }

  Score Judge() const {
    Score score;
    for (const Side& side : sides_) {
      score.slot_bytes += side.queue.SlotBytes(choices_);
      for (const WantedRole& role : side.roles) {
        if (!MeetsAny(role.ways, choices_)) ++(role.soft ? score.soft : score.hard);
      }
    }
    return score;
  }

  const LayoutOffer& offer_;
  const std::vector<Side>& sides_;
  std::vector<bool> free_;  // by feature: what is chosen matters, and may be chosen
  Choices choices_;
  Score ideal_;  // nothing can be better
  Score best_;
  Choices best_choices_;
  int tries_ = 0;
};

// nullopt: it has no queue of a direction that is wanted.
std::optional<std::vector<Side>> SidesOf(const LayoutOffer& offer, const LayoutWish& wish) {
  std::vector<Side> sides;
  for (const v1::Direction direction : {v1::DIRECTION_RECEIVE, v1::DIRECTION_TRANSMIT}) {
    const bool receive = direction == v1::DIRECTION_RECEIVE;
    if (!(receive ? wish.receive : wish.transmit)) continue;
    const std::optional<QueueRoles>& queue = offer.queue(direction);
    if (!queue) return std::nullopt;
    Side& side = sides.emplace_back(Side{*queue, {}});
    std::set<std::string_view> seen;
    for (const std::string& role : receive ? wish.rx_roles : wish.tx_roles) {
      if (!seen.insert(role).second) continue;  // named twice
      side.roles.push_back(
          {role, queue->WaysTo(role), receive, SoftwareCanCompute(direction, role)});
    }
  }
  return sides;
}

// What the candidate lacks of what is wanted.
struct Missing {
  Names hard, soft;
  bool hard_receive = false;  // `hard` begins with a receive role
};

Missing MissingOf(const Candidate& candidate, const LayoutWish& wish) {
  Missing missing;
  const auto sides = SidesOf(*candidate.offer, wish);
  for (const Side& side : *sides) {
    for (const WantedRole& role : side.roles) {
      if (MeetsAny(role.ways, candidate.choices)) continue;
      if (!role.soft && missing.hard.empty()) missing.hard_receive = role.receive;
      Add(role.name, role.soft ? missing.soft : missing.hard);
    }
  }
  return missing;
}

bool AllowsAll(const LayoutOffer& offer, const PinnedChoices& pinned) {
  for (size_t i = 0; i < pinned.size(); ++i) {
    if (pinned[i] && !offer.Allows(i, *pinned[i])) return false;
  }
  return true;
}

struct Found {
  std::optional<Candidate> best;         // it may lack roles
  bool named = false;                    // there is a layout of the name asked for
  bool featured = false;                 // and one with the features asked for
  const LayoutOffer* refused = nullptr;  // whose choices the device does not allow
};

Found Find(std::span<const LayoutOffer> offered, const LayoutWish& wish,
           const std::vector<FeatureWish>& features) {
  Found found;
  for (const LayoutOffer& offer : offered) {
    if (!wish.name.empty() && offer.layout.name() != wish.name) continue;
    found.named = true;
    const auto pinned = PinChoices(offer.layout.message(), features);
    if (!pinned) continue;
    if (!AllowsAll(offer, *pinned)) {
      found.refused = &offer;
      continue;
    }
    found.featured = true;
    auto sides = SidesOf(offer, wish);
    if (!sides) continue;
    Candidate candidate = Search(offer, *pinned, *sides).Best();
    if (!found.best || candidate.score < found.best->score) found.best = std::move(candidate);
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

absl::Status NoSuchLayout(std::span<const LayoutOffer> offered, const LayoutWish& wish) {
  Names names;
  for (const LayoutOffer& offer : offered) names.push_back(offer.layout.name());
  const std::string list = fmt::format("{}", fmt::join(names, ", "));
  const std::string shown = wish.name.substr(0, 64);
  return Error(v1::ERROR_REASON_NOT_FOUND, "layout", shown, list,
               fmt::format("the device offers no layout '{}'; it offers {}", shown, list));
}

absl::Status NoSuchFeatures(std::span<const LayoutOffer> offered, const LayoutWish& wish) {
  const std::string wanted = fmt::format("{}", fmt::join(wish.features, ", "));
  for (const LayoutOffer& offer : offered) {
    if (offer.layout.name() != wish.name) continue;
    const std::string there = DescribeFeatures(offer.layout.message());
    return Error(v1::ERROR_REASON_NOT_FOUND, "features", wanted, there,
                 fmt::format("layout {} cannot be set up with {}; {}", wish.name, wanted,
                             there.empty() ? "it has no features" : "it has " + there));
  }
  return Error(v1::ERROR_REASON_NOT_FOUND, "features", wanted, "",
               fmt::format("no layout that the device offers can be set up with {}; name the "
                           "layout that is meant, or leave them out",
                           wanted));
}

// The layout has these features; the device cannot be set up with them.
absl::Status NotAllowed(const LayoutOffer& offer, const LayoutWish& wish) {
  const std::string wanted = fmt::format("{}", fmt::join(wish.features, ", "));
  const std::string there = DescribeFeatures(offer.layout.message(), offer.allowed);
  return Error(v1::ERROR_REASON_UNSUPPORTED, "features", wanted, there,
               fmt::format("the device cannot be set up with {}; with layout {} it can with {}",
                           wanted, offer.layout.name(), there));
}

std::string Describe(const Candidate& candidate) {
  Names features;
  const v1::Layout& layout = candidate.offer->layout.message();
  for (int i = 0; i < layout.features_size(); ++i) {
    const uint32_t choice = candidate.choices[static_cast<size_t>(i)];
    if (choice != 0) features.push_back(NameOfChoice(layout.features(i), choice));
  }
  return features.empty()
             ? candidate.offer->layout.name()
             : fmt::format("{} with {}", candidate.offer->layout.name(), fmt::join(features, ", "));
}

// `nearest` lacks the fewest of the roles that software cannot compute.
absl::Status MissingRoles(std::span<const LayoutOffer> offered, const LayoutWish& wish,
                          const Candidate& nearest) {
  const Missing missing = MissingOf(nearest, wish);
  const std::string list = fmt::format("{}", fmt::join(missing.hard, ", "));
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
    const bool there = other.best && other.best->score.hard == 0;
    if (there) limit = Describe(*other.best);
    message = fmt::format("{} lacks {}; {}", Describe(nearest), list,
                          there ? limit +
                                      " has all the roles asked for: leave layout and features "
                                      "to the daemon, or do without"
                                : "and no other layout of the device has all the roles asked for: "
                                  "do without, or choose another device");
  }
  return Error(v1::ERROR_REASON_MISSING_ROLES, missing.hard_receive ? "rx_roles" : "tx_roles", list,
               limit, message);
}

}  // namespace

bool SoftwareCanCompute(v1::Direction direction, std::string_view role) {
  if (direction == v1::DIRECTION_TRANSMIT) {
    return std::find(std::begin(kDone), std::end(kDone), role) != std::end(kDone);
  }
  return std::find(std::begin(kComputed), std::end(kComputed), role) != std::end(kComputed);
}

absl::StatusOr<LayoutChoice> ChooseLayout(std::span<const LayoutOffer> offered,
                                          const LayoutWish& wish) {
  if (absl::Status s = CheckRoles("rx_roles", wish.rx_roles); !s.ok()) return s;
  if (absl::Status s = CheckRoles("tx_roles", wish.tx_roles); !s.ok()) return s;
  const auto features = ParseFeatures(wish.features);
  if (!features.ok()) return features.status();
  const Found found = Find(offered, wish, *features);
  if (!found.named && !wish.name.empty()) return NoSuchLayout(offered, wish);
  if (!found.featured && found.refused != nullptr) return NotAllowed(*found.refused, wish);
  if (!found.featured && !wish.features.empty()) return NoSuchFeatures(offered, wish);
  if (!found.best) {
    return Error(v1::ERROR_REASON_UNSUPPORTED, "layout", wish.name, "",
                 "no layout that the device offers has queues of the directions asked for");
  }
  if (found.best->score.hard != 0) return MissingRoles(offered, wish, *found.best);
  return LayoutChoice{found.best->offer->layout, found.best->choices,
                      MissingOf(*found.best, wish).soft};
}

}  // namespace qsplit::lease
