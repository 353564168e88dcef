// What the bytes of one form say of a received packet, as C++ for the emitted header: length, hash,
// VLAN tag and checksum states, read by roles. What a few bits decide is looked up in tables that
// the compiler makes of the same functions.
//
//   struct NAME {                      functions of a form's bytes: whether it is its packet's
//   last,
//   };                                 its length, a verdict and the bits that decide it
//   inline constexpr … NAME_0 = …;     what the verdict is, by those bits
//
// Reads one layout, which must outlive it. Any thread.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_RECEIVED_TEXT_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_RECEIVED_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "descriptor-lang/emit/form_text.h"

namespace qsplit::layout {

class ReceivedText {
 public:
  // name: of the structure that is emitted. bytes: how many of the form are read. ends: whether it
  // has to say that a packet ends there, where descriptors do.
  ReceivedText(const FormText& form, const v1::Queue& queue, std::string name, uint32_t bytes,
               bool ends);

  ReceivedText(const ReceivedText&) = delete;
  ReceivedText& operator=(const ReceivedText&) = delete;

  // Why it cannot be said; empty: it can.
  const std::string& why_not() const { return why_not_; }
  bool has_length() const { return !lengths_.empty(); }
  // Whether both speak of one member.
  bool SharesMembers(const ReceivedText& other) const;

  // The structure and its tables.
  std::string Declarations() const;
  // Statements that add what it says to `r`, a Received; indent: in front of each; bytes: the name
  // of the form's.
  std::string Statements(std::string_view indent, std::string_view bytes) const;
  // The length as it stands there; only with has_length().
  std::string Length() const { return name_ + "::length"; }
  std::string IsWhole() const { return name_ + "::is_whole"; }
  // All bits of the form that are looked at.
  const BitSet& bits() const { return bits_; }

 private:
  // A number that is there when a bit of the verdict says so.
  struct NumberField {
    const v1::Field* field = nullptr;
    std::string when;  // empty: always
    BitSet bits;
  };
  // A checksum's state, told by flags.
  struct Checksum {
    bool there = false;
    std::string state;
    BitSet bits;
  };
  // Members that one table decides.
  struct Table {
    BitSet bits;
    bool is_asked = false;  // too many bits decide it: no table, the verdict itself
    const NumberField* hash = nullptr;
    const NumberField* tag = nullptr;
    const Checksum* l3 = nullptr;
    const Checksum* l4 = nullptr;
  };

  void FindLength();
  void FindNumbers();
  void FindChecksums();
  void FindLast(const v1::Queue& queue, bool ends);
  void MakeTables();
  std::string Flags(Role role, Checksum* of) const;
  std::string Verdict(const Table& table, size_t number) const;
  std::string Index(const Table& table, size_t number) const;
  static std::string In(std::string value, std::string_view bytes);
  std::string AtTop(const v1::Field& field, uint32_t bits, std::string_view bytes) const;

  FormText form_;
  std::string name_;
  uint32_t bytes_;
  std::string why_not_;
  std::string last_;                  // an expression; empty: always
  std::string set_last_;              // a statement that makes it true
  BitSet last_bits_;                  // which are known then
  std::vector<NumberField> lengths_;  // at most one of them is there
  const v1::Field* offset_ = nullptr;
  std::vector<NumberField> hashes_;
  std::vector<NumberField> tags_;
  Checksum l3_;
  Checksum l4_;
  std::vector<Table> tables_;
  BitSet bits_;
};

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_RECEIVED_TEXT_H_
