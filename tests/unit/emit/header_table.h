// What the emitted headers of all layouts offer, as tables of functions.
#ifndef QSPLIT_TESTS_UNIT_EMIT_HEADER_TABLE_H_
#define QSPLIT_TESTS_UNIT_EMIT_HEADER_TABLE_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>

namespace qsplit::testing {

// One number: of the C++ header, then of the C header.
struct HeaderRow {
  const char* form;
  const char* field;
  uint64_t (*cpp_raw)(const uint8_t*);
  uint64_t (*cpp_get)(const uint8_t*);
  void (*cpp_set_raw)(uint8_t*, uint64_t);
  void (*cpp_set)(uint8_t*, uint64_t);
  bool (*cpp_has)(const uint8_t*);  // null: always
  unsigned long long (*c_raw)(const unsigned char*);
  unsigned long long (*c_get)(const unsigned char*);
  void (*c_set_raw)(unsigned char*, unsigned long long);
  void (*c_set)(unsigned char*, unsigned long long);
  int (*c_has)(const unsigned char*);
};

// The sum of all numbers of a form, by the C++ header's accessors.
struct HeaderSum {
  const char* form;
  uint64_t (*sum)(const uint8_t*);
  uint32_t numbers;
};

struct Header {
  std::string cpp_digest;
  std::string c_digest;
  std::span<const HeaderRow> rows;
  std::span<const HeaderSum> sums;
};

inline std::map<std::string, Header>& Headers() {
  static auto* const headers = new std::map<std::string, Header>;
  return *headers;
}

inline bool AddHeader(const char* layout, Header header) {
  Headers()[layout] = std::move(header);
  return true;
}

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_UNIT_EMIT_HEADER_TABLE_H_
