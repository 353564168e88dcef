// NetdevSteering as the journal's fields: numbers in decimal, keys and rules in hexadecimal.
#include <charconv>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "daemon/linux/netdev_steering.h"

namespace qsplit::linux_sys {
namespace {

constexpr char kFeature[] = "feature_";

absl::Status Damaged(absl::string_view field, absl::string_view value) {
  return absl::DataLossError(
      absl::StrCat("steering of a netdev: field ", field, " is '", value, "'; it is damaged"));
}

bool IsHex(absl::string_view text) {
  return text.size() % 2 == 0 &&
         text.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

absl::StatusOr<std::vector<uint32_t>> Numbers(const std::string& field, const std::string& value) {
  std::vector<uint32_t> numbers;
  for (const absl::string_view word : absl::StrSplit(value, ' ', absl::SkipEmpty())) {
    if (uint32_t number = 0; absl::SimpleAtoi(word, &number)) {
      numbers.push_back(number);
    } else {
      return Damaged(field, value);
    }
  }
  return numbers;
}

// Names of features have '-', those of fields '_'.
std::string Swapped(std::string name, char from, char to) {
  for (char& c : name) c = c == from ? to : c;
  return name;
}

}  // namespace

std::string ToText(std::span<const NtupleRule> rules) {
  return absl::StrJoin(rules, " ", [](std::string* out, const NtupleRule& rule) {
    // What stands in gaps is nobody's.
    NtupleRule clean;
    std::memset(&clean, 0, sizeof clean);
    clean.flow_type = rule.flow_type;
    clean.h_u = rule.h_u;
    clean.h_ext = rule.h_ext;
    clean.m_u = rule.m_u;
    clean.m_ext = rule.m_ext;
    clean.ring_cookie = rule.ring_cookie;
    clean.location = rule.location;
    absl::StrAppend(out, absl::BytesToHexString(absl::string_view(
                             reinterpret_cast<const char*>(&clean), sizeof clean)));
  });
}

absl::StatusOr<std::vector<NtupleRule>> RulesOfText(const std::string& text) {
  std::vector<NtupleRule> rules;
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (word.size() != 2 * sizeof(NtupleRule) || !IsHex(word)) return Damaged("rules", word);
    std::memcpy(&rules.emplace_back(), absl::HexStringToBytes(word).data(), sizeof(NtupleRule));
  }
  return rules;
}

SteeringFields ToFields(const NetdevSteering& steering) {
  SteeringFields fields;
  if (const auto& channels = steering.channels) {
    fields["channels"] = absl::StrCat(channels->rx, " ", channels->tx, " ", channels->other, " ",
                                      channels->combined);
  }
  if (const auto& rss = steering.rss) {
    fields["rss_table"] = absl::StrJoin(rss->table, " ");
    fields["rss_key"] = absl::BytesToHexString(
        absl::string_view(reinterpret_cast<const char*>(rss->key.data()), rss->key.size()));
    fields["rss_hash"] = absl::StrCat(rss->hash_function);
  }
  for (const auto& [name, on] : steering.features) {
    fields[kFeature + Swapped(name, '-', '_')] = on ? "1" : "0";
  }
  return fields;
}

absl::StatusOr<NetdevSteering> SteeringOfFields(const SteeringFields& fields) {
  NetdevSteering steering;
  for (const auto& [field, value] : fields) {
    if (field == "rss_key") {
      if (!IsHex(value)) return Damaged(field, value);
      if (!steering.rss.has_value()) steering.rss.emplace();
      const std::string bytes = absl::HexStringToBytes(value);
      steering.rss->key.assign(bytes.begin(), bytes.end());
      continue;
    }
    const absl::StatusOr<std::vector<uint32_t>> numbers = Numbers(field, value);
    if (!numbers.ok()) return numbers.status();
    const std::vector<uint32_t>& n = *numbers;
    if (field == "channels" && n.size() == 4) {
      steering.channels = ChannelCounts{.rx = n[0], .tx = n[1], .other = n[2], .combined = n[3]};
    } else if (field == "rss_table") {
      if (!steering.rss.has_value()) steering.rss.emplace();
      steering.rss->table = n;
    } else if (field == "rss_hash" && n.size() == 1) {
      if (!steering.rss.has_value()) steering.rss.emplace();
      steering.rss->hash_function = n[0];
    } else if (field.rfind(kFeature, 0) == 0 && n.size() == 1 && n[0] <= 1) {
      steering.features[Swapped(field.substr(std::strlen(kFeature)), '_', '-')] = n[0] == 1;
    } else {
      return Damaged(field, value);
    }
  }
  return steering;
}

}  // namespace qsplit::linux_sys
