// NicCore: frames between the threads of one NIC.
#include <algorithm>

#include "daemon/backend/softnic/nic_core.h"

namespace qsplit::softnic {

void NicCore::JoinCores(std::span<NicCore* const> cores, uint32_t index,
                        std::span<FrameLane* const> to, std::span<FrameLane* const> from) {
  cores_.assign(cores.begin(), cores.end());
  index_ = index;
  to_.assign(to.begin(), to.end());
  from_.assign(from.begin(), from.end());
}

void NicCore::HandOver(uint32_t core, FrameLane::For what, std::span<const uint8_t> frame) {
  const std::span<uint8_t> to = to_[core]->Reserve(what, static_cast<uint32_t>(frame.size()));
  if (to.empty()) {
    stats_.drops_wire.Add();
    return;
  }
  std::ranges::copy(frame, to.begin());
}

void NicCore::HandOverPlain(const BurstFrame& frame) {
  const std::span<uint8_t> to =
      to_[frame.flow.core()]->Reserve(FrameLane::For::kQueue, frame.bytes);
  if (to.empty()) {
    stats_.drops_wire.Add();
    return;
  }
  frame.CopyTo(reinterpret_cast<std::byte*>(to.data()), 0, frame.bytes);
}

bool NicCore::PollLanes() {
  bool worked = false;
  for (FrameLane* lane : from_) {
    if (lane != nullptr) worked |= PollLane(*lane);
  }
  return worked;
}

bool NicCore::PollLane(FrameLane& lane) {
  uint32_t count = 0;
  for (; count < kBurstFrames; ++count) {
    const std::optional<FrameLane::Frame> front = lane.Front();
    if (!front.has_value()) break;
    lane.Pop(*front);
    if (front->what == FrameLane::For::kRepresentor) {
      ToRepresentor(front->bytes);
      continue;
    }
    if (front->what == FrameLane::For::kWire) {
      SendToWire(front->bytes);
      continue;
    }
    BurstFrame& frame = burst_[count];
    frame.at = reinterpret_cast<const std::byte*>(front->bytes.data());
    frame.sent_bytes = static_cast<uint32_t>(front->bytes.size());
    // Shorter ones came from a kernel interface, and stay as they are.
    if (frame.sent_bytes >= kMinFrameBytes) {
      Prepare(frame);
      if (SteerPlain(frame)) {
        Enqueue(frame);
        continue;
      }
    }
    DeliverPlain();
    Receive(front->bytes);
  }
  DeliverPlain();
  if (count != 0) lane.Release();
  return count != 0;
}

void NicCore::PublishLanes() {
  for (size_t core = 0; core < to_.size(); ++core) {
    if (to_[core] != nullptr && to_[core]->Publish()) cores_[core]->worker_->Wake();
  }
}

}  // namespace qsplit::softnic
