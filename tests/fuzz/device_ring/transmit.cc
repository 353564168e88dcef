#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "dataplane/tx_device.h"
#include "dataplane/tx_driver.h"
#include "tests/fuzz/device_ring/both_sides.h"
#include "tests/fuzz/support/packets.h"

namespace qsplit::fuzz {
namespace {

using namespace dataplane;  // NOLINT

// The driver's side, which knows what it pushed.
class Driver {
 public:
  Driver(TxDriver driver, QueueMemory& memory) : driver_(std::move(driver)), memory_(memory) {}

  void Push(Input& in) {
    std::vector<TxSegment> segments(1 + in.Byte() % 8);
    for (TxSegment& segment : segments) {
      const uint32_t buffer = in.Byte() % QueueMemory::kBuffers;
      segment = {QueueMemory::BufferIova(buffer), static_cast<uint32_t>(in.Value()),
                 memory_.Buffer(buffer)};
      if (driver_.NeedsMemory()) segment.bytes = std::min(segment.bytes, QueueMemory::kBufferBytes);
    }
    const uint32_t room = driver_.Room();
    const uint32_t outstanding = driver_.Outstanding();
    const TxRequest request = in.Byte() % 2 == 0 ? TxRequest() : TakeRequest(in);
    const auto cookie = static_cast<uint32_t>(pushed_.size());
    if (driver_.Push(segments, request, cookie) == PushResult::kPushed) {
      pushed_.push_back(true);
      timed_.push_back(driver_.ReturnsTimes() && request.wants.Has(TxFeature::kTimestamp));
      MUST(driver_.Outstanding() == outstanding + 1);
    } else {
      // A look at how far the device is may find more room.
      MUST(driver_.Outstanding() == outstanding && driver_.Room() >= room);
    }
  }
  // Packets of one segment, which go in bursts where the layout has them.
  void PushBurst(Input& in) {
    if (driver_.NeedsMemory()) return Push(in);
    std::vector<TxPacket> packets(1 + in.Byte() % 8);
    auto cookie = static_cast<uint32_t>(pushed_.size());
    for (TxPacket& packet : packets) {
      const uint32_t buffer = in.Byte() % QueueMemory::kBuffers;
      packet = {QueueMemory::BufferIova(buffer), static_cast<uint32_t>(in.Value()), cookie++};
    }
    const uint32_t room = driver_.Room();
    const uint32_t outstanding = driver_.Outstanding();
    const TxRequest request = in.Byte() % 2 == 0 ? TxRequest() : TakeRequest(in);
    PushResult why{};
    const uint32_t count = driver_.PushBurst(packets, request, &why);
    MUST(count <= packets.size() && (count == packets.size()) == (why == PushResult::kPushed));
    MUST(driver_.Outstanding() == outstanding + count && (count != 0 || driver_.Room() >= room));
    const bool timed = driver_.ReturnsTimes() && request.wants.Has(TxFeature::kTimestamp);
    pushed_.insert(pushed_.end(), count, true);
    timed_.insert(timed_.end(), count, timed);
  }
  void Publish() { driver_.Publish(); }
  void Reclaim(Input& in) {
    std::vector<uint32_t> cookies(1 + in.Byte() % 64);
    const uint32_t before = driver_.Outstanding();
    const uint32_t count = driver_.Reclaim(cookies);
    MUST(count <= cookies.size() && driver_.Outstanding() == before - count);
    for (uint32_t i = 0; i < count; ++i) {
      // Each packet comes back once, whatever the device says.
      MUST(cookies[i] < pushed_.size() && pushed_[cookies[i]]);
      pushed_[cookies[i]] = false;
    }
    // Who asked when it left hears so, or that nothing is known, once, and no later than it is
    // back.
    TxTime time;
    while (driver_.TakeTimes(std::span(&time, 1)) == 1) {
      MUST(time.cookie < timed_.size() && timed_[time.cookie]);
      timed_[time.cookie] = false;
    }
    for (uint32_t i = 0; i < count; ++i) MUST(!timed_[cookies[i]]);
    MUST(driver_.Room() <= driver_.Capacity());
  }

 private:
  TxDriver driver_;
  QueueMemory& memory_;
  std::vector<bool> pushed_;  // by cookie, and not come back
  std::vector<bool> timed_;   // by cookie, asked when it leaves, and not been told
};

// Any number will do.
uint64_t TimeOf(const TxHandle& handle) { return handle.number * 0x9e3779b97f4a7c15; }

void CheckWork(const TxWork& work) {
  MUST(!work.segments.empty() || !work.inline_bytes.empty());
  Touch(work.inline_bytes);
  uint64_t bytes = work.inline_bytes.size();
  for (const TxSegment& segment : work.segments) bytes += segment.bytes;
  MUST(bytes == work.bytes);
  const TxRequest& r = work.request;
  MUST(!r.wants.Has(TxFeature::kL3Checksum) || r.l3_checksum_at >= r.l3_checksum_start);
  MUST(!r.wants.Has(TxFeature::kL4Checksum) || r.l4_checksum_at >= r.l4_checksum_start);
  MUST(!r.wants.Has(TxFeature::kSegment) || r.segment_bytes > 0);
}

}  // namespace

void RunTransmit(const Case& on, Input& in) {
  auto made_driver = TxDriver::Create(on.layout, on.memory.view(), {1u + in.Byte() % 4});
  auto device = TxDevice::Create(on.layout, on.memory.view(), {on.memory.device_memory()});
  TxDriver::ScratchBytes(on.layout, on.memory.view());
  if (!made_driver.ok()) return;
  Driver driver(*std::move(made_driver), on.memory);
  std::vector<TxHandle> handles;
  size_t again = 0;
  bool honest = on.known;
  Faults faults;
  while (!in.Empty()) {
    uint8_t act = in.Byte() % 16;
    // Where no software can be the device, only what is hostile is left of it.
    if (!device.ok() && act >= 7) act = 15;
    switch (act) {
      case 0:
      case 1:
        driver.Push(in);
        break;
      case 2:
        driver.PushBurst(in);
        break;
      case 3:
      case 4:
        driver.Publish();
        break;
      case 5:
      case 6:
        driver.Reclaim(in);
        break;
      case 7: {
        std::array<PlainTx, 4> plain;
        const uint32_t count = device->FetchPlain(std::span(plain).first(in.Below(5)));
        for (const PlainTx& packet : std::span(plain).first(count)) {
          MUST(packet.bytes > 0);
          handles.push_back(device->HandleOf(packet));
        }
        break;
      }
      case 8: {
        TxWork work;
        const RingFault fault = device->Fetch(&work);
        faults.Check(fault, honest);
        if (fault != RingFault::kNone) break;
        CheckWork(work);
        handles.push_back(work.handle);
        break;
      }
      case 9:  // in order
        if (handles.empty()) break;
        device->Complete(handles.front(), TimeOf(handles.front()));
        handles.erase(handles.begin());
        break;
      case 10:  // again, or in another order: a driver must survive it, it is no honest device
        if (handles.empty()) break;
        again = in.Below(handles.size());
        device->Complete(handles[again], TimeOf(handles[again]));
        honest = false;
        break;
      case 11:
        device->PeekAvailable();
        device->SetNeedWakeup(in.Byte() % 2 == 0);
        break;
      default:
        on.memory.Scribble(in);
        honest = false;
    }
  }
}

}  // namespace qsplit::fuzz
