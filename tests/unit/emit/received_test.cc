// The emitted headers' bursts say of received packets what the data plane says, on the same bytes:
// the engine, its plan interpreted, machine code made of it, and the header, over every spec; of
// honest devices and of bytes at random.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "dataplane/in_place_rx.h"
#include "dataplane/ring_rx_driver.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "tests/support/rounds.h"
#include "tests/unit/burst/rx_sides.h"
#include "tests/unit/emit/bursts_of_case.h"
#include "tests/unit/emit/header_table.h"

namespace qsplit::testing {
namespace {

using namespace dataplane;           // NOLINT
using namespace dataplane::testing;  // NOLINT

constexpr RxFields kWanted =
    RxField::kHash | RxField::kVlanTci | RxField::kL3Checksum | RxField::kL4Checksum;
constexpr uint32_t kPacketBytes = 1500;  // a buffer for each

// A receive queue of which the header has bursts.
struct ReceivedCase {
  RxCase rx;
  // Of completions, of the queue's rings; null: no burst takes them.
  int ring = 0;
  const RingLoopsRow* row = nullptr;
  // And of buffers.
  int post_ring = 0;
  const RingLoopsRow* post_row = nullptr;
  bool in_place = false;
  int post_rings = 0;
};
void PrintTo(const ReceivedCase& c, std::ostream* os) { *os << c.rx.name; }

template <typename Driver>
void AddCases(bool in_place, std::vector<ReceivedCase>* cases) {
  for (const RxCase& c : CasesOf<Driver>()) {
    const v1::Queue& queue = c.layout->message().queues(static_cast<int>(c.queue));
    ReceivedCase one{c, 0, nullptr, 0, nullptr, in_place};
    ForEachRow(*c.layout, queue, c.choices, [&](int ring, const RingLoopsRow& row) {
      if (row.receive != nullptr) std::tie(one.ring, one.row) = std::tuple(ring, &row);
      // Which of several takes a buffer is the driver's choice.
      if (!queue.rings(ring).post_forms().empty()) ++one.post_rings;
      if (row.refill != nullptr) std::tie(one.post_ring, one.post_row) = std::tuple(ring, &row);
    });
    if (one.row != nullptr || (one.post_row != nullptr && one.post_rings == 1))
      cases->push_back(one);
  }
}
// Of completions, or else of buffers to post.
std::vector<ReceivedCase> Cases(bool of_completions) {
  std::vector<ReceivedCase> cases;
  AddCases<InPlaceRxDriver>(true, &cases);
  AddCases<RingRxDriver>(false, &cases);
  // What is driven in place, the other engine drives too.
  std::vector<ReceivedCase> each;
  for (const ReceivedCase& c : cases) {
    if (std::ranges::none_of(each, [&](const auto& e) { return e.rx.name == c.rx.name; })) {
      each.push_back(c);
    }
  }
  std::erase_if(each, [&](const ReceivedCase& c) {
    return of_completions ? c.row == nullptr : c.post_row == nullptr || c.post_rings != 1;
  });
  return each;
}

std::string Text(const Said& said) {
  RxCompletion c;
  c.length = said.length;
  c.offset = said.offset;
  c.first = c.last = true;
  c.meta.present = RxFields(said.present);
  c.meta.hash = said.hash;
  c.meta.vlan_tci = said.vlan_tci;
  c.meta.l3_checksum = static_cast<ChecksumState>(said.l3_checksum);
  c.meta.l4_checksum = static_cast<ChecksumState>(said.l4_checksum);
  return dataplane::testing::Text(c);
}

class Received : public ::testing::TestWithParam<ReceivedCase> {
 protected:
  const v1::Layout& message() const { return GetParam().rx.layout->message(); }
  const v1::Ring& ring() const {
    return message().queues(static_cast<int>(GetParam().rx.queue)).rings(GetParam().ring);
  }
  // Bits of a slot that decide whose it is and what it completes.
  std::vector<uint8_t> Deciding() const {
    std::vector<uint8_t> bits(ring().slot_bytes());
    const auto add_field = [&](const v1::Field& field) {
      for (const layout::ByteMask& mask : layout::ByteMasks(field)) {
        if (mask.byte < bits.size()) bits[mask.byte] |= mask.mask;
      }
    };
    const auto add = [&](const v1::FieldReference& reference) {
      add_field(message()
                    .forms(static_cast<int>(reference.form()))
                    .fields(static_cast<int>(reference.field())));
    };
    const auto add_condition = [&](const v1::Condition& condition) {
      for (const v1::Conjunction& conjunction : condition.any_of()) {
        for (const v1::Comparison& comparison : conjunction.all_of()) {
          add(comparison.field());
          if (comparison.has_other()) add(comparison.other());
        }
      }
    };
    add_condition(ring().completed().when());
    for (const v1::CompletionRule& rule : ring().completes()) {
      for (const v1::FieldReference& field : rule.fields()) add(field);
      add_condition(rule.when());
    }
    for (const uint32_t number : ring().complete_forms()) {
      const v1::Form& form = message().forms(static_cast<int>(number));
      add_condition(form.selector());
      for (const v1::Field& field : form.fields()) {
        if (field.constraint() == v1::CONSTRAINT_CONSTANT) add_field(field);
      }
    }
    return bits;
  }

  // Bytes of a buffer that the device may use.
  template <typename Sides>
  uint32_t RoomOf(const Sides& s, uint32_t cookie) const {
    return has_sizes_ ? s.bytes_of[cookie] : s.buffer_bytes;
  }
  // Whether descriptors say how large their buffers are.
  bool HasSizes() const {
    const auto has = [&](const v1::Form& form) {
      return std::ranges::any_of(
          form.fields(), [](const v1::Field& field) { return field.role() == "buffer.length"; });
    };
    for (const v1::Ring& ring : message().queues(static_cast<int>(GetParam().rx.queue)).rings()) {
      for (const uint32_t number : ring.post_forms()) {
        const v1::Form& form = message().forms(static_cast<int>(number));
        if (has(form)) return true;
        for (const v1::ContainedForm& part : form.contains()) {
          if (has(message().forms(static_cast<int>(part.form())))) return true;
        }
      }
    }
    return false;
  }

  template <typename Driver>
  void Compare(bool hostile);
  template <typename Driver>
  void ComparePosted();

  Random random_{20261126};
  uint64_t compared_ = 0;
  const bool has_sizes_ = HasSizes();
};

template <typename Driver>
void Received::Compare(bool hostile) {
  using Sides = RxSides<Driver>;
  const ReceivedCase& c = GetParam();
  Sides s(c.rx, kWanted, c.in_place ? 0 : kPacketBytes);
  ASSERT_TRUE(s.driven());
  ASSERT_NE(s.device, nullptr);
  const RingView& view = s.memory[0]->view().rings[static_cast<size_t>(c.ring)];
  const size_t bytes = size_t{view.slot_count} * ring().slot_bytes();
  const std::vector<uint8_t> deciding = Deciding();
  std::vector<uint64_t> copy((bytes + 7) / 8);
  const bool by_address = std::ranges::any_of(ring().completes(), [](const auto& rule) {
    return rule.key() == v1::COMPLETION_KEY_ADDRESS;
  });
  uint32_t strange = 0;
  Stand at = c.row->start;
  uint32_t cookie = 0;
  for (uint32_t step = 0; step < qsplit::testing::Rounds(120); ++step) {
    s.PostSame(&random_, &cookie);
    if (HasFatalFailure()) return;
    s.CompleteSome(&random_);
    if (hostile && c.in_place) s.Spoil(&random_);
    for (uint32_t n = random_() % 200; hostile && !c.in_place && n > 0; --n) {
      const uint32_t at_byte = random_() % static_cast<uint32_t>(bytes);
      const auto bit = static_cast<uint8_t>(1u << random_() % 8);
      if ((deciding[at_byte % ring().slot_bytes()] & bit) != 0) continue;
      view.slots[at_byte] ^= static_cast<std::byte>(bit);
    }
    s.Spread();
    std::memcpy(copy.data(), view.slots, bytes);
    const uint32_t before = s.driver[0]->Outstanding();
    const uint32_t most = random_() % 50;
    s.PollSame(most);
    if (HasFatalFailure()) return;
    // The header on the bytes that they saw.
    const auto front = [&](uint64_t, size_t number) -> const void* {
      if (number >= s.got.size()) return nullptr;
      return s.region[0]->bytes().data() + s.offset_of[s.got[number].cookie];
    };
    std::vector<Said> said;
    for (size_t k = 0; k < s.got.size(); k = said.size()) {
      // As many as there are with room for the same.
      const uint32_t room = RoomOf(s, s.got[k].cookie);
      uint32_t left = 1;
      while (!by_address && k + left < s.got.size() && RoomOf(s, s.got[k + left].cookie) == room)
        ++left;
      // The rest of a packet is not the burst's.
      const uint32_t n = s.got[k].first ? c.row->receive(copy.data(), view.slot_count, left, &at,
                                                         room, front, &said)
                                        : 0;
      ASSERT_EQ(said.size(), k + n);
      RxCompletion wanted = s.got[k];
      wanted.cookie = 0;
      if (by_address && n == 1 && Text(said[k]) != dataplane::testing::Text(wanted)) {
        // The data plane passes over addresses that it did not post: its completions are among the
        // header's, in their order.
        ASSERT_LT(++strange, 300u);
        said.pop_back();
        continue;
      }
      for (size_t i = k; i < said.size(); ++i) {
        RxCompletion expected = s.got[i];
        expected.cookie = 0;
        ASSERT_EQ(Text(said[i]), dataplane::testing::Text(expected))
            << "step " << step << ", number " << i << " of " << s.got.size();
      }
      compared_ += n;
      if (n == left) continue;
      if (by_address && s.got[k].first && s.got[k].last) {
        Slots passed;  // another one that it passed over
        ASSERT_LT(++strange, 300u);
        ASSERT_EQ(c.row->poll(copy.data(), view.slot_count, 1, &at, &passed), 1u);
        continue;
      }
      // It stops in front of what is not a whole packet, or none that the layout knows.
      const RxCompletion& next = s.got[k + n];
      ASSERT_TRUE(!next.first || !next.last || next.meta.present.Has(RxField::kError))
          << "step " << step << ": stopped in front of " << dataplane::testing::Text(next);
      Slots one;
      ASSERT_EQ(c.row->poll(copy.data(), view.slot_count, 1, &at, &one), 1u);
      said.emplace_back();
    }
    // And sees no more than they did.
    if (c.in_place && ring().completed().has_when() && s.got.size() < std::min(most, before)) {
      Stand here = at;
      Slots none;
      ASSERT_EQ(c.row->poll(copy.data(), view.slot_count, 1, &here, &none), 0u);
    }
  }
}

// The value of a field with one of these roles, in the form that buffers are posted with, at `d`.
uint32_t ValueOf(const ReceivedCase& c, std::initializer_list<std::string_view> roles,
                 const uint8_t* d) {
  const v1::Layout& message = c.rx.layout->message();
  for (const v1::Form& form : message.forms()) {
    if (form.name() != c.post_row->refill_form) continue;
    for (const v1::Field& field : form.fields()) {
      if (std::ranges::find(roles, field.role()) == roles.end()) continue;
      for (const HeaderRow& row : Headers().at(message.name()).rows) {
        if (row.form == form.name() && row.field == field.name()) {
          return static_cast<uint32_t>(row.cpp_get(d));
        }
      }
    }
  }
  return 0;
}

template <typename Driver>
void Received::ComparePosted() {
  const ReceivedCase& c = GetParam();
  RxSides<Driver> s(c.rx, kWanted, c.in_place ? 0 : kPacketBytes);
  ASSERT_TRUE(s.driven());
  ASSERT_NE(s.device, nullptr);
  const v1::Ring& posts = message().queues(static_cast<int>(c.rx.queue)).rings(c.post_ring);
  const RingView& view = s.memory[0]->view().rings[static_cast<size_t>(c.post_ring)];
  const uint32_t slot_bytes = posts.slot_bytes();
  std::vector<uint64_t> copy((size_t{view.slot_count} * slot_bytes + 7) / 8);
  auto* const slots = reinterpret_cast<uint8_t*>(copy.data());
  Stand at = c.post_row->start;
  uint32_t cookie = 0;
  for (uint32_t step = 0; step < qsplit::testing::Rounds(120); ++step) {
    s.PostSame(&random_, &cookie);
    if (HasFatalFailure()) return;
    std::ranges::fill(copy, ~uint64_t{0});
    if (c.post_row->lay_out != nullptr) {
      c.post_row->lay_out(slots, view.slot_count, s.memory[0]->view().memory_key);
    }
    const auto* const expected = reinterpret_cast<const uint8_t*>(view.slots);
    std::vector<PostedBuffer> buffers;
    for (const RxBuffer& buffer : s.last_posted) {
      const size_t slot = (at.slot + buffers.size()) % view.slot_count;
      const uint8_t* const d = expected + slot * slot_bytes;
      // Where the queue has one size, the driver says no other.
      buffers.push_back({buffer.address.value, buffer.bytes, ValueOf(c, {"buffer.tag", "tag"}, d),
                         s.memory[0]->view().memory_key});
    }
    uint32_t slot = at.slot;
    ASSERT_EQ(c.post_row->refill(slots, view.slot_count, &at, buffers), buffers.size());
    for (size_t i = 0; i < buffers.size(); ++i) {
      const size_t where = size_t{slot} * slot_bytes;
      ASSERT_EQ(FirstDifference(slots + where, expected + where, slot_bytes, slot_bytes), "")
          << "step " << step << ", slot " << slot;
      slot = slot + 1 == view.slot_count ? 0 : slot + 1;
    }
    compared_ += buffers.size();
    s.CompleteSome(&random_);
    s.Spread();
    s.PollSame(random_() % 50);
    if (HasFatalFailure()) return;
  }
}

class Posted : public Received {};

TEST_P(Posted, BuffersArePostedAsTheDataPlaneDoes) {
  GetParam().in_place ? ComparePosted<InPlaceRxDriver>() : ComparePosted<RingRxDriver>();
  EXPECT_GT(compared_, 100u);
}

TEST_P(Received, IsWhatTheDataPlaneSays) {
  for (const bool hostile : {false, true}) {
    for (uint32_t run = 0; run < 4; ++run) {
      GetParam().in_place ? Compare<InPlaceRxDriver>(hostile) : Compare<RingRxDriver>(hostile);
      if (HasFatalFailure()) return;
    }
    EXPECT_GT(compared_, 500u) << "hostile " << hostile;
  }
}

INSTANTIATE_TEST_SUITE_P(Specs, Received, ::testing::ValuesIn(Cases(true)),
                         [](const auto& param) { return param.param.rx.name; });
INSTANTIATE_TEST_SUITE_P(Specs, Posted, ::testing::ValuesIn(Cases(false)),
                         [](const auto& param) { return param.param.rx.name; });

}  // namespace
}  // namespace qsplit::testing
