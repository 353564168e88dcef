// A client in front of a guard and a device behind it, each the real thing: the data plane's driver
// over a shadow ring, the data plane's device over the ring that the guard writes, and a region
// whose bytes the client and the device reach by different addresses.
#ifndef QSPLIT_TESTS_UNIT_GUARD_GUARD_RIG_H_
#define QSPLIT_TESTS_UNIT_GUARD_GUARD_RIG_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/guard/guarded_queue.h"
#include "dataplane/rx_device.h"
#include "dataplane/tx_device.h"
#include "tests/unit/dataplane/queue_memory.h"
#include "tests/unit/dataplane/rx_pair.h"
#include "tests/unit/dataplane/tx_rig.h"

namespace qsplit::guard::testing {

using dataplane::testing::QueueMemory;
using dataplane::testing::Random;
using dataplane::testing::RxCase;
using dataplane::testing::RxPair;
using dataplane::testing::SentPacket;
using dataplane::testing::TxCase;
using dataplane::testing::TxRig;

// The queues of the compiled specs that a guard takes, with each choice of features.
std::vector<RxCase> GuardedRxCases();
std::vector<TxCase> GuardedTxCases();
// The first ring of the queue that exists with these choices.
template <typename Case>
uint32_t UsedRing(const Case& c) {
  const std::vector<uint32_t> chosen(c.choices.choice.begin(), c.choices.choice.end());
  const v1::Queue& queue = c.layout->message().queues(static_cast<int>(c.queue));
  for (int i = 0; i < queue.rings_size(); ++i) {
    if (layout::Applies(queue.rings(i).features(), chosen)) return static_cast<uint32_t>(i);
  }
  return 0;
}
// Those of which something holds.
template <typename Case, typename Predicate>
std::vector<Case> Where(std::vector<Case> cases, const Predicate& holds) {
  std::erase_if(cases, [&](const Case& c) { return !holds(c); });
  return cases;
}
// Those whose device completes descriptors by writing over them.
template <typename Case>
std::vector<Case> InPlace(std::vector<Case> cases) {
  std::erase_if(cases, [](const Case& c) {
    const v1::Queue& queue = c.layout->message().queues(static_cast<int>(c.queue));
    const v1::Ring& ring = queue.rings(static_cast<int>(UsedRing(c)));
    return !ring.posted().doorbell() || !ring.completed().has_when();
  });
  return cases;
}
template <typename Case>
std::string CaseName(const ::testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

// What client and device call the same bytes.
struct AddressPair {
  std::vector<GuardedRegion> regions;

  bool DeviceMayReach(uint64_t device_iova, uint64_t bytes) const;
  // The client's address; nullopt: none of these regions.
  std::optional<uint64_t> ToClient(uint64_t device_iova, uint64_t bytes) const;
};

// One ring of a queue's memory, as bytes.
class RawRing {
 public:
  RawRing(const layout::VerifiedLayout& layout, const dataplane::QueueView& view, uint32_t ring);

  uint32_t slot_count() const { return view_.slot_count; }
  std::byte* slot(uint32_t index) const {
    return view_.slots + size_t{index % view_.slot_count} * ring_->slot_bytes();
  }
  // All slots.
  std::vector<std::byte> Bytes() const;
  // The first producer doorbell, raw.
  void Ring(uint64_t value) const;
  uint64_t Rung() const;

  // The form whose bytes stand in a slot, among those that the driver posts; nullptr: none.
  const v1::Form* FormAt(uint32_t index) const;
  // The field of a role in the form that stands in a slot. False (nullopt): it has none, or one of
  // too few bits.
  bool Put(std::string_view role, uint64_t value, uint32_t index) const;
  std::optional<uint64_t> Get(std::string_view role, uint32_t index) const;

  // Which slots hold a buffer that the device may not reach, so far as descriptors of post forms
  // stand there; slots of zeros only hold none. Empty: none does.
  std::string Escapes(const AddressPair& addresses, uint64_t bytes_without_length) const;

 private:
  const v1::Field* Find(std::string_view role, const v1::Form& form) const;

  const layout::VerifiedLayout& layout_;
  const v1::Ring* ring_;
  dataplane::RingView view_;
  std::vector<uint32_t> choices_;
};

// A receive queue. Half of the buffers stand in one region, half in another.
class RxGuardRig {
 public:
  explicit RxGuardRig(const RxCase& c, uint32_t slots = 64, GuardOptions options = {});

  // The device receives: as RxPair::Send, in the device's addresses. False: nothing posted for it.
  bool Send(const SentPacket& packet);
  // Polls until nothing moves.
  void Settle();

  RxCase rx_case;
  RxPair client;
  QueueMemory real_memory;
  AddressPair addresses;
  std::optional<GuardedQueue> guard;
  std::optional<dataplane::RxDevice> device;

 private:
  std::byte* At(dataplane::Iova device_iova, uint64_t bytes);
};

class TxGuardRig {
 public:
  explicit TxGuardRig(const TxCase& c, uint32_t slots = 64, GuardOptions options = {},
                      dataplane::TxOptions tx_options = {});

  // A packet of so many segments that devices take: not too short, with room for headers.
  std::vector<dataplane::TxSegment> Segments(Random& random, uint32_t segments);
  // The bytes that the device would send, by the addresses that it got.
  std::vector<std::byte> BytesOf(const dataplane::TxWork& work);
  void Settle();

  TxCase tx_case;
  TxRig client;
  QueueMemory real_memory;
  AddressPair addresses;
  std::optional<GuardedQueue> guard;
  std::optional<dataplane::TxDevice> device;
};

}  // namespace qsplit::guard::testing

#endif  // QSPLIT_TESTS_UNIT_GUARD_GUARD_RIG_H_
