// Both sides of a receive queue of any layout over the same memory, with buffers and a record of
// what was sent: what the tests of receive queues run on.
#ifndef QSPLIT_TESTS_UNIT_DATAPLANE_RX_PAIR_H_
#define QSPLIT_TESTS_UNIT_DATAPLANE_RX_PAIR_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "dataplane/rx_device.h"
#include "dataplane/rx_driver.h"
#include "tests/unit/dataplane/queue_memory.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::dataplane::testing {

// A receive queue of a layout, set up with these choices.
struct RxCase {
  std::string name;
  std::shared_ptr<const layout::VerifiedLayout> layout;
  uint32_t queue = 0;
  FeatureChoices choices;

  // Whether some form has a field with that role.
  bool HasRole(std::string_view role) const;
  bool IsIn(std::string_view layout_name) const { return layout->name() == layout_name; }
};
// Every receive queue of every compiled spec, with every choice of its features.
std::vector<RxCase> AllRxCases();
void PrintTo(const RxCase& c, std::ostream* os);

// The smallest (largest up to 2048) size that buffers of the queue may have, at least `least`.
uint32_t BufferBytesFrom(const RxCase& c, uint32_t least);

// What a packet is.
struct SentPacket {
  std::vector<std::byte> bytes;
  RxMetadata meta;
};
// What came out, with all that its completions said.
struct GotPacket {
  std::vector<std::byte> bytes;
  RxMetadata meta;
  uint32_t buffers = 0;
};

class RxPair {
 public:
  // Buffers of so many bytes, `buffers` of them in all; packet_bytes and wanted as RxOptions has
  // them, access as RxDeviceOptions.
  RxPair(const RxCase& c, uint32_t slots, uint32_t buffer_bytes, uint32_t buffers,
         uint32_t packet_bytes = 0, RxFields wanted = RxFields::All(),
         AccessMode access = AccessMode::kCompiled);

  RxDriver& driver() { return *driver_; }
  RxDevice& device() { return *device_; }
  QueueMemory& memory() { return memory_; }
  Region& region() { return region_; }
  uint32_t buffer_bytes() const { return buffer_bytes_; }
  // Number `number` of the buffers, which is its cookie: for who posts to the driver himself.
  RxBuffer Buffer(uint32_t number);

  // Driver: posts up to so many free buffers; how many it took. They are with the device after
  // driver().Publish().
  uint32_t Post(uint32_t most);
  uint32_t FreeBuffers() const { return static_cast<uint32_t>(free_.size()); }
  uint32_t PostedBuffers() const { return posted_count_; }

  // Device: puts a packet into posted buffers. False: nothing posted for it (given back). Fails the
  // test on faults.
  bool Send(const SentPacket& packet);
  // The same with a device that may have faults already.
  void SendIfPossible(const SentPacket& packet);
  // The same, lost: a completion that never comes.
  bool Lose(const SentPacket& packet);
  // Driver: looks once for at most so many completions; whole packets go to `got`. Fails the test
  // on cookies that were not posted and on bytes outside of buffers.
  uint32_t Poll(uint32_t most);
  std::deque<GotPacket> got;

 private:
  struct Piece {
    std::byte* at;
    uint32_t bytes;
  };
  RingFault Fetch(uint32_t bytes, std::vector<Piece>* pieces);
  void Complete(const SentPacket& packet, const std::vector<Piece>& pieces);

  RxCase case_;
  QueueMemory memory_;
  uint32_t buffer_bytes_;
  uint32_t stride_;
  Region region_;
  std::unique_ptr<RxDriver> driver_;
  std::unique_ptr<RxDevice> device_;
  std::vector<uint32_t> free_;
  std::vector<bool> posted_;
  uint32_t posted_count_ = 0;
  GotPacket coming_;
  bool in_packet_ = false;
};

// Bytes that tell which packet they are of.
SentPacket MakePacket(uint32_t number, uint32_t bytes);
// Metadata at random, of the fields that the layout has.
RxMetadata MakeMetadata(const RxCase& c, RxFields can, Random* random);
// Empty, or which member came out with another value than it went in. A layout may have one place
// for two members, or a member only beside another: what did not come out is not wrong. *through:
// members that did.
std::string Differs(const RxCase& c, const RxMetadata& in, const RxMetadata& out,
                    RxFields* through);

}  // namespace qsplit::dataplane::testing

#endif  // QSPLIT_TESTS_UNIT_DATAPLANE_RX_PAIR_H_
