// Traffic that must not notice what else happens: a client that answers UDP on a queue of its own,
// and peers that ask it, over the wire of a second software NIC or with a kernel's socket.
//
//   Pinger --- 10.99.0.1 nic1 === wire === nic0 10.99.0.10 UDP 4242 --- EchoClient
//   KernelPinger --- 10.99.0.1 tap ====wire==/
//
// Each has a thread of its own between constructor and Stop.
#ifndef QSPLIT_TESTS_SUPPORT_SYSTEM_TRAFFIC_H_
#define QSPLIT_TESTS_SUPPORT_SYSTEM_TRAFFIC_H_

#include <qsplit/qsplit.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"

namespace qsplit::testing {

inline constexpr uint16_t kEchoPort = 4242;
inline constexpr uint16_t kAskerPort = 4000;

// A frame of UDP over IPv4 from 10.99.0.1 to 10.99.0.10, nic1 to nic0, checksum of IPv4 right and
// of UDP absent.
std::string Datagram(uint16_t src_port, uint16_t dst_port, const std::string& payload);
// Addresses and ports swapped, in place. False: no UDP over IPv4.
bool TurnAround(std::span<std::byte> frame);

// Answers UDP 4242 on nic0. Its region has a canary on both sides of the buffers.
class EchoClient {
 public:
  static absl::StatusOr<std::unique_ptr<EchoClient>> Start(const SessionOptions& options,
                                                           const std::string& layout = "");
  ~EchoClient() { Stop(); }
  void Stop();
  // Whether its lease is as it was given.
  absl::Status status() const { return lease_.status(); }
  bool CanariesWhole() const;
  uint64_t answered() const { return answered_; }

 private:
  EchoClient(std::shared_ptr<Region> region, Lease lease);
  void Serve();

  std::shared_ptr<Region> region_;
  Lease lease_;
  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> answered_ = 0;
  std::thread thread_;
};

struct PingResult {
  uint64_t sent = 0;
  uint64_t answered = 0;
  absl::Duration slowest;
};

// Asks 4242 once a millisecond, one question at a time, and after each sends a datagram to every
// port of `also`, which nobody answers.
class Pinger {
 public:
  // Out of a queue of nic1.
  static absl::StatusOr<std::unique_ptr<Pinger>> OverPeer(const SessionOptions& options,
                                                          std::vector<uint16_t> also);
  // By a socket in a network namespace, to 10.99.0.10.
  static absl::StatusOr<std::unique_ptr<Pinger>> OverKernel(const std::string& netns,
                                                            std::vector<uint16_t> also);
  ~Pinger() { Stop(); }
  PingResult Stop();

 private:
  struct Asker {
    // Sends; waits for the answer with the same payload, 3 s at most.
    std::function<bool(const std::string& payload)> ask;
    std::function<void(uint16_t port)> spray;
  };
  Pinger(Asker asker, std::vector<uint16_t> also);
  std::atomic<bool> stop_ = false;
  PingResult result_;
  std::thread thread_;
};

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_SYSTEM_TRAFFIC_H_
