// A fixture for tests of the ring layer's parts: a layout with one queue and one ring, to which a
// test adds what it is about, and memory for it. One thread.
#ifndef QSPLIT_TESTS_UNIT_DATAPLANE_ONE_RING_H_
#define QSPLIT_TESTS_UNIT_DATAPLANE_ONE_RING_H_

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "dataplane/post_writer.h"
#include "tests/unit/dataplane/layout_parts.h"
#include "tests/unit/dataplane/ring_memory.h"

namespace qsplit::dataplane {

// A queue with one ring of 16-byte descriptors: a number in the first bytes.
class OneRing : public ::testing::Test {
 protected:
  OneRing() {
    layout_.set_name("test.one");
    form_ = testing::AddForm(&layout_, "Descriptor", 16);
    testing::AddField(form_, "number", "", 0, 8, 0, 64);
    v1::Queue* queue = layout_.add_queues();
    queue->set_name("queue");
    ring_ = testing::AddRing(queue, "ring", 16);
    ring_->add_post_forms(0);
  }
  void ByDoorbell(v1::DoorbellSource source) {
    ring_->mutable_posted()->set_doorbell(true);
    testing::AddDoorbell(ring_->mutable_producer_doorbells(), source);
  }
  RingShape Shape(uint32_t slots) {
    memory_ = std::make_unique<testing::RingMemory>(layout_.queues(0), slots);
    return Again();
  }
  RingShape Again() { return *ShapeRing(layout_, layout_.queues(0), 0, memory_->view()); }
  static uint32_t Post(PostWriter& writer, uint64_t number, uint32_t form = 0) {
    DescriptorBytes image{};
    std::memcpy(image.bytes, &number, 8);
    return writer.Write(form, image.bytes);
  }
  uint64_t Word(uint32_t slot, uint32_t word) {
    uint64_t value;
    std::memcpy(&value, memory_->slots(0) + slot * 16 + word * 8, 8);
    return value;
  }
  template <typename T>
  void Poke(std::byte* at, T value) {
    std::memcpy(at, &value, sizeof value);
  }
  template <typename T>
  static T Peek(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }

  v1::Layout layout_;
  v1::Form* form_ = nullptr;
  v1::Ring* ring_ = nullptr;
  std::unique_ptr<testing::RingMemory> memory_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_TESTS_UNIT_DATAPLANE_ONE_RING_H_
