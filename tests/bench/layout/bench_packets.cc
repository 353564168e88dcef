// What a packet costs in each layout, with the default choices of its features: the driver's side
// and the device's side of a receive and of a transmit queue, over the same memory.
//
//   bench_packets             all of it, then a table with a row for each spec
//
// Both sides take turns in one thread: the device uses up the whole ring, in bursts of 32 with a
// Publish behind each; then the driver drains and fills it again, in bursts as well. Each turn is
// timed by itself, so that the clock costs a packet next to nothing, and the median of all turns
// counts. A frame has 60 bytes, 64 with the frame check sequence, and lies in one buffer; where a
// slot has several, the packet takes them all, as in the client library. Nobody copies frames,
// except where a layout has packets in the ring itself. Doorbells and registers are plain memory,
// nobody sleeps, and the ring is warm in the cache of the one core: a NIC's stores from elsewhere,
// and stores to its registers, come on top.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/unit/dataplane/rx_pair.h"
#include "tests/unit/dataplane/tx_rig.h"

namespace qsplit::dataplane::testing {
namespace {

constexpr uint32_t kSlots = 512;
constexpr uint32_t kBurst = 32;
constexpr uint32_t kFrameBytes = 60;

// What a device says of TCP over IPv4 that it found in order.
RxMetadata MetadataOf(RxFields fields) {
  RxMetadata meta;
  meta.present = RxFields(fields.bits & ~(RxField::kVlanTci | RxField::kSegment).bits);
  const auto has = [&](RxField field) { return meta.present.Has(field); };
  if (has(RxField::kHash)) meta.hash = 0xabcd1234;
  if (has(RxField::kHashType)) meta.hash_type = HashType::kTcp4;
  if (has(RxField::kL3Kind)) meta.l3 = L3Kind::kIp4;
  if (has(RxField::kL4Kind)) meta.l4 = L4Kind::kTcp;
  if (has(RxField::kL3Checksum)) meta.l3_checksum = ChecksumState::kGood;
  if (has(RxField::kL4Checksum)) meta.l4_checksum = ChecksumState::kGood;
  if (has(RxField::kTimestamp)) meta.timestamp = 0x12345678;
  if (has(RxField::kQueue)) meta.queue = 3;
  if (has(RxField::kMark)) meta.mark = 7;
  if (has(RxField::kChecksumValue)) meta.checksum = 0x1357;
  return meta;
}

uint32_t QueueOf(const layout::VerifiedLayout& layout, v1::Direction direction) {
  const auto& queues = layout.message().queues();
  const auto found = std::find_if(queues.begin(), queues.end(), [&](const v1::Queue& queue) {
    return queue.direction() == direction;
  });
  return static_cast<uint32_t>(found - queues.begin());
}

class Receiving {
 public:
  Receiving(const NamedLayout& named, bool metadata)
      : case_{named.name, named.layout, QueueOf(*named.layout, v1::DIRECTION_RECEIVE), {}},
        pair_(case_, kSlots, BufferBytesFrom(case_, 2048), kBuffers, 0,
              metadata ? RxFields::All() : RxFields::None()) {
    result_.length = kFrameBytes;
    if (metadata) result_.meta = MetadataOf(pair_.device().Supported());
    for (uint32_t i = 0; i < std::min(kBuffers, pair_.driver().Capacity()); ++i) {
      buffers_.push_back(pair_.Buffer(i));
    }
    free_ = buffers_;
    Post();
    free_.clear();
  }

  // Packets into all that is posted; how many.
  uint32_t DeviceTurn() {
    RxDevice& device = pair_.device();
    PostedBuffer buffer;
    uint32_t packets = 0;
    for (;;) {
      uint32_t burst = 0;
      while (burst < kBurst && device.Fetch(&buffer, true, kFrameBytes) == RingFault::kNone &&
             device.Complete(result_)) {
        ++burst;
      }
      if (burst == 0) return packets;
      device.Publish();
      packets += burst;
    }
  }
  // Takes all of them and posts their buffers again; how many, 0 if some are of another length.
  uint32_t DriverTurn() {
    uint32_t packets = 0;
    uint64_t bytes = 0, said = 0;
    while (const uint32_t count = pair_.driver().Poll(done_)) {
      for (const RxCompletion& one : std::span(done_).first(count)) {
        bytes += one.length;
        said += one.meta.present.bits + one.meta.hash;
        packets += one.last ? 1 : 0;
        free_.push_back(buffers_[one.cookie]);
      }
      Post();
    }
    benchmark::DoNotOptimize(said);
    return bytes == uint64_t{packets} * kFrameBytes ? packets : 0;
  }
  bool IsWhole() { return pair_.memory().BrokenGuard().empty(); }

 private:
  // Some layouts have several buffers in a slot, or a second ring of them.
  static constexpr uint32_t kBuffers = 8 * kSlots;

  void Post() {
    free_.erase(free_.begin(), free_.begin() + pair_.driver().Post(free_));
    pair_.driver().Publish();
  }

  RxCase case_;
  RxPair pair_;
  RxResult result_;
  std::array<RxCompletion, kBurst> done_;
  std::vector<RxBuffer> buffers_;
  std::vector<RxBuffer> free_;
};

class Sending {
 public:
  explicit Sending(const NamedLayout& named)
      : rig_({named.name, named.layout, {}, QueueOf(*named.layout, v1::DIRECTION_TRANSMIT)},
             kSlots) {
    if (!rig_.status.ok()) return;
    TxDriver& driver = *rig_.driver;
    frame_bytes_ = std::max(kFrameBytes, driver.MinPacketBytes());
    const uint64_t apart = std::max(128u, driver.AddressAlignment());
    const uint64_t places = (PacketMemory::kBytes - rig_.packets_begin) / apart;
    for (uint32_t i = 0; i < driver.Capacity(); ++i) {
      const Iova at(PacketMemory::kIova + rig_.packets_begin + i % places * apart);
      frames_.push_back({at, frame_bytes_, driver.NeedsMemory() ? rig_.packets.At(at) : nullptr});
      free_.push_back(i);
    }
    Push();
    free_.clear();
  }

  // Takes all packets and completes them; how many, 0 if some are of another length.
  uint32_t DeviceTurn() {
    TxWork work;
    uint32_t packets = 0;
    uint64_t bytes = 0;
    for (; rig_.device->Fetch(&work) == RingFault::kNone; ++packets) {
      bytes += work.bytes;
      rig_.device->Complete(work.handle);
    }
    return bytes == uint64_t{packets} * frame_bytes_ ? packets : 0;
  }
  // Learns which are sent, and sends as many again; how many.
  uint32_t DriverTurn() {
    uint32_t packets = 0;
    while (const uint32_t count = rig_.driver->Reclaim(cookies_)) {
      packets += count;
      free_.insert(free_.end(), cookies_.begin(), cookies_.begin() + count);
      Push();
    }
    return packets;
  }
  const absl::Status& status() const { return rig_.status; }
  bool IsWhole() { return rig_.rings.BrokenGuard().empty(); }

 private:
  void Push() {
    size_t pushed = 0;
    while (pushed < free_.size() &&
           rig_.driver->Push(std::span(&frames_[free_[pushed]], 1), TxRequest{}, free_[pushed]) ==
               PushResult::kPushed) {
      ++pushed;
    }
    free_.erase(free_.begin(), free_.begin() + static_cast<ptrdiff_t>(pushed));
    rig_.driver->Publish();
  }

  TxRig rig_;
  uint32_t frame_bytes_ = 0;
  std::vector<TxSegment> frames_;
  std::array<uint32_t, kBurst> cookies_{};
  std::vector<uint32_t> free_;
};

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

using Nanoseconds = std::chrono::duration<double, std::nano>;

// The device uses up the ring, then the driver fills it again: one iteration.
template <typename Side>
void Turns(benchmark::State& state, Side& side) {
  std::vector<double> driver_ns, device_ns;
  for ([[maybe_unused]] auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    const uint32_t given = side.DeviceTurn();
    const auto middle = std::chrono::steady_clock::now();
    const uint32_t taken = side.DriverTurn();
    const auto end = std::chrono::steady_clock::now();
    if (given < kBurst || taken != given) {
      state.SkipWithError("packets did not come through");
      break;
    }
    device_ns.push_back(Nanoseconds(middle - begin).count() / given);
    driver_ns.push_back(Nanoseconds(end - middle).count() / given);
    state.SetIterationTime(std::chrono::duration<double>(end - begin).count());
  }
  if (!side.IsWhole()) state.SkipWithError("something was written beside a ring");
  state.counters["driver_ns"] = Median(driver_ns);
  state.counters["device_ns"] = Median(device_ns);
}

void Receive(benchmark::State& state, const NamedLayout& named, bool metadata) {
  Receiving side(named, metadata);
  Turns(state, side);
}

void Send(benchmark::State& state, const NamedLayout& named) {
  Sending side(named);
  if (!side.status().ok()) return state.SkipWithError("is not driven");
  Turns(state, side);
}

constexpr const char* kKinds[] = {"Receive/", "ReceiveAll/", "Send/"};
// Nanoseconds for each packet; of each kind the driver's, the device's, and both.
using Times = std::array<double, 3 * std::size(kKinds)>;

// Remembers the best run of each and prints a table at the end.
class Table : public benchmark::ConsoleReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      const std::string& name = run.run_name.function_name;
      if (run.error_occurred) {
        std::fprintf(stderr, "error: %s: %s\n", name.c_str(), run.error_message.c_str());
        failed_ = true;
      } else if (run.run_type == Run::RT_Iteration) {
        Keep(run.counters.at("driver_ns"), &ns_[name][0]);
        Keep(run.counters.at("device_ns"), &ns_[name][1]);
      }
    }
  }
  void Print(const std::vector<std::string>& names) const {
    std::printf("\n%-22s %26s %26s %26s\n", "", "received, lengths only", "received, all metadata",
                "sent");
    std::printf("%-22s", "layout");
    for (size_t i = 0; i < std::size(kKinds); ++i) std::printf("   driver   device     both");
    std::printf("   ns/packet\n");
    std::array<std::vector<double>, std::tuple_size_v<Times>> columns;
    for (const std::string& name : names) {
      Times times;
      if (!Find(name, &times)) continue;
      Row(name, times);
      for (size_t i = 0; i < times.size(); ++i) columns[i].push_back(times[i]);
    }
    if (columns[0].empty()) return;
    // Each column by itself.
    Times least, median, most;
    for (size_t i = 0; i < columns.size(); ++i) {
      const auto [low, high] = std::minmax_element(columns[i].begin(), columns[i].end());
      least[i] = *low;
      most[i] = *high;
      median[i] = Median(columns[i]);
    }
    Row("least", least);
    Row("median", median);
    Row("most", most);
  }
  bool failed() const { return failed_; }

 private:
  static void Keep(double ns, double* best) {
    if (*best == 0 || ns < *best) *best = ns;
  }
  bool Find(const std::string& name, Times* times) const {
    for (size_t i = 0; i < std::size(kKinds); ++i) {
      const auto found = ns_.find(kKinds[i] + name);
      if (found == ns_.end()) return false;
      const auto [driver, device] = found->second;
      (*times)[3 * i] = driver;
      (*times)[3 * i + 1] = device;
      (*times)[3 * i + 2] = driver + device;
    }
    return true;
  }
  static void Row(const std::string& name, const Times& times) {
    std::printf("%-22s", name.c_str());
    for (const double ns : times) std::printf(" %8.2f", ns);
    std::printf("\n");
  }

  std::map<std::string, std::array<double, 2>> ns_;
  bool failed_ = false;
};

int Run() {
  std::vector<std::string> names;
  for (const NamedLayout& named : ShippedLayouts()) {
    // The others carry commands.
    if (named.layout->FindQueue(v1::DIRECTION_RECEIVE) == nullptr) continue;
    const std::string& name = names.emplace_back(named.layout->name());
    const auto add = [&](const char* kind, auto bench, auto... more) {
      benchmark::RegisterBenchmark((kind + name).c_str(), bench, named, more...)->UseManualTime();
    };
    add(kKinds[0], Receive, false);
    add(kKinds[1], Receive, true);
    add(kKinds[2], Send);
  }
  Table table;
  benchmark::RunSpecifiedBenchmarks(&table);
  table.Print(names);
  return table.failed() ? 1 : 0;
}

}  // namespace
}  // namespace qsplit::dataplane::testing

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  return qsplit::dataplane::testing::Run();
}
