// Table-driven refusals: take a good layout, break one thing, expect the verifier's words.
#ifndef QSPLIT_TESTS_UNIT_LAYOUT_REFUSALS_H_
#define QSPLIT_TESTS_UNIT_LAYOUT_REFUSALS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "descriptor-lang/layout/verify.h"
#include "tests/support/protocol_layouts.h"
#include "tests/support/sample_layouts.h"

namespace qsplit::layout {

// A good layout, with ways to its parts by name. A missing name fails the test.
class Layout {
 public:
  explicit Layout(v1::Layout good) : message(std::move(good)) {}

  v1::Form& form(std::string_view name) {
    for (v1::Form& form : *message.mutable_forms()) {
      if (form.name() == name) return form;
    }
    ADD_FAILURE() << "no form " << name;
    return *message.add_forms();
  }
  uint32_t form_index(std::string_view name) {
    for (int i = 0; i < message.forms_size(); ++i) {
      if (message.forms(i).name() == name) return static_cast<uint32_t>(i);
    }
    ADD_FAILURE() << "no form " << name;
    return 0;
  }
  uint32_t field_index(std::string_view form_name, std::string_view name) {
    v1::Form& in = form(form_name);
    for (int i = 0; i < in.fields_size(); ++i) {
      if (in.fields(i).name() == name) return static_cast<uint32_t>(i);
    }
    ADD_FAILURE() << "no field " << form_name << "." << name;
    return 0;
  }
  v1::Field& field(std::string_view form_name, std::string_view name) {
    return *form(form_name).mutable_fields(static_cast<int>(field_index(form_name, name)));
  }
  v1::FieldReference reference(std::string_view form_name, std::string_view name) {
    v1::FieldReference reference;
    reference.set_form(form_index(form_name));
    reference.set_field(field_index(form_name, name));
    return reference;
  }
  v1::Comparison compare(std::string_view form_name, std::string_view name, v1::Operator op,
                         uint64_t constant) {
    v1::Comparison comparison;
    *comparison.mutable_field() = reference(form_name, name);
    comparison.set_operator_(op);
    comparison.set_constant(constant);
    return comparison;
  }
  v1::Condition when(std::string_view form_name, std::string_view name, v1::Operator op,
                     uint64_t constant) {
    v1::Condition condition;
    *condition.add_any_of()->add_all_of() = compare(form_name, name, op, constant);
    return condition;
  }
  v1::Queue& queue(v1::Direction direction) {
    for (v1::Queue& queue : *message.mutable_queues()) {
      if (queue.direction() == direction) return queue;
    }
    ADD_FAILURE() << "no queue";
    return *message.add_queues();
  }
  v1::Queue& rx() { return queue(v1::DIRECTION_RECEIVE); }
  v1::Queue& tx() { return queue(v1::DIRECTION_TRANSMIT); }
  v1::Ring& rx_ring() { return *rx().mutable_rings(0); }
  v1::Ring& tx_ring() { return *tx().mutable_rings(0); }
  // Of the receive queue, else of the transmit queue.
  v1::Ring& ring(std::string_view name) {
    for (v1::Queue& queue : *message.mutable_queues()) {
      for (v1::Ring& ring : *queue.mutable_rings()) {
        if (ring.name() == name) return ring;
      }
    }
    ADD_FAILURE() << "no ring " << name;
    return *message.mutable_queues(0)->add_rings();
  }
  v1::Feature& AddFeature() {
    v1::Feature& feature = *message.add_features();
    feature.set_name("mode");
    feature.add_choices("plain");
    feature.add_choices("other");
    return feature;
  }

  v1::Layout message;
};

struct Refusal {
  std::string_view name;
  std::function<void(Layout&)> breaks;
  std::string_view words;  // part of the message
  v1::Layout (*good)() = testing::SimpleMessage;
};

inline void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }

class RefusalTest : public ::testing::TestWithParam<Refusal> {
 protected:
  void ExpectRefused() {
    Layout layout(GetParam().good());
    ASSERT_TRUE(VerifyLayout(layout.message).ok());
    GetParam().breaks(layout);
    const absl::Status status = VerifyLayout(layout.message);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(std::string(GetParam().words)));
  }
};

inline std::string RefusalName(const ::testing::TestParamInfo<Refusal>& info) {
  return std::string(info.param.name);
}

}  // namespace qsplit::layout

#endif  // QSPLIT_TESTS_UNIT_LAYOUT_REFUSALS_H_
