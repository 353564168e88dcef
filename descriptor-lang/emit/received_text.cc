#include "descriptor-lang/emit/received_text.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "descriptor-lang/emit/header_names.h"
#include "descriptor-lang/emit/slot_words.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

// Bits that decide a table: more make it larger than a cache likes.
constexpr size_t kMostBits = 7;

bool SpeaksInOnlyOne(const v1::Field& field) {
  return field.position() != v1::PACKET_POSITION_REST;
}

}  // namespace

ReceivedText::ReceivedText(const FormText& form, const v1::Queue& queue, std::string name,
                           uint32_t bytes, bool ends)
    : form_(form), name_(std::move(name)), bytes_(bytes) {
  FindLength();
  FindLast(queue, ends);
  FindNumbers();
  FindChecksums();
  if (why_not_.empty()) MakeTables();
  const auto add = [&](const NumberField& number) {
    FormText::AddBits(*number.field, &bits_);
    bits_.insert(number.bits.begin(), number.bits.end());
  };
  for (const auto* const numbers : {&lengths_, &tags_, &hashes_}) {
    for (const NumberField& number : *numbers) add(number);
  }
  if (offset_ != nullptr) FormText::AddBits(*offset_, &bits_);
  for (const BitSet* const more : {&l3_.bits, &l4_.bits, &last_bits_}) {
    bits_.insert(more->begin(), more->end());
  }
}

void ReceivedText::FindLength() {
  std::vector<const v1::Field*> fields = form_.FieldsOf(Role::kPacketSnapLength);
  if (fields.empty()) fields = form_.FieldsOf(Role::kPacketLength);
  for (const v1::Field* const field : fields) {
    NumberField& length = lengths_.emplace_back();
    length.field = field;
    const auto when = form_.Holds(field->valid_when(), &length.bits);
    if (!when.has_value()) why_not_ = "its length depends on the ring's state";
    length.when = when.value_or("");
  }
  offset_ = form_.FieldOf(Role::kPacketOffset);
}

void ReceivedText::FindLast(const v1::Queue& queue, bool ends) {
  const v1::PacketRule& packet = queue.packet();
  const auto count = [&]() -> const v1::Field* {
    for (const v1::FieldReference& reference : packet.fields()) {
      if (reference.form() == form_.number()) return &form_.FieldOf(reference);
    }
    return nullptr;
  };
  switch (packet.span()) {
    case v1::SPAN_SINGLE:
      return;
    case v1::SPAN_ADJACENT_UNTIL_LAST:
      if (!ends) return;
      break;
    case v1::SPAN_COUNT_IN_FIRST:
    case v1::SPAN_COMPLETIONS:
      if (const v1::Field* const field = count(); field != nullptr) {
        last_ = form_.Value(*field) + " <= 1";
        FormText::AddBits(*field, &bits_);
      }
      return;
    default:
      why_not_ = "what a packet consists of is not said by its completions alone";
      return;
  }
  if (form_.form().position() == v1::PACKET_POSITION_LAST) return;
  if (const v1::Field* const field = form_.FieldOf(Role::kPacketLast); field != nullptr) {
    last_ = form_.IsSet(*field);
    set_last_ = text::Cat(form_.Raw(*field, "set_"));
    // "X::set_eop_raw(d)" takes the value as well.
    set_last_.insert(set_last_.size() - 1, field->inverted() ? ", 0" : ", 1");
    FormText::AddBits(*field, &last_bits_);
    return;
  }
  const auto when = form_.Holds(packet.last_when(), &bits_);
  if (!when.has_value()) why_not_ = "nothing in it says which one is a packet's last";
  last_ = when.value_or("");
}

void ReceivedText::FindNumbers() {
  const auto find = [&](Role role, std::vector<NumberField>* numbers) {
    for (const v1::Field* const field : form_.FieldsOf(role)) {
      if (!SpeaksInOnlyOne(*field)) continue;
      NumberField& number = numbers->emplace_back();
      number.field = field;
      const auto when = form_.Holds(field->valid_when(), &number.bits);
      if (!when.has_value()) why_not_ = "a number in it depends on the ring's state";
      number.when = when.value_or("");
    }
    // Where several are there, the last one counts.
    for (size_t i = 0; i + 1 < numbers->size(); ++i) {
      for (size_t k = i + 1; k < numbers->size(); ++k) {
        const std::string not_other = text::Cat("!(", (*numbers)[k].when, ")");
        (*numbers)[i].when = (*numbers)[i].when.empty()
                                 ? not_other
                                 : text::Cat("(", (*numbers)[i].when, ") && ", not_other);
        (*numbers)[i].bits.insert((*numbers)[k].bits.begin(), (*numbers)[k].bits.end());
      }
    }
  };
  find(Role::kHashValue, &hashes_);
  find(Role::kVlanTci, &tags_);
  // A tag that was not taken out stands in the packet.
  for (const v1::Field* const flag : form_.FieldsOf(Role::kVlanStripped)) {
    if (!SpeaksInOnlyOne(*flag)) continue;
    BitSet bits;
    const std::string when = form_.Holds(flag->valid_when(), &bits).value_or("");
    FormText::AddBits(*flag, &bits);
    const std::string stripped = when.empty()
                                     ? form_.IsSet(*flag)
                                     : text::Cat("(!(", when, ") || ", form_.IsSet(*flag), ")");
    for (NumberField& tag : tags_) {
      tag.when = tag.when.empty() ? stripped : text::Cat("(", tag.when, ") && ", stripped);
      tag.bits.insert(bits.begin(), bits.end());
    }
  }
}

// Whether a flag with that role is there and set; empty: none has it.
std::string ReceivedText::Flags(Role role, Checksum* of) const {
  std::vector<std::string> any;
  for (const v1::Field* const flag : form_.FieldsOf(role)) {
    if (!SpeaksInOnlyOne(*flag)) continue;
    FormText::AddBits(*flag, &of->bits);
    const std::string when = form_.Holds(flag->valid_when(), &of->bits).value_or("");
    any.push_back(when.empty() ? form_.IsSet(*flag)
                               : text::Cat("(", when, " && ", form_.IsSet(*flag), ")"));
  }
  const std::string one = text::Join(any, " || ");
  return any.size() > 1 ? text::Cat("(", one, ")") : one;
}

void ReceivedText::FindChecksums() {
  const auto find = [&](Role checked, Role ok, Role bad, std::vector<Role> also, Checksum* sum) {
    std::vector<std::string> checks;
    const auto add = [&](Role role) {
      if (std::string flags = Flags(role, sum); !flags.empty()) checks.push_back(std::move(flags));
    };
    add(checked);
    const bool has_checked = !checks.empty();
    const std::string is_ok = Flags(ok, sum);
    const std::string is_bad = Flags(bad, sum);
    sum->there = has_checked || !is_ok.empty() || !is_bad.empty();
    if (!sum->there) {
      sum->bits.clear();
      return;
    }
    const auto choose = [&](const std::string& when, std::string_view state) {
      text::Append(sum->state, when, " ? qsplit_layout::Checksum::", state, " : ");
    };
    if (!is_bad.empty()) choose(is_bad, "kBad");
    if (!is_ok.empty()) {
      choose(is_ok, "kGood");
      // Without a flag that says bad, it is checked and not ok.
      if (is_bad.empty() && has_checked) choose(checks.front(), "kBad");
    } else {
      // Without one that says ok, it is checked and not bad.
      for (const Role role : also) add(role);
      if (!checks.empty()) choose(text::Cat("(", text::Join(checks, " || "), ")"), "kGood");
    }
    sum->state += "qsplit_layout::Checksum::kUnknown";
  };
  find(Role::kChecksumL3Checked, Role::kChecksumL3Ok, Role::kChecksumL3Bad,
       {Role::kChecksumChecked}, &l3_);
  find(Role::kChecksumL4Checked, Role::kChecksumL4Ok, Role::kChecksumL4Bad,
       {Role::kChecksumUdpChecked, Role::kChecksumChecked}, &l4_);
}

bool ReceivedText::SharesMembers(const ReceivedText& other) const {
  return (!hashes_.empty() && !other.hashes_.empty()) || (!tags_.empty() && !other.tags_.empty()) ||
         (l3_.there && other.l3_.there) || (l4_.there && other.l4_.there);
}

void ReceivedText::MakeTables() {
  // Into the first one that has place for it and stays small.
  const auto place = [&](const BitSet& from, auto member, const auto* what) {
    BitSet bits;
    std::ranges::set_difference(from, last_bits_, std::inserter(bits, bits.end()));
    const bool is_asked = bits.size() > kMostBits;
    for (Table& table : tables_) {
      if (is_asked) break;
      BitSet both = table.bits;
      both.insert(bits.begin(), bits.end());
      if (table.*member != nullptr || both.size() > kMostBits) continue;
      table.bits = std::move(both);
      table.*member = what;
      return;
    }
    Table& table = tables_.emplace_back();
    table.bits = std::move(bits);
    table.is_asked = is_asked;
    table.*member = what;
  };
  if (l4_.there) place(l4_.bits, &Table::l4, &l4_);
  if (l3_.there) place(l3_.bits, &Table::l3, &l3_);
  for (const NumberField& tag : tags_) place(tag.bits, &Table::tag, &tag);
  for (const NumberField& hash : hashes_) place(hash.bits, &Table::hash, &hash);
}

std::string ReceivedText::Verdict(const Table& table, size_t number) const {
  std::string out = text::Cat("  static constexpr qsplit_layout::Received::Part verdict_", number,
                              "([[maybe_unused]] const uint8_t* d) {\n"
                              "    qsplit_layout::Received::Part v;\n");
  const auto add = [&](const std::string& when, std::string_view what) {
    text::Append(out, "    ", when.empty() ? "" : text::Cat("if (", when, ") "), "v.", what, ";\n");
  };
  if (table.l3 != nullptr) add("", text::Cat("l3(", table.l3->state, ")"));
  if (table.l4 != nullptr) add("", text::Cat("l4(", table.l4->state, ")"));
  if (table.tag != nullptr) add(table.tag->when, "has_tag()");
  if (table.hash != nullptr) add(table.hash->when, "has_hash()");
  return out + "    return v;\n  }\n";
}

// Runs of bits that stand side by side in a word move together.
std::string ReceivedText::Index(const Table& table, size_t number) const {
  uint32_t word_bytes = 8;
  while (bytes_ % word_bytes != 0) word_bytes /= 2;
  const uint32_t word_bits = word_bytes * 8;
  std::vector<std::string> terms;
  uint32_t place = 0;
  for (auto bit = table.bits.begin(); bit != table.bits.end();) {
    const BitPosition first = *bit;
    uint32_t run = 0;
    while (bit != table.bits.end() && *bit == first + run &&
           *bit / word_bits == first / word_bits) {
      ++bit;
      ++run;
    }
    const uint32_t shift = first % word_bits;
    const std::string word = text::Cat("(uint64_t{qsplit_load<uint", word_bits, "_t, false>(d + ",
                                       first / word_bits * word_bytes, ")}");
    terms.push_back(text::Cat(word, shift >= place ? " >> " : " << ",
                              shift >= place ? shift - place : place - shift, " & ",
                              Number(LowBits(run) << place), ")"));
    place += run;
  }
  return text::Cat("  static constexpr uint64_t index_", number,
                   "([[maybe_unused]] const uint8_t* d) {\n    return ",
                   terms.empty() ? "0u" : text::Join(terms, " |\n           "), ";\n  }\n");
}

std::string ReceivedText::Declarations() const {
  std::string out = text::Cat("// What ", form_.form().name(),
                              " says of a packet that has one buffer.\nstruct ", name_, " {\n",
                              "  static constexpr bool is_whole([[maybe_unused]] const uint8_t* d) "
                              "{\n    return ",
                              last_.empty() ? "true" : last_, ";\n  }\n");
  if (has_length()) {
    std::string value;
    for (const NumberField& length : lengths_) {
      text::Append(value, length.when.empty() ? "" : text::Cat(length.when, " ? "),
                   form_.Value(*length.field), length.when.empty() ? "" : " : ");
      if (length.when.empty()) break;
    }
    if (!lengths_.back().when.empty()) value += "uint64_t{0}";
    text::Append(out, "  static constexpr uint64_t length(const uint8_t* d) {\n    return ", value,
                 ";\n  }\n");
  }
  for (size_t i = 0; i < tables_.size(); ++i) {
    out += Verdict(tables_[i], i);
    if (!tables_[i].is_asked) out += Index(tables_[i], i);
  }
  out += "};\n";
  for (size_t i = 0; i < tables_.size(); ++i) {
    if (tables_[i].is_asked) continue;
    std::vector<std::string> bits;
    for (const BitPosition bit : tables_[i].bits) bits.push_back(text::Cat(bit, "u"));
    text::Append(out, "[[gnu::visibility(\"hidden\")]] inline constexpr auto ", name_, "_", i,
                 " = qsplit_layout::parts<", bytes_, bits.empty() ? "" : ", ",
                 text::Join(bits, ", "), ">([](uint8_t* d) {\n  ",
                 set_last_.empty() ? "" : set_last_ + ";\n  ", "return ", name_, "::verdict_", i,
                 "(d);\n});\n");
  }
  return out;
}

// Accessors are written for `d`.
std::string ReceivedText::In(std::string value, std::string_view bytes) {
  if (bytes != "d") value.replace(value.rfind("(d)"), 3, text::Cat("(", bytes, ")"));
  return value;
}

// A number of `bits` bits at the upper end of a word: where it stands in one of the slot's, a shift
// brings it there, and whatever stands beside it does no harm.
std::string ReceivedText::AtTop(const v1::Field& field, uint32_t bits,
                                std::string_view bytes) const {
  const std::vector<BitPosition> places = BitPositions(field);
  bool is_run = SlotWords::IsPlain(field) && places.size() == bits && bytes_ % 8 == 0;
  for (uint32_t i = 0; is_run && i < bits; ++i) {
    is_run = places[i] == places[0] + i && places[i] / 64 == places[0] / 64;
  }
  const uint32_t up = is_run ? 64 - bits - places[0] % 64 : 64 - bits;
  const std::string word =
      is_run ? text::Cat("qsplit_load<uint64_t, false>(", bytes, " + ", places[0] / 64 * 8, ")")
             : In(form_.Value(field), bytes);
  return up == 0 ? word : text::Cat(word, " << ", up);
}

std::string ReceivedText::Statements(std::string_view indent, std::string_view bytes) const {
  std::string out;
  const std::string kNone = "~uint64_t{0}";
  for (size_t i = 0; i < tables_.size(); ++i) {
    const Table& table = tables_[i];
    const std::string part =
        table.is_asked ? text::Cat(name_, "::verdict_", i, "(", bytes, ")")
                       : text::Cat(name_, "_", i, "[", name_, "::index_", i, "(", bytes, ")]");
    const std::string hash = table.hash != nullptr ? AtTop(*table.hash->field, 32, bytes) : kNone;
    const std::string tag = table.tag != nullptr ? AtTop(*table.tag->field, 16, bytes) : kNone;
    const bool only_hash = table.tag == nullptr && table.l3 == nullptr && table.l4 == nullptr;
    text::Append(out, indent, only_hash ? "r.add_hash(" : "r.add(", part, ", ", hash,
                 only_hash ? "" : ", " + tag, ");\n");
  }
  if (offset_ != nullptr) {
    text::Append(out, indent, "offset += ", In(form_.Value(*offset_), bytes), ";\n");
  }
  return out;
}

}  // namespace qsplit::layout
