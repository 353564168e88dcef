// Buffers that come back by address: in order, out of it, twice at one address, before they were
// given away, and never.
#include "dataplane/address_ledger.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <vector>

namespace qsplit::dataplane {
namespace {

constexpr uint32_t kBuffers = 24;

// The cookie of what comes back from there; -1: nothing does.
int64_t Take(AddressLedger& ledger, uint64_t address) {
  AddressLedger::Buffer buffer;
  return ledger.Take(address, &buffer) ? int64_t{buffer.cookie} : -1;
}

TEST(AddressLedger, GivesBackOnceWhatWasPublished) {
  AddressLedger ledger(kBuffers);
  ledger.Add({0x1000, 1, 7});
  EXPECT_EQ(Take(ledger, 0x1000), -1) << "still ours";
  ledger.Publish();
  EXPECT_EQ(Take(ledger, 0x2000), -1);
  EXPECT_EQ(Take(ledger, 0x1000), 7);
  EXPECT_EQ(Take(ledger, 0x1000), -1);
}

TEST(AddressLedger, OfTwoAtOneAddressTheOlderComesFirst) {
  AddressLedger ledger(kBuffers);
  ledger.Add({0x2000, 1, 1});
  ledger.Add({0x1000, 1, 2});
  ledger.Add({0x1000, 1, 3});
  ledger.Publish();
  ledger.Add({0x1000, 1, 4});
  EXPECT_EQ(Take(ledger, 0x1000), 2);
  EXPECT_EQ(Take(ledger, 0x1000), 3);
  EXPECT_EQ(Take(ledger, 0x1000), -1) << "the third one is still ours";
  ledger.Publish();
  EXPECT_EQ(Take(ledger, 0x1000), 4);
  EXPECT_EQ(Take(ledger, 0x2000), 1);
}

TEST(AddressLedger, OneThatNeverComesBackHoldsUpNoOther) {
  AddressLedger ledger(kBuffers);
  ledger.Add({0xdead000, 1, 99});
  for (uint32_t i = 0; i < 100 * kBuffers; ++i) {
    ledger.Add({0x1000 + uint64_t{i} * 64, 1, i});
    ledger.Publish();
    ASSERT_EQ(Take(ledger, 0x1000 + uint64_t{i} * 64), i);
    ledger.Rewind();
  }
  EXPECT_EQ(Take(ledger, 0xdead000), 99);
}

// Against the plainest thing that does the same.
TEST(AddressLedger, AgreesWithASearch) {
  std::mt19937 random(1);
  for (const uint32_t disorder : {0u, 1u, 4u, kBuffers}) {
    AddressLedger ledger(kBuffers);
    std::deque<AddressLedger::Buffer> model;
    size_t published = 0;
    for (uint32_t step = 0; step < 20000; ++step) {
      if (model.size() < kBuffers && random() % 2 == 0) {
        const AddressLedger::Buffer buffer{random() % 64 * 2048, 1, step};
        ledger.Add(buffer);
        model.push_back(buffer);
      }
      if (random() % 3 == 0) {
        ledger.Publish();
        published = model.size();
      }
      if (published == 0 || random() % 2 == 0) continue;
      const size_t which = disorder == 0 ? 0 : random() % std::min<size_t>(published, disorder);
      const uint64_t address = random() % 16 == 0 ? random() % 64 * 2048 : model[which].address;
      int64_t expected = -1;
      for (size_t i = 0; i < published; ++i) {
        if (model[i].address != address) continue;
        expected = model[i].cookie;
        model.erase(model.begin() + static_cast<ptrdiff_t>(i));
        --published;
        break;
      }
      ASSERT_EQ(Take(ledger, address), expected) << "step " << step;
      if (step % 5 == 0) ledger.Rewind();
    }
  }
}

}  // namespace
}  // namespace qsplit::dataplane
