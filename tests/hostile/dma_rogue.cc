// A client that points the device at memory that is not its own, one deed at a time: it reads deeds
// from stdin, a line each, and answers each with a line of JSON on stdout, {"error": "…"} for what
// it could not do. It knows no device: addresses and registers come with the deed.
//
//   dma_rogue --device NAME --mode direct|guarded [--canary-bytes N] [--pattern TEXT]
//
//   device                     whether its link is up, and its address
//   lease [rss]                takes one receive and one transmit queue
//   rule WORDS…                brings traffic, in ethtool's words
//   receive ADDRESS BYTES N    posts N buffers there, or as many as there is room for
//   send {ADDRESS BYTES}…      one packet of these pieces
//   race GOOD BAD BYTES MS     posts good addresses both ways, packets of BYTES, while another
//   thread
//                              exchanges good and bad ones in the rings as fast as it can
//   poll                       what came back
//   faults MS                  waits so long for a fault that the daemon counts and tells of
//   refill                     makes its own memory what it was
//   whole                      whether that, and the memory that nobody may write, is as it was
//   peek REGION OFFSET BYTES   of the VFIO device that the grant has: registers by the number of
//   poke REGION OFFSET BYTES VALUE     their BAR, configuration space as 7
//   release                    gives the lease back, and keeps all that came with it
//   drop                       lets go of that as well
//
// A region of 512 KiB is its own ("mine"; a frame at the beginning, scratch in the second half),
// one of 64 KiB is for the device to read only ("readonly"), and one of --canary-bytes is in its
// leases and never posted ("canary"), as a victim's. All hold PATTERN again and again.
#include <fcntl.h>
#include <linux/vfio.h>
#include <qsplit/qsplit.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "tests/hostile/raw_client.h"

namespace qsplit {
namespace {

using testing::Memory;

constexpr uint64_t kMineBytes = 512 << 10;
constexpr uint64_t kReadOnlyBytes = 64 << 10;
constexpr uint64_t kBufferBytes = 2048;
// Of a frame to everybody, from nobody, of the type for experiments.
constexpr char kHeader[] = "\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x66\x88\xb5";
constexpr size_t kBurst = 64;
constexpr absl::Duration kPatience = absl::Seconds(5);

struct Options {
  std::string runtime_dir;
  std::string device = "nic0";
  bool guarded = false;
  uint64_t canary_bytes = 0;
  std::string pattern = "a rogue's memory ";
  int ready_fd = -1;
};

// Faults that a watch told of, by lease.
class FaultWatch {
 public:
  struct Told {
    uint64_t count = 0;
    v1::Fault first;
  };
  explicit FaultWatch(testing::RawClient& client) : thread_([this, &client] { Watch(client); }) {}
  ~FaultWatch() {
    context_.TryCancel();
    thread_.join();
  }
  // Waits for the first one.
  Told Of(uint64_t lease, absl::Duration patience) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, absl::ToChronoMilliseconds(patience),
                      [&] { return told_[lease].count != 0; });
    return told_[lease];
  }

 private:
  void Watch(testing::RawClient& client) {
    client.rpc().PrepareContext(context_, absl::InfiniteDuration());
    const auto stream = client.leases().WatchLeases(&context_, {});
    v1::WatchLeasesResponse event;
    while (stream->Read(&event)) {
      if (event.event() != v1::LEASE_EVENT_FAULT) continue;
      const std::lock_guard lock(mutex_);
      Told& told = told_[event.lease().lease_id()];
      if (told.count++ == 0) told.first = event.fault();
      changed_.notify_all();
    }
  }

  grpc::ClientContext context_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, Told> told_;
  std::thread thread_;
};

class DmaRogue {
 public:
  explicit DmaRogue(const Options& options)
      : options_(options), client_(options.runtime_dir, "dma_rogue") {}

  absl::Status Start() {
    if (absl::Status status = client_.Open(options_.device); !status.ok()) return status;
    while (pattern_.size() < std::max(kMineBytes, options_.canary_bytes)) {
      pattern_ += options_.pattern;
    }
    for (auto [memory, bytes, read_only] :
         {std::tuple(&mine_, kMineBytes, false), std::tuple(&readonly_, kReadOnlyBytes, true),
          std::tuple(&canary_, options_.canary_bytes, false)}) {
      if (bytes == 0) continue;
      absl::StatusOr<Memory> made = client_.Register(bytes, read_only);
      if (!made.ok()) return made.status();
      *memory = *std::move(made);
      std::memcpy(memory->bytes.data(), pattern_.data(), bytes);
    }
    mine_pattern_.assign(pattern_, 0, kMineBytes / 2);
    mine_pattern_.replace(0, sizeof kHeader - 1, kHeader, sizeof kHeader - 1);
    Refill();
    watch_.emplace(client_);
    return absl::OkStatus();
  }

  // The answer to a deed.
  std::string Do(const std::string& line) {
    std::istringstream words(line);
    std::string deed;
    words >> deed;
    std::vector<uint64_t> numbers;
    std::string rest;
    std::getline(words >> std::ws, rest);
    std::istringstream arguments(rest);
    for (std::string word; arguments >> word;) {
      numbers.push_back(std::strtoull(word.c_str(), nullptr, 0));
    }
    absl::StatusOr<std::string> answer = absl::InvalidArgumentError(absl::StrCat("deed ", line));
    if (deed == "device") answer = DeviceNow();
    if (deed == "lease") answer = Lease(rest == "rss");
    if (deed == "whole") answer = Whole();
    if (deed == "refill") answer = Refill();
    if (lease_ == nullptr && !answer.ok()) return Error(answer.status());
    if (deed == "rule") answer = Done(client_.AddRule(lease_->id(), rest));
    if (deed == "receive" && numbers.size() == 3) answer = Receive(numbers);
    if (deed == "send" && numbers.size() >= 2) answer = Send(numbers);
    if (deed == "race" && numbers.size() == 4) answer = Race(numbers);
    if (deed == "poll") answer = Poll();
    if (deed == "faults" && numbers.size() == 1) answer = Faults(absl::Milliseconds(numbers[0]));
    if (deed == "peek" && numbers.size() == 3) answer = Registers(numbers, std::nullopt);
    if (deed == "poke" && numbers.size() == 4) answer = Registers(numbers, numbers[3]);
    if (deed == "release") answer = Done(client_.Release(lease_->id()));
    if (deed == "drop") answer = Drop();
    return answer.ok() ? *answer : Error(answer.status());
  }

 private:
  static std::string Error(const absl::Status& status) {
    const std::string text =
        absl::StrReplaceAll(status.ToString(), {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", " "}});
    return absl::StrCat("{\"error\": \"", text, "\"}");
  }
  static absl::StatusOr<std::string> Done(const absl::Status& status) {
    if (!status.ok()) return status;
    return std::string("{}");
  }

  absl::StatusOr<std::string> DeviceNow() {
    const absl::StatusOr<v1::Device> device = client_.GetDevice();
    if (!device.ok()) return device.status();
    return absl::StrCat("{\"link\": ", device->link_up() ? "true" : "false", ", \"mac\": \"",
                        absl::BytesToHexString(device->mac()), "\"}");
  }

  absl::StatusOr<std::string> Lease(bool join_rss) {
    lease_.reset();
    v1::AcquireLeaseRequest request;
    request.set_device(options_.device);
    request.set_rx_queue_count(1);
    request.set_tx_queue_count(1);
    request.set_join_rss(join_rss);
    request.set_protection(options_.guarded ? v1::PROTECTION_MODE_GUARDED
                                            : v1::PROTECTION_MODE_DIRECT);
    for (const Memory* memory : {&mine_, &readonly_, &canary_}) {
      if (!memory->bytes.empty()) request.add_region_ids(memory->region);
    }
    auto lease = client_.Acquire(request, mine_);
    if (!lease.ok()) return lease.status();
    lease_ = *std::move(lease);
    std::string rings;
    for (const auto& queue : lease_->grant.rx()) AddRings(queue, &rings);
    for (const auto& queue : lease_->grant.tx()) AddRings(queue, &rings);
    return absl::StrCat(
        "{\"lease\": ", lease_->id(), ", \"layout\": \"", lease_->lease.layout().name(),
        "\", \"rx_queue\": ", lease_->lease.rx_queues(0),
        ", \"tx_queue\": ", lease_->lease.tx_queues(0), ", \"mine\": ", lease_->IovaOf(mine_),
        ", \"readonly\": ", lease_->IovaOf(readonly_), ", \"canary\": ", lease_->IovaOf(canary_),
        ", \"function\": ", lease_->function >= 0 ? "true" : "false", ", \"rings\": [", rings,
        "]}");
  }
  static void AddRings(const v1::QueueGrant& queue, std::string* text) {
    for (const v1::RingGrant& ring : queue.rings()) {
      if (ring.slot_count() == 0) continue;
      absl::StrAppend(text, text->empty() ? "" : ", ", "{\"iova\": ", ring.iova(),
                      ", \"slots\": ", ring.slot_count(), "}");
    }
  }

  uint64_t Post(uint64_t address, uint64_t bytes, uint64_t count) {
    dataplane::RxDriver& rx = lease_->rx[0];
    uint64_t posted = 0;
    // What the layout has the driver read in a buffer is read in ours, wherever the device is sent.
    const dataplane::RxBuffer one{dataplane::Iova(address), static_cast<uint32_t>(bytes), 0,
                                  mine_.bytes.data()};
    while (posted < count && rx.Room() > 0 && rx.Post(std::span(&one, 1)) == 1) ++posted;
    if (rx.Publish()) lease_->Wake();
    return posted;
  }
  std::string Receive(const std::vector<uint64_t>& numbers) {
    return absl::StrCat("{\"posted\": ", Post(numbers[0], numbers[1], numbers[2]), "}");
  }

  std::string Send(const std::vector<uint64_t>& numbers) {
    std::vector<dataplane::TxSegment> pieces;
    for (size_t i = 0; i + 1 < numbers.size(); i += 2) {
      pieces.push_back(
          {dataplane::Iova(numbers[i]), static_cast<uint32_t>(numbers[i + 1]), mine_.bytes.data()});
    }
    const auto result = lease_->tx[0].Push(pieces, {}, 0);
    if (lease_->tx[0].Publish()) lease_->Wake();
    return absl::StrCat(
        "{\"pushed\": ", result == dataplane::PushResult::kPushed ? "true" : "false", "}");
  }

  std::string Race(const std::vector<uint64_t>& numbers) {
    const uint64_t good = numbers[0], bad = numbers[1], bytes = numbers[2];
    const absl::Time until = absl::Now() + absl::Milliseconds(numbers[3]);
    std::atomic<bool> stop = false;
    std::atomic<uint64_t> exchanged = 0;
    uint64_t posted = 0, pushed = 0, completed = 0;
    std::thread vandal([&] {
      std::minstd_rand random;
      while (!stop) exchanged += Exchange(good, bad, random);
    });
    std::array<uint32_t, kBurst> cookies;
    std::array<dataplane::RxCompletion, kBurst> completions;
    const dataplane::TxSegment piece{dataplane::Iova(good), static_cast<uint32_t>(bytes),
                                     mine_.bytes.data()};
    dataplane::TxDriver& tx = lease_->tx[0];
    // A loaded machine may not have let the vandal begin.
    while (absl::Now() < until || (exchanged == 0 && absl::Now() < until + kPatience)) {
      posted += Post(good, kBufferBytes, kBurst);
      for (size_t i = 0; i < kBurst / 4; ++i) {
        if (tx.Push(std::span(&piece, 1), {}, 0) == dataplane::PushResult::kPushed) ++pushed;
      }
      if (tx.Publish()) lease_->Wake();
      completed += tx.Reclaim(cookies) + lease_->rx[0].Poll(completions);
    }
    stop = true;
    vandal.join();
    return absl::StrCat("{\"posted\": ", posted, ", \"pushed\": ", pushed,
                        ", \"completed\": ", completed, ", \"exchanged\": ", exchanged.load(), "}");
  }
  // Words of a ring that are one address become the other one, as chance has it.
  uint64_t Exchange(uint64_t good, uint64_t bad, std::minstd_rand& random) {
    uint64_t exchanged = 0;
    for (const std::span<std::byte> slots : lease_->slots) {
      for (size_t at = 0; at + sizeof(uint64_t) <= slots.size(); at += sizeof(uint64_t)) {
        auto* word = reinterpret_cast<uint64_t*>(&slots[at]);
        const uint64_t now = __atomic_load_n(word, __ATOMIC_RELAXED);
        if ((now != good && now != bad) || random() % 2 == 0) continue;
        __atomic_store_n(word, now == good ? bad : good, __ATOMIC_RELAXED);
        ++exchanged;
      }
    }
    return exchanged;
  }

  std::string Poll() {
    std::array<uint32_t, kBurst> cookies;
    std::array<dataplane::RxCompletion, kBurst> completions;
    uint64_t received = 0, sent = 0;
    while (const uint32_t n = lease_->rx[0].Poll(completions)) received += n;
    while (const uint32_t n = lease_->tx[0].Reclaim(cookies)) sent += n;
    return absl::StrCat("{\"received\": ", received, ", \"sent\": ", sent, "}");
  }

  absl::StatusOr<std::string> Faults(absl::Duration patience) {
    const FaultWatch::Told told = watch_->Of(lease_->id(), patience);
    const absl::StatusOr<v1::Lease> now = client_.Get(lease_->id());
    if (!now.ok()) return now.status();
    return absl::StrCat("{\"counted\": ", now->faults(), ", \"told\": ", told.count,
                        ", \"kind\": \"", v1::FaultKind_Name(told.first.kind()),
                        "\", \"transmit\": ", told.first.transmit() ? "true" : "false",
                        ", \"iova\": ", told.first.iova(), "}");
  }

  std::string Refill() {
    std::memcpy(mine_.bytes.data(), mine_pattern_.data(), mine_pattern_.size());
    return "{}";
  }
  std::string Whole() const {
    const bool mine = std::memcmp(mine_.bytes.data(), mine_pattern_.data(), kMineBytes / 2) == 0;
    bool others = true;
    for (const Memory* memory : {&readonly_, &canary_}) {
      if (memory->bytes.empty()) continue;
      others &= std::memcmp(memory->bytes.data(), pattern_.data(), memory->bytes.size()) == 0;
    }
    return absl::StrCat("{\"mine\": ", mine ? "true" : "false",
                        ", \"whole\": ", others ? "true" : "false", "}");
  }

  // VFIO_DEVICE_GET_REGION_INFO of linux/vfio.h says where a region stands in the descriptor.
  absl::StatusOr<std::string> Registers(const std::vector<uint64_t>& numbers,
                                        std::optional<uint64_t> value) {
    vfio_region_info info{};
    info.argsz = sizeof info;
    info.index = static_cast<uint32_t>(numbers[0]);
    if (numbers[2] > sizeof(uint64_t) ||
        ::ioctl(lease_->function, VFIO_DEVICE_GET_REGION_INFO, &info) != 0) {
      return absl::ErrnoToStatus(errno, "the region");
    }
    uint64_t bytes = value.value_or(0);
    const auto at = static_cast<off_t>(info.offset + numbers[1]);
    const ssize_t moved = value ? ::pwrite(lease_->function, &bytes, numbers[2], at)
                                : ::pread(lease_->function, &bytes, numbers[2], at);
    if (moved != static_cast<ssize_t>(numbers[2])) return absl::ErrnoToStatus(errno, "registers");
    return absl::StrCat("{\"value\": ", bytes, "}");
  }

  std::string Drop() {
    lease_.reset();
    return "{}";
  }

  const Options options_;
  testing::RawClient client_;
  Memory mine_, readonly_, canary_;
  std::string pattern_;       // what stands in all of them
  std::string mine_pattern_;  // with a frame's header
  std::optional<FaultWatch> watch_;
  std::unique_ptr<testing::RawLease> lease_;
};

int Run(const Options& options) {
  DmaRogue rogue(options);
  if (absl::Status status = rogue.Start(); !status.ok()) {
    std::fprintf(stderr, "dma_rogue: %s\n", status.ToString().c_str());
    return 1;
  }
  if (options.ready_fd >= 0 && ::write(options.ready_fd, "ready\n", 6) == 6) {
    ::close(options.ready_fd);
  }
  for (std::string line; std::getline(std::cin, line);) {
    std::printf("%s\n", rogue.Do(line).c_str());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace qsplit

int main(int argc, char** argv) {
  qsplit::Options options;
  std::string mode = "direct";
  CLI::App app("Points a device at memory that is not its own; reads deeds from stdin.");
  app.add_option("--runtime-dir", options.runtime_dir, "Folder of the daemon's sockets");
  app.add_option("--device", options.device, "Device");
  app.add_option("--mode", mode, "Protection mode")->check(CLI::IsMember({"direct", "guarded"}));
  app.add_option("--canary-bytes", options.canary_bytes, "Memory that is never posted");
  app.add_option("--pattern", options.pattern, "What stands in all memory");
  app.add_option("--ready-fd", options.ready_fd, "Write \"ready\" to this descriptor when it is");
  CLI11_PARSE(app, argc, argv);
  options.guarded = mode == "guarded";
  ::signal(SIGPIPE, SIG_IGN);
  return qsplit::Run(options);
}
