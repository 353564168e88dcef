#include "tests/bench/steering/dpdk_tables.h"

#include <rte_acl.h>
#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_version.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

namespace qsplit::bench {
namespace {

constexpr size_t kBurst = 32;
constexpr size_t kSrcIp = 4, kDstIp = 8, kSrcPort = 12, kDstPort = 14;

template <typename T>
void PutBig(uint8_t* at, T value) {
  for (size_t i = sizeof(T); i-- > 0; value = static_cast<T>(value >> 8 * (sizeof(T) > 1))) {
    at[i] = static_cast<uint8_t>(value);
  }
}

class HashTable final : public DpdkTable {
 public:
  HashTable(rte_hash* table, std::vector<uint32_t> locations)
      : table_(table), locations_(std::move(locations)) {}
  ~HashTable() override { rte_hash_free(table_); }

  void LookupEach(std::span<const DpdkKey> keys, uint32_t* answers) override {
    for (size_t i = 0; i < keys.size(); ++i) {
      answers[i] = static_cast<uint32_t>(rte_hash_lookup(table_, &keys[i]));
    }
  }
  void LookupBursts(std::span<const DpdkKey> keys, uint32_t* answers) override {
    const void* pointers[kBurst];
    for (size_t begin = 0; begin < keys.size(); begin += kBurst) {
      const size_t count = std::min(kBurst, keys.size() - begin);
      for (size_t i = 0; i < count; ++i) pointers[i] = &keys[begin + i];
      rte_hash_lookup_bulk(table_, pointers, static_cast<uint32_t>(count),
                           reinterpret_cast<int32_t*>(answers + begin));
    }
  }
  // A position, or less than 0.
  uint32_t LocationOf(uint32_t answer) const override {
    return answer >> 31 != 0 ? kNoRule : locations_[answer];
  }

 private:
  rte_hash* const table_;
  const std::vector<uint32_t> locations_;  // by position
};

class AclTable final : public DpdkTable {
 public:
  explicit AclTable(rte_acl_ctx* table) : table_(table) {
    for (const Way& way : kWays) {
      if (rte_acl_set_ctx_classify(table, way.number) != 0) continue;
      method_ = way.name;
      break;
    }
  }
  ~AclTable() override { rte_acl_free(table_); }

  void LookupEach(std::span<const DpdkKey> keys, uint32_t* answers) override {
    for (size_t i = 0; i < keys.size(); ++i) {
      const uint8_t* pointer = keys[i].bytes;
      rte_acl_classify(table_, &pointer, answers + i, 1, 1);
    }
  }
  void LookupBursts(std::span<const DpdkKey> keys, uint32_t* answers) override {
    const uint8_t* pointers[kBurst];
    for (size_t begin = 0; begin < keys.size(); begin += kBurst) {
      const size_t count = std::min(kBurst, keys.size() - begin);
      for (size_t i = 0; i < count; ++i) pointers[i] = keys[begin + i].bytes;
      rte_acl_classify(table_, pointers, answers + begin, static_cast<uint32_t>(count), 1);
    }
  }
  // Its rule's number, 1 above the location; or 0.
  uint32_t LocationOf(uint32_t answer) const override { return answer - 1; }
  std::string Method() const override { return method_; }

 private:
  struct Way {
    enum rte_acl_classify_alg number;
    const char* name;
  };
  static constexpr Way kWays[] = {
      {RTE_ACL_CLASSIFY_AVX512X32, "avx512x32"}, {RTE_ACL_CLASSIFY_AVX512X16, "avx512x16"},
      {RTE_ACL_CLASSIFY_AVX2, "avx2"},           {RTE_ACL_CLASSIFY_SSE, "sse"},
      {RTE_ACL_CLASSIFY_NEON, "neon"},           {RTE_ACL_CLASSIFY_SCALAR, "scalar"}};

  rte_acl_ctx* const table_;
  std::string method_;
};

enum Field : uint8_t {
  kProtocolField,
  kSrcIpField,
  kDstIpField,
  kSrcPortField,
  kDstPortField,
  kFields
};

rte_acl_field_def Define(uint8_t type, uint8_t size, Field field, uint8_t input, size_t offset) {
  rte_acl_field_def def{};
  def.type = type;
  def.size = size;
  def.field_index = field;
  def.input_index = input;
  def.offset = static_cast<uint32_t>(offset);
  return def;
}

rte_acl_config Config() {
  rte_acl_config config{};
  config.num_categories = 1;
  config.num_fields = kFields;
  config.defs[0] = Define(RTE_ACL_FIELD_TYPE_BITMASK, 1, kProtocolField, 0, 0);
  config.defs[1] = Define(RTE_ACL_FIELD_TYPE_MASK, 4, kSrcIpField, 1, kSrcIp);
  config.defs[2] = Define(RTE_ACL_FIELD_TYPE_MASK, 4, kDstIpField, 2, kDstIp);
  config.defs[3] = Define(RTE_ACL_FIELD_TYPE_RANGE, 2, kSrcPortField, 3, kSrcPort);
  config.defs[4] = Define(RTE_ACL_FIELD_TYPE_RANGE, 2, kDstPortField, 3, kDstPort);
  return config;
}

RTE_ACL_RULE_DEF(AclRule, kFields);

AclRule ToAcl(const TupleRule& rule) {
  AclRule to{};
  to.data.category_mask = 1;
  to.data.priority = RTE_ACL_MAX_PRIORITY - static_cast<int32_t>(rule.location);
  to.data.userdata = rule.location + 1;
  to.field[kProtocolField].value.u8 = rule.value.protocol;
  to.field[kProtocolField].mask_range.u8 = rule.mask.protocol;
  const auto address = [](uint32_t value, uint32_t mask, rte_acl_field* field) {
    field->value.u32 = value;
    field->mask_range.u32 = static_cast<uint32_t>(std::popcount(mask));
  };
  address(rule.value.src_ip, rule.mask.src_ip, &to.field[kSrcIpField]);
  address(rule.value.dst_ip, rule.mask.dst_ip, &to.field[kDstIpField]);
  const auto port = [](uint16_t value, uint16_t mask, rte_acl_field* field) {
    field->value.u16 = value;
    field->mask_range.u16 = static_cast<uint16_t>(value | ~mask);
  };
  port(rule.value.src_port, rule.mask.src_port, &to.field[kSrcPortField]);
  port(rule.value.dst_port, rule.mask.dst_port, &to.field[kDstPortField]);
  return to;
}

}  // namespace

bool StartDpdk() {
  std::string words[] = {
      "bench_steering_lookup", "--no-huge",      "-m", "512", "--no-pci",
      "--no-shconf",           "--no-telemetry", "-l", "0",   "--force-max-simd-bitwidth=512",
      "--log-level=error"};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  return rte_eal_init(static_cast<int>(arguments.size()), arguments.data()) >= 0;
}

std::string DpdkVersion() { return rte_version(); }

DpdkKey KeyOf(const FiveTuple& tuple) {
  DpdkKey key;
  key.bytes[0] = tuple.protocol;
  PutBig(&key.bytes[kSrcIp], tuple.src_ip);
  PutBig(&key.bytes[kDstIp], tuple.dst_ip);
  PutBig(&key.bytes[kSrcPort], tuple.src_port);
  PutBig(&key.bytes[kDstPort], tuple.dst_port);
  return key;
}

std::unique_ptr<DpdkTable> MakeDpdkHash(std::span<const TupleRule> rules) {
  rte_hash_parameters parameters{};
  parameters.name = "steering";
  // Some room, so that every rule finds a place.
  parameters.entries = static_cast<uint32_t>(std::bit_ceil(2 * rules.size()));
  parameters.key_len = sizeof(DpdkKey);
  parameters.hash_func = rte_hash_crc;
  rte_hash* const table = rte_hash_create(&parameters);
  if (table == nullptr) return nullptr;
  std::vector<uint32_t> locations(parameters.entries + 1, kNoRule);
  for (const TupleRule& rule : rules) {
    const DpdkKey key = KeyOf(rule.value);
    const int32_t at = rte_hash_add_key(table, &key);
    if (at < 0) return nullptr;
    locations[static_cast<size_t>(at)] =
        std::min(locations[static_cast<size_t>(at)], rule.location);
  }
  return std::make_unique<HashTable>(table, std::move(locations));
}

std::unique_ptr<DpdkTable> MakeDpdkAcl(std::span<const TupleRule> rules) {
  // Two of one name would be one.
  static int made_before = 0;
  const std::string name = "steering" + std::to_string(made_before++);
  rte_acl_param parameters{};
  parameters.name = name.c_str();
  parameters.socket_id = SOCKET_ID_ANY;
  parameters.rule_size = RTE_ACL_RULE_SZ(kFields);
  parameters.max_rule_num = static_cast<uint32_t>(rules.size());
  rte_acl_ctx* const table = rte_acl_create(&parameters);
  if (table == nullptr) return nullptr;
  std::unique_ptr<DpdkTable> made = std::make_unique<AclTable>(table);
  std::vector<AclRule> list;
  for (const TupleRule& rule : rules) list.push_back(ToAcl(rule));
  const rte_acl_config config = Config();
  if (rte_acl_add_rules(table, reinterpret_cast<const rte_acl_rule*>(list.data()),
                        static_cast<uint32_t>(list.size())) != 0 ||
      rte_acl_build(table, &config) != 0) {
    return nullptr;
  }
  return made;
}

}  // namespace qsplit::bench
