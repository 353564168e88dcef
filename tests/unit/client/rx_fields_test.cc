// A program that reads some fields of packets gets these as one gets them that reads all, and none
// of the others; over every receive queue of every spec, and of what software computes.
#include "client-lib/src/rx_fields.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "client-lib/src/lease_state.h"
#include "client-lib/src/rx_queue_impl.h"
#include "tests/support/rounds.h"
#include "tests/unit/client/frames.h"
#include "tests/unit/client/packets.h"
#include "tests/unit/dataplane/rx_pair.h"

namespace qsplit::internal {
namespace {

using dataplane::RxFields;
using dataplane::testing::AllRxCases;
using dataplane::testing::Random;
using dataplane::testing::Region;
using dataplane::testing::RxCase;
using dataplane::testing::RxPair;
using dataplane::testing::SentPacket;
using testing_support::TestPool;
using testing_support::Text;

constexpr std::array kEach = {
    PacketField::kHash,       PacketField::kHashType,   PacketField::kVlan,
    PacketField::kChecksumL3, PacketField::kChecksumL4, PacketField::kTimestamp,
    PacketField::kError,      PacketField::kQueue,      PacketField::kMark};

struct Value {
  uint64_t is = 0;
  bool present = false;
  bool computed = false;

  friend bool operator==(const Value&, const Value&) = default;
};

// What a program sees of a field. Nothing: a value that is not present, 0.
Value Seen(const Packet& packet, PacketField field) {
  const PacketMetadata& meta = packet.metadata();
  const auto value = [&]() -> uint64_t {
    switch (field) {
      case PacketField::kHash:
        return packet.hash().value_or(0);
      case PacketField::kHashType:
        return static_cast<uint64_t>(packet.hash_type());
      case PacketField::kVlan:
        return packet.vlan().value_or(0);
      case PacketField::kChecksumL3:
        return static_cast<uint64_t>(packet.checksum_l3());
      case PacketField::kChecksumL4:
        return static_cast<uint64_t>(packet.checksum_l4());
      case PacketField::kTimestamp:
        return packet.timestamp().value_or(0);
      case PacketField::kError:
        return packet.error() ? 1 : 0;
      case PacketField::kQueue:
        return meta.queue;
      case PacketField::kMark:
        return meta.mark;
    }
    return 0;
  };
  return {value(), meta.Has(field), packet.computed(field)};
}

// got: of a program that reads `fields`; all: of one that reads all. Empty, or what is wrong.
std::string Differs(const Packet& got, const Packet& all, PacketFields fields) {
  std::string wrong;
  for (const PacketField field : kEach) {
    const Value is = Seen(got, field);
    if (is == (fields.Has(field) ? Seen(all, field) : Value{})) continue;
    wrong += " field " + std::to_string(static_cast<uint32_t>(field)) + ": " +
             std::to_string(is.is) + (is.present ? ", present" : ", absent");
  }
  return wrong;
}

// A queue with its device.
class Side {
 public:
  Side(const RxCase& c, uint32_t buffer_bytes, RxFields read, PacketFields fields)
      : pair(c, 32, buffer_bytes, kBuffers, 3 * buffer_bytes, read) {
    pool_ = new BufferPool(pair.region().bytes(),
                           static_cast<uint32_t>(pair.region().bytes().size() / kBuffers),
                           Region::kIova, this, nullptr);
    RxQueueImpl::Setup setup{.buffer_bytes = buffer_bytes,
                             .max_posted = std::min(pair.driver().Capacity(), kBuffers - 32)};
    setup.software.Read(fields);
    setup.bell.state = &state_;
    queue = std::make_unique<RxQueue>(
        std::make_unique<RxQueueImpl>(std::move(pair.driver()), pool_, setup));
  }
  ~Side() {
    queue.reset();
    BufferPool::Abandon(pool_);
  }

  RxPair pair;
  std::unique_ptr<RxQueue> queue;

 private:
  static constexpr uint32_t kBuffers = 160;
  LeaseState state_{1};
  BufferPool* pool_ = nullptr;
};

class ReadFields : public ::testing::TestWithParam<RxCase> {};

TEST_P(ReadFields, AreAsIfAllWereRead) {
  const RxCase& c = GetParam();
  const uint32_t buffer_bytes = BufferBytesFrom(c, 2048);
  Random random(51);
  for (uint32_t run = 0; run < testing::Rounds(8); ++run) {
    const PacketFields fields = run == 0   ? PacketFields::None()
                                : run == 1 ? PacketFields::All()
                                           : PacketFields(random() & PacketFields::All().bits);
    const RxFields read = FieldsToRead(c.layout->message(), fields, {});
    Side some(c, buffer_bytes, read, fields);
    Side all(c, buffer_bytes, RxFields::All(), PacketFields::All());
    EXPECT_EQ(some.queue->available_fields(), all.queue->available_fields() & fields.bits);
    uint32_t received = 0;
    for (uint32_t step = 0; step < 30 && !HasFailure(); ++step) {
      for (uint32_t n = random() % 20; n > 0; --n) {
        const uint32_t bytes = random() % 8 == 0 ? 64 + random() % (2 * buffer_bytes) : 100;
        SentPacket packet = dataplane::testing::MakePacket(step, bytes);
        packet.meta = MakeMetadata(c, all.pair.device().Supported(), &random);
        const bool sent = all.pair.Send(packet);
        ASSERT_EQ(some.pair.Send(packet), sent);
        if (!sent) break;
      }
      all.pair.device().Publish();
      some.pair.device().Publish();
      std::array<Packet, 64> expected, got;
      const size_t count = all.queue->Receive(expected);
      ASSERT_EQ(some.queue->Receive(got), count);
      for (size_t i = 0; i < count; ++i) {
        ASSERT_EQ(Text(got[i]), Text(expected[i]));
        ASSERT_EQ(Differs(got[i], expected[i], fields), "") << "of fields " << fields.bits;
      }
      received += static_cast<uint32_t>(count);
    }
    EXPECT_GT(received, 50u);
  }
}

// What the library computes: all of it with a device that says nothing, or only a hash.
TEST(ReadFieldsInSoftware, AreAsIfAllWereRead) {
  std::string frame = testing_support::Datagram(2794, 1766, "whoever makes them");
  frame.insert(12, std::string("\x81\x00\x60\x64", 4));
  TestPool pool;
  SoftwareWork whole;
  whole.checksums = whole.vlan = whole.hash = true;
  for (uint32_t i = 0; i < whole.hash_key.size(); ++i) {
    whole.hash_key[i] = static_cast<uint8_t>(37 * i + 11);
  }
  for (uint32_t bits = 0; bits <= PacketFields::All().bits; ++bits) {
    const PacketFields fields(bits & PacketFields::All().bits);
    if (fields.bits != bits) continue;
    SoftwareWork work = whole;
    work.Read(fields);
    for (const bool hashed : {false, true}) {
      // The tag is out already where software is not to take it out.
      std::string as_it_lies = frame;
      if (!fields.Has(PacketField::kVlan)) as_it_lies.erase(12, 4);
      const auto make = [&](const std::string& bytes, PacketFields given) {
        Packet packet = pool.Make(bytes);
        if (hashed && given.Has(PacketField::kHash)) {
          PacketAccess::meta(packet).hash = 0x1234;
          PacketAccess::meta(packet).present = PacketFields(PacketField::kHash).bits;
        }
        return packet;
      };
      Packet all = make(frame, PacketFields::All());
      ComputeMissing(whole, all);
      const RxFields read = FieldsToRead({}, fields, work);
      Packet some = make(as_it_lies, PacketFields(read.bits));
      if (work.any()) ComputeMissing(work, some);
      ASSERT_EQ(Text(some), Text(all));
      ASSERT_EQ(Differs(some, all, fields), "") << "of fields " << bits;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, ReadFields, ::testing::ValuesIn(AllRxCases()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace qsplit::internal
