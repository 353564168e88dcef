#include "daemon/backend/af_xdp/netdev_records.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "daemon/journal/field_reader.h"

namespace qsplit::af_xdp {
namespace {

// Records: a netdev as it was, and a rule of the daemon's in it.
constexpr char kFormer[] = "netdev";
constexpr char kRule[] = "netdev-rule";
constexpr char kTables[] = "rss_set";
constexpr char kRuleField[] = "rule";
constexpr char kForm[] = "form";  // of a rule
constexpr char kAsked[] = "asked";
constexpr char kShown[] = "shown";          // as in records of former daemons, which do not say it
constexpr char kCookie[] = "netns_cookie";  // not in records of former daemons

void Put(const NetdevId& netdev, journal::Fields* fields) {
  (*fields)["netns"] = netdev.netns;
  (*fields)["netdev"] = netdev.netdev;
  (*fields)["ifindex"] = absl::StrCat(netdev.ifindex);
  (*fields)[kCookie] = absl::StrCat(netdev.netns_cookie);
}

absl::StatusOr<NetdevId> NetdevOf(const journal::Record& record) {
  journal::FieldReader reader(record, record.kind);
  NetdevId netdev{.netns = reader.Text("netns"),
                  .netdev = reader.Text("netdev"),
                  .ifindex = reader.Number<uint32_t>("ifindex")};
  if (record.fields.contains(kCookie)) netdev.netns_cookie = reader.Number<uint64_t>(kCookie);
  if (!reader.status().ok()) return reader.status();
  return netdev;
}

absl::StatusOr<std::vector<std::vector<uint32_t>>> TablesOf(const std::string& text) {
  std::vector<std::vector<uint32_t>> tables;
  for (const absl::string_view table : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    std::vector<uint32_t>& queues = tables.emplace_back();
    for (const absl::string_view word : absl::StrSplit(table, ' ')) {
      if (!absl::SimpleAtoi(word, &queues.emplace_back())) {
        return absl::DataLossError(
            absl::StrCat("RSS tables of a netdev: '", text, "'; they are damaged"));
      }
    }
  }
  return tables;
}

absl::Status ReadFormer(const journal::Record& record, NetdevRecords* of) {
  journal::Fields fields = record.fields;
  for (const char* name : {"netns", "netdev", "ifindex", kCookie}) fields.erase(name);
  if (const auto field = fields.extract(kTables); !field.empty()) {
    auto tables = TablesOf(field.mapped());
    if (!tables.ok()) return tables.status();
    of->tables = *std::move(tables);
  }
  absl::StatusOr<linux_sys::NetdevSteering> before = linux_sys::SteeringOfFields(fields);
  if (!before.ok()) return before.status();
  // The oldest is what was there before all changes.
  if (!of->before) of->before = *std::move(before);
  of->former.push_back(record.id);
  return absl::OkStatus();
}

absl::Status ReadRule(const journal::Record& record, NetdevRecords* of) {
  journal::FieldReader reader(record, kRule);
  const auto rules = linux_sys::RulesOfText(reader.Text(kRuleField));
  if (!reader.status().ok()) return reader.status();
  if (!rules.ok()) return rules.status();
  const auto form = record.fields.find(kForm);
  const bool shown = form == record.fields.end() || form->second == kShown;
  for (const linux_sys::NtupleRule& rule : *rules) of->rules.push_back({record.id, rule, shown});
  return absl::OkStatus();
}

journal::Fields FieldsOf(const NetdevRecords& records) {
  journal::Fields fields = linux_sys::ToFields(*records.before);
  if (!records.tables.empty()) {
    fields[kTables] = absl::StrJoin(records.tables, ",",
                                    [](std::string* out, const std::vector<uint32_t>& table) {
                                      absl::StrAppend(out, absl::StrJoin(table, " "));
                                    });
  }
  Put(records.netdev, &fields);
  return fields;
}

journal::Fields FieldsOf(const NetdevId& netdev, const linux_sys::NtupleRule& rule,
                         const char* form) {
  journal::Fields fields{{kRuleField, linux_sys::ToText(std::span(&rule, 1))}, {kForm, form}};
  Put(netdev, &fields);
  return fields;
}

}  // namespace

std::vector<NetdevRecords> ReadNetdevRecords(const journal::Journal& journal,
                                             std::vector<absl::Status>* damaged) {
  std::vector<NetdevRecords> all;
  for (const journal::Record& record : journal.Records()) {
    const bool former = record.kind == kFormer;
    if (!former && record.kind != kRule) continue;
    const absl::StatusOr<NetdevId> netdev = NetdevOf(record);
    if (!netdev.ok()) {
      damaged->push_back(netdev.status());
      continue;
    }
    auto of = std::ranges::find(all, *netdev, &NetdevRecords::netdev);
    if (of == all.end()) of = all.insert(all.end(), {.netdev = *netdev});
    absl::Status status = former ? ReadFormer(record, &*of) : ReadRule(record, &*of);
    if (!status.ok()) damaged->push_back(std::move(status));
  }
  std::ranges::reverse(all);
  return all;
}

NetdevRecords RecordsOf(const journal::Journal& journal, const NetdevId& netdev) {
  std::vector<absl::Status> damaged;  // who undoes says it
  for (NetdevRecords& records : ReadNetdevRecords(journal, &damaged)) {
    if (records.netdev == netdev) return std::move(records);
  }
  return {.netdev = netdev};
}

absl::StatusOr<journal::RecordId> AddFormer(journal::Journal& journal,
                                            const NetdevRecords& records) {
  return journal.Add(kFormer, FieldsOf(records));
}

absl::StatusOr<journal::RecordId> ReplaceFormer(journal::Journal& journal, journal::RecordId older,
                                                const NetdevRecords& records) {
  return journal.Replace(older, kFormer, FieldsOf(records));
}

absl::StatusOr<NetdevRecords::Rule> AskRule(journal::Journal& journal, const NetdevId& netdev,
                                            const linux_sys::NtupleRule& rule) {
  const auto record = journal.Add(kRule, FieldsOf(netdev, rule, kAsked));
  if (!record.ok()) return record.status();
  return NetdevRecords::Rule{.record = *record, .rule = rule, .shown = false};
}

absl::StatusOr<NetdevRecords::Rule> ShowRule(journal::Journal& journal, const NetdevId& netdev,
                                             const NetdevRecords::Rule& asked,
                                             const linux_sys::NtupleRule& shown) {
  const auto record = journal.Replace(asked.record, kRule, FieldsOf(netdev, shown, kShown));
  if (!record.ok()) return record.status();
  return NetdevRecords::Rule{.record = *record, .rule = shown, .shown = true};
}

absl::Status Strike(journal::Journal& journal, const NetdevRecords& records) {
  absl::Status first;
  for (const NetdevRecords::Rule& rule : records.rules) first.Update(journal.Done(rule.record));
  // Newest first: an older one is the truth as long as it is there.
  for (size_t i = records.former.size(); i-- > 0 && first.ok();) {
    first.Update(journal.Done(records.former[i]));
  }
  return first;
}

}  // namespace qsplit::af_xdp
