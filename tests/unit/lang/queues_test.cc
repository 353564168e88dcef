// Queues, rings and doorbells in the layout.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "descriptor-lang/text.h"
#include "tests/unit/lang/compile_text.h"

namespace qsplit::qdl::testing {
namespace {

using ::testing::ElementsAre;

const v1::Queue& QueueOf(const Compiled& compiled) {
  if (!compiled.layout) ADD_FAILURE() << compiled.text;
  return compiled.layout.value().message().queues(0);
}

TEST(Queues, ARingsDefaultsAreWrittenOut) {
  const Compiled c = CompileText(SpecWith({}));
  const v1::Ring& ring = QueueOf(c).rings(0);
  EXPECT_EQ(ring.name(), "main");
  EXPECT_EQ(ring.slot_bytes(), 64u);
  EXPECT_EQ(ring.alignment_bytes(), 1u);
  EXPECT_EQ(ring.reserved_slots(), 0u);
  EXPECT_EQ(ring.completes(0).key(), v1::COMPLETION_KEY_IN_PLACE);
  EXPECT_EQ(QueueOf(c).packet().length(), v1::LENGTH_MEANING_BUFFER);
  EXPECT_EQ(QueueOf(c).name(), "receive");
}

TEST(Queues, RangesOfSlots) {
  const Compiled powers = CompileText(SpecWith({.slots = "slots 16..1024 powers of two"}));
  EXPECT_TRUE(QueueOf(powers).rings(0).slots().power_of_two());
  const Compiled one = CompileText(SpecWith({.slots = "slots 512"}));
  EXPECT_EQ(QueueOf(one).rings(0).slots().min(), 512u);
  EXPECT_EQ(QueueOf(one).rings(0).slots().max(), 512u);
}

TEST(Queues, ADoorbellIsASumOfTerms) {
  const Compiled c = CompileText(SpecWith(
      {.doorbell =
           "doorbell memory 4 bytes big = producer count & 0xfff + queue number << 16 + 0x5000"
           " after full barrier"}));
  const v1::Doorbell& bell = QueueOf(c).rings(0).producer_doorbells(0);
  EXPECT_EQ(bell.target(), v1::DOORBELL_TARGET_MEMORY);
  EXPECT_EQ(bell.byte_order(), v1::BYTE_ORDER_BIG);
  EXPECT_EQ(bell.barrier(), v1::BARRIER_FULL);
  ASSERT_EQ(bell.terms_size(), 3);
  for (const v1::DoorbellTerm& term : bell.terms()) {
    if (term.source() == v1::DOORBELL_SOURCE_QUEUE_NUMBER) {
      EXPECT_EQ(term.shift(), 16u);
      EXPECT_EQ(term.mask(), 0xffffu);
    }
    if (term.source() == v1::DOORBELL_SOURCE_PRODUCER_COUNT) {
      EXPECT_EQ(term.mask(), 0xfffu);
    }
  }
}

TEST(Queues, TwoDoorbellsStayInTheirOrder) {
  const Compiled c =
      CompileText(SpecWith({.ring = "doorbell memory 4 bytes = producer count, doorbell wakeup"}));
  const v1::Ring& ring = QueueOf(c).rings(0);
  ASSERT_EQ(ring.producer_doorbells_size(), 3);
  EXPECT_EQ(ring.producer_doorbells(0).target(), v1::DOORBELL_TARGET_REGISTER);
  EXPECT_EQ(ring.producer_doorbells(1).target(), v1::DOORBELL_TARGET_MEMORY);
  EXPECT_EQ(ring.producer_doorbells(2).target(), v1::DOORBELL_TARGET_WAKEUP);
}

TEST(Queues, BarriersFollowTheTarget) {
  const Compiled c = CompileText(SpecWith({.ring = "doorbell memory 4 bytes = anything"}));
  EXPECT_EQ(QueueOf(c).rings(0).producer_doorbells(0).barrier(), v1::BARRIER_MEMORY_BEFORE_DEVICE);
  EXPECT_EQ(QueueOf(c).rings(0).producer_doorbells(1).barrier(), v1::BARRIER_MEMORY_BEFORE_MEMORY);
  EXPECT_EQ(QueueOf(c).rings(0).producer_doorbells(1).terms_size(), 0);
}

TEST(Queues, PacketsAndLimits) {
  const Compiled c = CompileText(SpecWith({.queue = R"(
    length counts packet in last
    length includes 4 bytes of crc
    prefix 14 bytes
    buffers 1 KiB..16 KiB step 1 KiB align 2
    at most 3 buffers per descriptor
    at most 40 descriptors per packet
    at most 16 KiB per descriptor
    at most 9728 bytes per packet
    at least 60 bytes per packet)"}));
  const v1::Queue& queue = QueueOf(c);
  EXPECT_EQ(queue.packet().length(), v1::LENGTH_MEANING_PACKET_IN_LAST);
  EXPECT_EQ(queue.packet().length_includes_crc_bytes(), 4u);
  EXPECT_EQ(queue.packet().prefix_bytes(), 14u);
  EXPECT_EQ(queue.packet().buffers_per_descriptor(), 3u);
  EXPECT_EQ(queue.limits().buffer().min_bytes(), 1024u);
  EXPECT_EQ(queue.limits().buffer().max_bytes(), 16384u);
  EXPECT_EQ(queue.limits().buffer_alignment_bytes(), 2u);
  EXPECT_EQ(queue.limits().max_descriptors_per_packet(), 40u);
  EXPECT_EQ(queue.limits().max_bytes_per_descriptor(), 16384u);
  EXPECT_EQ(queue.limits().max_bytes_per_packet(), 9728u);
  EXPECT_EQ(queue.limits().min_bytes_per_packet(), 60u);
}

TEST(Queues, WhatALengthCounts) {
  for (const auto& [words, meaning] :
       {std::pair{"", v1::LENGTH_MEANING_BUFFER},
        std::pair{"length counts buffer", v1::LENGTH_MEANING_BUFFER},
        std::pair{"length counts packet in first", v1::LENGTH_MEANING_PACKET_IN_FIRST},
        std::pair{"length counts packet in last", v1::LENGTH_MEANING_PACKET_IN_LAST},
        std::pair{"length counts residue", v1::LENGTH_MEANING_RESIDUE}}) {
    EXPECT_EQ(QueueOf(CompileText(SpecWith({.queue = words}))).packet().length(), meaning) << words;
  }
}

TEST(Queues, BuffersThatArePowersOfTwo) {
  const Compiled c = CompileText(SpecWith({.queue = "buffers 256..16 KiB powers of two"}));
  EXPECT_TRUE(QueueOf(c).limits().buffer().power_of_two());
  EXPECT_THAT(CompileText(SpecWith({.queue = "buffers 256..15 KiB powers of two"})).codes,
              ElementsAre("QDL0083"));
}

TEST(Queues, TheEndOfAPacketIsLookedForInEachFormThatHasTheField) {
  const Compiled c = CompileText(SpecWith({.fields = "@0 n u8"}));
  ASSERT_EQ(QueueOf(c).packet().last_when().any_of_size(), 1);
  const v1::FieldReference& field = QueueOf(c).packet().last_when().any_of(0).all_of(0).field();
  EXPECT_EQ(c.layout->FormIndex("Done"), field.form());
}

TEST(Queues, AQueueMayHaveAName) {
  std::string spec = SpecWith({});
  spec.replace(spec.find("queue receive"), 13, "queue receive fast");
  EXPECT_EQ(QueueOf(CompileText(spec)).name(), "fast");
}

TEST(Queues, ADoorbellMayBelongToAChoice) {
  const Compiled compiled = CompileText(
      SpecWith({.head = "feature Bell { old, young }",
                .doorbell = "doorbell register 1 byte = 0x40 with Bell = old\n"
                            "doorbell register 2 bytes = producer index with Bell = young"}));
  ASSERT_TRUE(compiled.layout) << compiled.text;
  const v1::Ring& ring = compiled.layout->message().queues(0).rings(0);
  ASSERT_EQ(ring.producer_doorbells_size(), 2);
  ASSERT_EQ(ring.producer_doorbells(0).features_size(), 1);
  EXPECT_EQ(ring.producer_doorbells(0).features(0).choice(), 0u);
  EXPECT_EQ(ring.producer_doorbells(1).features(0).choice(), 1u);
}

TEST(Queues, ACellsIndexMayBeOffByOne) {
  const auto with = [](std::string_view cell) {
    return CompileText(SpecWith({.ring = text::Cat("reserve 1\ncell at_it ", cell)}));
  };
  const Compiled plus = with("u32 plus 1 is producer index");
  ASSERT_TRUE(plus.layout) << plus.text;
  EXPECT_EQ(plus.layout->message().queues(0).rings(0).cells(0).index_plus(), 1);
  const Compiled minus = with("u32 minus 1 is consumer index");
  ASSERT_TRUE(minus.layout) << minus.text;
  EXPECT_EQ(minus.layout->message().queues(0).rings(0).cells(0).index_plus(), -1);

  EXPECT_FALSE(with("u32 plus 2 is producer index").layout);
  EXPECT_FALSE(with("u32 plus 1 minus 1 is producer index").layout);
  EXPECT_FALSE(with("u32 plus 1 is producer count").layout);
  EXPECT_FALSE(with("u32 register minus 1 is consumer index").layout);
}

}  // namespace
}  // namespace qsplit::qdl::testing
