// What the device's side of a ring costs for each descriptor, rings in the cache of one core:
// posted packets fetched and completed, posted buffers fetched, and completed with length and hash;
// by the engine alone, by plans that are interpreted and by machine code made of them. Only the
// device's turns are timed.
//
//   bench_device_side [--quick] [--rows] [LAYOUT]
//
// Medians of 9 runs (--quick: 3) in ns; --rows: lines of measure, value, unit, how, of some
// layouts.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/rx_device.h"
#include "dataplane/rx_driver.h"
#include "dataplane/tx_device.h"
#include "dataplane/tx_driver.h"
#include "tests/bench/command_line.h"
#include "tests/bench/processor.h"
#include "tests/unit/dataplane/queue_memory.h"
#include "tests/unit/dataplane/test_ring.h"

namespace {

using namespace qsplit;             // NOLINT
using namespace qsplit::dataplane;  // NOLINT
using dataplane::testing::QueueMemory;
using Clock = std::chrono::steady_clock;

constexpr uint32_t kSlots = 512;
constexpr uint32_t kBurst = 32;
constexpr uint32_t kTurns = 2000;
constexpr uint64_t kIova = 0x1000'0000;
constexpr uint32_t kMemoryBytes = 1u << 20;
constexpr AccessMode kModes[] = {AccessMode::kEngine, AccessMode::kInterpreted,
                                 AccessMode::kCompiled};
constexpr const char* kModeNames[] = {"engine", "interpreted", "compiled"};
constexpr size_t kModeCount = 3;
constexpr std::string_view kInRows[] = {"intel.ixgbe.advanced", "intel.ice.flex", "hisilicon.hns3",
                                        "marvell.mvneta", "virtio.packed"};

struct Memory {
  std::vector<std::byte> bytes = std::vector<std::byte>(kMemoryBytes);
  DeviceMemory View() {
    DeviceMemory view;
    view.context = this;
    view.read = [](void* self, Iova from, std::byte* to, uint32_t size) {
      std::memcpy(to, &static_cast<Memory*>(self)->bytes[from.value - kIova], size);
      return true;
    };
    view.write = [](void* self, Iova to, const std::byte* from, uint32_t size) {
      std::memcpy(&static_cast<Memory*>(self)->bytes[to.value - kIova], from, size);
      return true;
    };
    return view;
  }
};

// What is timed, in clock readings of their own.
class Timer {
 public:
  void Begin() { begin_ = Clock::now(); }
  void End() { spent_ += Clock::now() - begin_; }
  double NsFor(double descriptors) const {
    return std::chrono::duration<double, std::nano>(spent_).count() / descriptors;
  }

 private:
  Clock::time_point begin_;
  Clock::duration spent_{};
};

// ns for each packet; negative: not this layout, or nothing went by bursts.
double Transmit(const layout::VerifiedLayout& layout, uint32_t queue, AccessMode mode) {
  QueueMemory rings(layout, queue, {}, kSlots);
  Memory memory;
  QueueView view = rings.view();
  view.scratch_bytes = TxDriver::ScratchBytes(layout, view);
  view.scratch = memory.bytes.data();
  view.scratch_iova = Iova(kIova);
  auto driver = TxDriver::Create(layout, view, {kBurst});
  auto device = TxDevice::Create(layout, view, {memory.View(), mode});
  if (!driver.ok() || !device.ok() || view.scratch_bytes > kMemoryBytes / 2) return -1;
  if (driver->NeedsMemory() || driver->BytesBefore() != 0) return -1;
  Timer timer;
  uint64_t done = 0;
  uint32_t next = 0;
  for (uint32_t turn = 0; turn < kTurns; ++turn) {
    uint32_t cookies[kBurst];
    while (driver->Reclaim(cookies) != 0) {
    }
    TxPacket packets[kBurst];
    for (TxPacket& packet : packets) {
      packet = {Iova(kIova + kMemoryBytes / 2 + next++ % 256 * 2048), 1000, 0};
    }
    PushResult why;
    driver->PushBurst(packets, TxRequest{}, &why);
    driver->Publish();
    timer.Begin();
    std::array<PlainTx, kBurst> plain;
    for (;;) {
      const uint32_t count = device->FetchPlain(plain);
      if (count != 0) {
        device->CompletePlain(std::span(plain).first(count));
        done += count;
        continue;
      }
      TxWork work;
      if (device->Fetch(&work) != RingFault::kNone) break;
      device->Complete(work.handle);
      ++done;
    }
    timer.End();
  }
  return done == 0 ? -1 : timer.NsFor(static_cast<double>(done));
}

double Receive(const layout::VerifiedLayout& layout, uint32_t queue, AccessMode mode) {
  QueueMemory rings(layout, queue, {}, kSlots);
  Memory memory;
  const uint32_t bytes = dataplane::testing::QueueBufferBytes(layout);
  auto driver = RxDriver::Create(layout, rings.view(), {RxFields::None(), bytes});
  auto device = RxDevice::Create(layout, rings.view(), {bytes, memory.View(), mode});
  if (!driver.ok() || !device.ok()) return -1;
  RxMetadata meta;
  meta.present =
      device->Supported() & (RxField::kHash | RxField::kHashType | RxField::kL3Kind |
                             RxField::kL4Kind | RxField::kL3Checksum | RxField::kL4Checksum);
  meta.hash_type = HashType::kTcp4;
  meta.l3 = L3Kind::kIp4;
  meta.l4 = L4Kind::kTcp;
  meta.l3_checksum = meta.l4_checksum = ChecksumState::kGood;
  Timer timer;
  uint64_t done = 0;
  uint32_t next = 0;
  std::array<RxPlain, kBurst> packets;
  for (uint32_t i = 0; i < kBurst; ++i) packets[i] = {60 + i, 0x9e3779b9 * i};
  for (uint32_t turn = 0; turn < kTurns; ++turn) {
    RxCompletion got[kBurst];
    while (driver->Poll(got) != 0) {
    }
    for (uint32_t i = 0; i < kBurst; ++i) {
      const uint64_t offset = next++ % 256 * 2048;
      const RxBuffer buffer{Iova(kIova + offset), std::max(bytes, 2048u), 0, &memory.bytes[offset]};
      if (driver->Post(std::span(&buffer, 1)) == 0) break;
    }
    driver->Publish();
    timer.Begin();
    std::array<PlainBuffer, kBurst> plain;
    uint32_t here = device->FetchPlain(plain);
    device->CompletePlain(meta, std::span(packets).first(here));
    PostedBuffer buffer;
    for (; here < kBurst && device->Fetch(&buffer, true, packets[here].length) == RingFault::kNone;
         ++here) {
      RxResult result{.length = packets[here].length, .last = true, .meta = meta};
      result.meta.hash = packets[here].hash;
      device->Complete(result);
    }
    device->Publish();
    timer.End();
    done += here;
  }
  return done == 0 ? -1 : timer.NsFor(static_cast<double>(done));
}

struct Row {
  std::string layout;
  bool receive = false;
  std::array<std::vector<double>, kModeCount> runs;

  double Median(size_t mode) const {
    std::vector<double> sorted = runs[mode];
    std::ranges::sort(sorted);
    return sorted[sorted.size() / 2];
  }
  double SpreadPercent(size_t mode) const {
    const auto [least, most] = std::ranges::minmax_element(runs[mode]);
    return (*most - *least) / Median(mode) * 50;
  }
};

void Print(const Row& row, bool rows) {
  const char* const way = row.receive ? "receive" : "transmit";
  if (rows) {
    std::printf(
        "Device's side of a ring, %s %s, fetched and completed\t%.2f\tns/packet\tspread %.1f%%; "
        "interpreted %.2f; engine %.2f\n",
        row.layout.c_str(), way, row.Median(2), row.SpreadPercent(2), row.Median(1), row.Median(0));
  } else {
    std::printf("%-24s %-9s", row.layout.c_str(), way);
    for (size_t mode = 0; mode < kModeCount; ++mode) {
      std::printf("  %7.2f +-%4.1f%%", row.Median(mode), row.SpreadPercent(mode));
    }
    std::printf("\n");
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::CommandLine line(argc, argv);
  bench::RunOn(0);
  if (!line.rows) {
    std::printf("%-24s %-9s", "ns for each packet", "");
    for (const char* const name : kModeNames) std::printf("  %15s", name);
    std::printf("\n");
  }
  for (const dataplane::testing::NamedLayout& named : dataplane::testing::ShippedLayouts()) {
    const v1::Layout& message = named.layout->message();
    if (!line.Wants(named.layout->name())) continue;
    if (line.rows && std::ranges::find(kInRows, named.layout->name()) == std::end(kInRows))
      continue;
    for (int q = 0; q < message.queues_size(); ++q) {
      const v1::Direction direction = message.queues(q).direction();
      if (direction == v1::DIRECTION_COMMAND) continue;
      Row row{named.layout->name(), direction == v1::DIRECTION_RECEIVE, {}};
      bool driven = true;
      for (int run = 0; run < line.Runs() && driven; ++run) {
        for (size_t mode = 0; mode < kModeCount; ++mode) {
          const auto queue = static_cast<uint32_t>(q);
          const double ns = row.receive ? Receive(*named.layout, queue, kModes[mode])
                                        : Transmit(*named.layout, queue, kModes[mode]);
          driven = driven && ns >= 0;
          row.runs[mode].push_back(ns);
        }
      }
      if (driven) Print(row, line.rows);
    }
  }
  return 0;
}
