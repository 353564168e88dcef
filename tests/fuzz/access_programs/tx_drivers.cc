#include <algorithm>
#include <array>
#include <deque>
#include <tuple>
#include <vector>

#include "dataplane/tx_device.h"
#include "dataplane/tx_driver.h"
#include "tests/fuzz/access_programs/drivers.h"
#include "tests/fuzz/access_programs/programs.h"
#include "tests/fuzz/access_programs/reached.h"
#include "tests/fuzz/support/packets.h"

namespace qsplit::fuzz {
namespace {

using namespace dataplane;  // NOLINT

constexpr uint32_t kMostPackets = 64;  // in one act

struct TxTraits {
  using Driver = TxDriver;
  using Device = TxDevice;
  using DriverOptions = TxOptions;
  using DeviceOptions = TxDeviceOptions;
  static constexpr bool kEngineIsApart = true;
};

class TxQueue : public EachWay<TxTraits> {
 public:
  using EachWay::EachWay;

  // One packet of some segments.
  void Push(Input& in) {
    const auto at = static_cast<uint32_t>(pushed_);
    std::vector<TxSegment> segments(1 + in.Byte() % 4);
    for (TxSegment& segment : segments) segment.bytes = TakeBytes(in);
    const TxRequest request = in.Byte() % 2 == 0 ? TxRequest() : TakeRequest(in);
    const PushResult result = Same([&](Way& way) {
      for (uint32_t i = 0; i < segments.size(); ++i) {
        const uint32_t buffer = (at + i) % QueueMemory::kBuffers;
        segments[i].address = QueueMemory::BufferIova(buffer);
        segments[i].memory = way.memory->Buffer(buffer);
        // Whatever stands in front of a packet is the driver's, as far as the layout asks for it.
        if (i == 0 && way.driver->BytesBefore() != 0) {
          const uint32_t before = std::min(way.driver->BytesBefore(), kLargestHeader);
          segments[i].address.value += before;
          segments[i].memory += before;
        }
      }
      return way.driver->Push(segments, request, at);
    });
    if (result == PushResult::kPushed) ++pushed_;
  }
  void PushBurst(Input& in) {
    const auto at = static_cast<uint32_t>(pushed_);
    std::vector<TxPacket> packets(1 + in.Byte() % kMostPackets);
    for (uint32_t i = 0; i < packets.size(); ++i) {
      packets[i] = {QueueMemory::BufferIova((at + i) % QueueMemory::kBuffers), 64 + i, at + i};
    }
    if (const uint8_t odd = in.Byte(); odd < 0x40) {
      TxPacket& one = packets[in.Below(packets.size())];
      if (odd % 2 == 0) one.bytes = static_cast<uint32_t>(in.Value());
      if (odd % 2 == 1) one.address = Iova(in.Value());
    }
    const TxRequest request = in.Byte() % 2 == 0 ? TxRequest() : TakeRequest(in);
    PushResult why{};
    const uint32_t count =
        Same([&](Way& way) { return way.driver->PushBurst(packets, request, &why); });
    pushed_ += count;
    ReachIf(count != 0, IsCompiled() ? Reached::kTxDriverCompiled : Reached::kTxDriverEngine);
    ReachIf(pushed_ > driver().Capacity() && IsCompiled(), Reached::kTxDriverAroundEnd);
  }
  bool NeedsMemory() const { return driver().NeedsMemory(); }
  void Publish() {
    Same([](Way& way) { return way.driver->Publish(); });
  }
  void Reclaim(Input& in) {
    const size_t most = in.Byte() % (kMostPackets + 1);
    // It reads all completions that there are, and so tells the device of more.
    if (most < driver().Outstanding()) LeaveEngineOut();
    Same([&](Way& way) {
      std::vector<uint32_t> cookies(most);
      cookies.resize(way.driver->Reclaim(cookies));
      return cookies;
    });
    Same([&](Way& way) {
      std::vector<TxTime> times(kMostPackets);
      times.resize(way.driver->TakeTimes(times));
      return times;
    });
  }

  // Fetches packets, together where that can be, and completes the older half of all that were.
  void Complete(Input& in) {
    const auto most = static_cast<uint32_t>(in.Below(kMostPackets + 1));
    const auto keep = in.Byte() % 8u;
    Same([&](Way& way) {
      std::deque<TxHandle>& fetched = fetched_[way.number];
      std::vector<PlainTx> plain(most);
      uint32_t done = way.device->FetchPlain(plain);
      if (done != 0 && way.device->Access().mode == AccessMode::kCompiled) {
        Reach(Reached::kTxDeviceCompiled);
      }
      FoundBuffers found;
      for (const PlainTx& one : std::span(plain).first(done)) {
        fetched.push_back(way.device->HandleOf(one));
        found.Add(one.address.value, one.bytes);
      }
      RingFault fault = RingFault::kNone;
      for (; done < most; ++done) {
        TxWork work;
        fault = way.device->Fetch(&work);
        if (fault != RingFault::kNone) break;
        fetched.push_back(work.handle);
        for (const TxSegment& one : work.segments) found.Add(one.address.value, one.bytes);
      }
      for (; fetched.size() > keep; fetched.pop_front()) {
        way.device->Complete(fetched.front(), fetched.front().number);
      }
      return std::tuple(done, fault, found);
    });
  }

 private:
  static constexpr uint32_t kLargestHeader = 256;

  static uint32_t TakeBytes(Input& in) {
    return static_cast<uint32_t>(in.Value() % (QueueMemory::kBufferBytes - kLargestHeader + 1));
  }

  uint64_t pushed_ = 0;
  std::array<std::deque<TxHandle>, kWays> fetched_;
};

}  // namespace

void RunTxDrivers(const layout::VerifiedLayout& layout, uint32_t queue,
                  std::span<const uint32_t> choices, Input& in) {
  TxOptions options;
  options.report_every = 1u + in.Byte() % 8;
  TxQueue tx(layout, queue, choices, options, {}, in);
  while (tx.has_drivers() && !in.Empty()) {
    uint8_t act = in.Byte() % 16;
    if (!tx.has_devices() && act >= 8) act = 15;
    if (act < 1 || (act < 4 && tx.NeedsMemory())) {
      tx.Push(in);
    } else if (act < 4) {
      tx.PushBurst(in);
    } else if (act < 6) {
      tx.Publish();
    } else if (act < 8) {
      tx.Reclaim(in);
    } else if (act < 12) {
      tx.Complete(in);
    } else {
      tx.Scribble(in);
    }
  }
}

void RunDrivers(const layout::VerifiedLayout& layout, uint32_t queue,
                std::span<const uint32_t> choices, Input& in) {
  switch (layout.message().queues(static_cast<int>(queue)).direction()) {
    case v1::DIRECTION_RECEIVE:
      return RunRxDrivers(layout, queue, choices, in);
    case v1::DIRECTION_TRANSMIT:
      return RunTxDrivers(layout, queue, choices, in);
    default:
      return;
  }
}

}  // namespace qsplit::fuzz
