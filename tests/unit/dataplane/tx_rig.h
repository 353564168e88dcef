// Both sides of one transmit queue of any layout, with all its rings, scratch memory and a region
// for packets, and a model of what must come out: what each test of the general engines starts
// from.
#ifndef QSPLIT_TESTS_UNIT_DATAPLANE_TX_RIG_H_
#define QSPLIT_TESTS_UNIT_DATAPLANE_TX_RIG_H_

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/tx_device.h"
#include "dataplane/tx_driver.h"
#include "tests/unit/dataplane/queue_memory.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::dataplane::testing {

// A layout's transmit queue with one choice of its features.
struct TxCase {
  std::string name;
  std::shared_ptr<const layout::VerifiedLayout> layout;
  FeatureChoices choices;
  uint32_t queue = 0;
};
// Every transmit queue of every compiled spec, with every combination of choices.
std::vector<TxCase> AllTxCases();
void PrintTo(const TxCase& tx_case, std::ostream* os);

// Memory that both sides reach, at addresses that fit into 32 bits, as some descriptors want.
class PacketMemory {
 public:
  static constexpr uint64_t kIova = 0x2000'0000;
  static constexpr uint64_t kBytes = 1u << 19;

  PacketMemory();
  std::byte* At(Iova iova) { return bytes_.data() + (iova.value - kIova); }
  bool Holds(Iova iova, uint64_t bytes) const {
    return iova.value >= kIova && bytes <= kBytes && iova.value - kIova <= kBytes - bytes;
  }
  DeviceMemory memory();
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

struct TxRig {
  // Not for layouts that are not driven: driver and device are null then, status says why.
  explicit TxRig(const TxCase& tx_case, uint32_t slots = 64, TxOptions options = {});

  // The view that both sides are made of.
  const QueueView& View() const { return view; }
  std::vector<uint32_t> ReclaimAll();

  PacketMemory packets;
  QueueMemory rings;
  QueueView view;
  std::unique_ptr<TxDriver> driver;
  std::unique_ptr<TxDevice> device;
  absl::Status status;
  uint64_t packets_begin = 0;  // behind the scratch memory, in the region
  uint64_t next_segment = 0;   // of those that must not lie over each other
};

// A random packet for a queue, of so many segments.
std::vector<TxSegment> RandomSegments(TxRig& rig, Random& random, uint32_t segments);
// A random request for what the queue can do.
TxRequest RandomRequest(const TxRig& rig, Random& random);
// Whether the device was asked for what the driver was asked for; empty, or what differs.
std::string Difference(const TxRequest& in, const TxRequest& out);
// All bytes that the device would send.
std::vector<std::byte> BytesOf(TxRig& rig, const TxWork& work);
std::vector<std::byte> BytesOf(TxRig& rig, const std::vector<TxSegment>& segments);

}  // namespace qsplit::dataplane::testing

#endif  // QSPLIT_TESTS_UNIT_DATAPLANE_TX_RIG_H_
