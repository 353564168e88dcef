// What igb_driver_test.cc has beside its tests: frames, the kernel's NIC on the wire's other end, a
// function with its driver, rings whose descriptors are written by hand. One thread.
#ifndef QSPLIT_TESTS_VM_IGB_RIG_H_
#define QSPLIT_TESTS_VM_IGB_RIG_H_

#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "daemon/backend/vfio/igb/igb.h"
#include "daemon/backend/vfio/live_function.h"
#include "tests/unit/vfio/igb/fake_pf.h"

namespace qsplit::vfio {

using device::MacAddress;
using Frame = std::vector<uint8_t>;

inline constexpr MacAddress kPeerMac = {0x02, 0xee, 0, 0, 0, 1};
inline constexpr MacAddress kBroadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
inline constexpr uint16_t kLocalExperiment = 0x88b5;
inline constexpr linux_sys::VfToken kToken = {1, 2,  3,  4,  5,  6,  7,  8,
                                              9, 10, 11, 12, 13, 14, 15, 16};

inline std::string Env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

template <typename Condition>
bool Within(absl::Duration limit, const Condition& condition) {
  const absl::Time deadline = absl::Now() + limit;
  while (!condition()) {
    if (absl::Now() >= deadline) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

inline void Append(Frame& frame, std::initializer_list<int> bytes) {
  for (const int byte : bytes) frame.push_back(static_cast<uint8_t>(byte));
}

inline Frame Plain(const MacAddress& to, const MacAddress& from, uint8_t mark,
                   std::optional<uint16_t> vid = {}) {
  Frame frame(to.begin(), to.end());
  frame.insert(frame.end(), from.begin(), from.end());
  if (vid.has_value()) Append(frame, {0x81, 0x00, *vid >> 8, *vid & 0xff});
  Append(frame, {kLocalExperiment >> 8, kLocalExperiment & 0xff, mark});
  frame.resize(100, mark);
  return frame;
}

inline Frame Udp(const MacAddress& to, uint16_t source_port) {
  Frame frame(to.begin(), to.end());
  frame.insert(frame.end(), kPeerMac.begin(), kPeerMac.end());
  Append(frame, {0x08, 0x00, 0x45, 0, 0, 60, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2});
  Append(frame, {source_port >> 8, source_port & 0xff, 0x10, 0x92, 0, 40, 0, 0});
  frame.resize(74, 0x55);
  return frame;
}

// The wire's other end: a NIC of the kernel's, by a packet socket.
class Peer {
 public:
  Peer() {
    fd_ = ::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(0x0003));
    sockaddr_ll at{};
    at.sll_family = AF_PACKET;
    at.sll_protocol = htons(0x0003);
    at.sll_ifindex = static_cast<int>(::if_nametoindex(Env("IGB_PEER").c_str()));
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0) << std::strerror(errno);
  }
  ~Peer() { ::close(fd_); }
  void Send(const Frame& frame) {
    EXPECT_EQ(::send(fd_, frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  }
  // A frame of ours with this mark.
  bool Sees(uint8_t mark) {
    return Within(absl::Seconds(10), [&] {
      uint8_t bytes[2048];
      sockaddr_ll from{};
      socklen_t length = sizeof from;
      ssize_t got = 0;
      while ((got = ::recvfrom(fd_, bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&from),
                               &length)) > 0) {
        if (from.sll_pkttype != PACKET_OUTGOING && got >= 15 && bytes[12] == 0x88 &&
            bytes[13] == 0xb5 && bytes[14] == mark) {
          return true;
        }
      }
      return false;
    });
  }

 private:
  int fd_;
};

// A function with a driver, its events, and rings that are driven by hand.
class Nic {
 public:
  Nic(const std::string& address, const std::string& group, uint16_t id, bool vf,
      std::optional<linux_sys::VfToken> token = {}) {
    auto open = linux_sys::VfioFunction::Open(*linux_sys::PciAddress::Parse(address),
                                              static_cast<uint32_t>(std::stoul(group)),
                                              {.vf_token = token});
    EXPECT_TRUE(open.ok()) << open.status();
    auto live = LiveFunction::Create(*std::move(open));
    EXPECT_TRUE(live.ok()) << live.status();
    function = *std::move(live);
    driver = MakeIgb(id, vf, *function);
  }
  ~Nic() {
    if (driver != nullptr) driver->Stop();
    for (const int fd : events) ::close(fd);
  }

  void Start(const DriverSettings& settings = {}) {
    const absl::Status status = driver->Start(settings);
    ASSERT_TRUE(status.ok()) << status;
    for (uint32_t i = 0; i < driver->facts().vectors; ++i) {
      events.push_back(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    }
    ASSERT_TRUE(function->SetVectors(events).ok());
  }
  void WaitForLink() {
    ASSERT_TRUE(Within(absl::Seconds(10), [&] {
      driver->Service();
      return driver->Link().up;
    }));
    absl::SleepFor(absl::Milliseconds(50));
  }
  // How often a vector has fired since it was last asked.
  uint64_t Fired(std::optional<uint32_t> vector) {
    uint64_t count = 0;
    (void)!::read(events[*vector], &count, sizeof count);
    return count;
  }

  std::unique_ptr<LiveFunction> function;
  std::unique_ptr<NicDriver> driver;
  std::vector<int> events;
};

inline constexpr uint32_t kSlots = 64;
inline constexpr uint32_t kBufferBytes = 2048;

struct Slot {
  uint64_t low, high;
};

class Ring {
 public:
  Ring(Nic& nic, bool transmit, uint32_t queue) : nic_(nic), transmit_(transmit), queue_(queue) {
    slots_ = *nic.function->AllocateDma(kSlots * sizeof(Slot));
    buffers_ = *nic.function->AllocateDma(kSlots * kBufferBytes);
    QueueSetup setup = test::SetupOf(transmit, queue);
    setup.rings[0].slots_iova = slots_.iova;
    setup.rings[0].slot_count = kSlots;
    const auto places = nic.driver->StartQueue(setup);
    EXPECT_TRUE(places.ok()) << places.status();
    if (!places.ok()) return;
    doorbell_ = places->rings[0].producer_doorbells[0].offset;
    if (transmit) return;
    for (uint32_t i = 0; i < kSlots; ++i) slot(i) = {buffers_.iova + i * kBufferBytes, 0};
    nic.function->Bar(0)->Write32(doorbell_, kSlots - 1);
  }

  // The next received packet, if one comes.
  std::optional<Frame> Receive(absl::Duration limit = absl::Seconds(10)) {
    if (!Within(limit, [&] { return (Read(next_).high & 1) != 0; })) return std::nullopt;
    const Slot got = Read(next_);
    written_ = got;
    const std::byte* bytes = buffers_.memory + next_ * kBufferBytes;
    const auto length = static_cast<size_t>(got.high >> 32 & 0xffff);
    Frame frame(length);
    std::memcpy(frame.data(), bytes, length);
    slot(next_) = {buffers_.iova + next_ * kBufferBytes, 0};
    nic_.function->Bar(0)->Write32(doorbell_, next_);
    next_ = (next_ + 1) % kSlots;
    return frame;
  }
  // That with this mark; others are passed over.
  bool Gets(uint8_t mark, absl::Duration limit = absl::Seconds(10)) {
    while (const std::optional<Frame> frame = Receive(limit)) {
      if (frame->size() >= 15 && (*frame)[12] == 0x88 && (*frame)[14] == mark) return true;
    }
    return false;
  }
  bool GetsNot(uint8_t mark) { return !Gets(mark, absl::Milliseconds(150)); }

  // Sends it, and waits until it is done.
  bool Send(const Frame& frame) {
    std::memcpy(buffers_.memory + next_ * kBufferBytes, frame.data(), frame.size());
    const uint32_t command =
        static_cast<uint32_t>(frame.size()) | 3u << 20 | 1u << 24 | 1u << 25 | 1u << 27 | 1u << 29;
    slot(next_) = {buffers_.iova + next_ * kBufferBytes,
                   command | static_cast<uint64_t>(frame.size()) << (32 + 14)};
    const uint32_t sent = next_;
    next_ = (next_ + 1) % kSlots;
    nic_.function->Bar(0)->Write32(doorbell_, next_);
    return Within(absl::Seconds(10), [&] { return (Read(sent).high >> 32 & 1) != 0; });
  }
  absl::Status Stop() { return nic_.driver->StopQueue(transmit_, queue_); }
  uint32_t vlan_tag() const { return static_cast<uint32_t>(written_.high >> 48); }
  bool vlan_stripped() const { return (written_.high >> 3 & 1) != 0; }
  uint32_t hash() const { return static_cast<uint32_t>(written_.low >> 32); }

 private:
  Slot& slot(uint32_t index) { return reinterpret_cast<Slot*>(slots_.memory)[index]; }
  Slot Read(uint32_t index) {
    const volatile Slot& at = slot(index);
    Slot copy;
    copy.high = at.high;
    copy.low = at.low;
    return copy;
  }

  Nic& nic_;
  bool transmit_;
  uint32_t queue_;
  DmaMemory slots_, buffers_;
  uint64_t doorbell_ = 0;
  uint32_t next_ = 0;
  Slot written_{};
};

}  // namespace qsplit::vfio

#endif  // QSPLIT_TESTS_VM_IGB_RIG_H_
