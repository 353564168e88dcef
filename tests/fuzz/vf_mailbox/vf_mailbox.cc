// Messages of a VF from anywhere, one behind the other, with resets of the VF between: no crash,
// and none reaches a register that is not the VF's own or shared out to it.
//
// Input: for each message a byte (bit 0: the VF is reset before; bit 1: it keeps its mailbox) and
// up to 64 bytes of words.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "daemon/backend/vfio/igb/address_table.h"
#include "daemon/backend/vfio/igb/multicast_table.h"
#include "daemon/backend/vfio/igb/registers.h"
#include "daemon/backend/vfio/igb/vf_host.h"
#include "daemon/backend/vfio/igb/vf_message.h"
#include "daemon/backend/vfio/igb/vlan_table.h"
#include "tests/support/fake_function.h"

namespace {

using namespace qsplit::vfio::igb;
using qsplit::test::FakeWindow;

constexpr uint32_t kVf = 1;  // of three
constexpr uint16_t kOthersVid = 7;
constexpr qsplit::device::MacAddress kOwn = {0x02, 0xff, 0, 0, 0, 0};

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

bool In(uint64_t offset, uint64_t first, uint64_t words) {
  return offset >= first && offset < first + 4 * words;
}

// What a message of the VF may make the PF write.
bool IsItsOwn(uint64_t offset) {
  return offset == Pfmailbox(kVf) || offset == kMbvficr || offset == kVflre || offset == kVfre ||
         offset == kVfte || offset == Vmolr(kVf) || offset == Vmvir(kVf) ||
         In(offset, Mailbox(kVf), 3) || In(offset, Mta(0), kMtaWords) ||
         In(offset, Vlvf(0), kVlvfEntries) || In(offset, Vfta(0), kVftaWords);
}

class Host {
 public:
  Host() {
    window_.OnWrite(Pfmailbox(kVf),
                    [this](uint32_t value) { window_.Poke(Pfmailbox(kVf), vf_owns_ ? 0 : value); });
    for (const uint32_t offset : {kMbvficr, kVflre}) {
      window_.OnWrite(offset, [this, offset](uint32_t value) {
        window_.Poke(offset, window_.Peek(offset) & ~value);
      });
    }
    addresses_.Start(window_, 24, kOwn, /*pooled=*/true);
    vlans_.Start(window_);
    multicast_.Start(window_);
    std::vector<qsplit::vfio::VfSetting> vfs(3);
    for (uint8_t i = 0; i < 3; ++i) vfs[i].mac = {0x02, 0, 0, 0, 0, i};
    vfs[0].vlan = kOthersVid;
    Require(host_.Start(window_, vfs).ok(), "the host does not start");
    for (uint32_t i = 0; i < 24; ++i) addresses_before_.push_back(window_.Peek(Rah(i)));
  }

  void Message(const MailboxWords& words, bool reset, bool keeps) {
    if (reset) {
      window_.Poke(kVflre, 1u << kVf);
      window_.Poke(kVfre, window_.Peek(kVfre) & ~(1u << kVf));
      window_.Poke(kVfte, window_.Peek(kVfte) & ~(1u << kVf));
    }
    vf_owns_ = keeps;
    for (uint32_t i = 0; i < words.size(); ++i) window_.Poke(Mailbox(kVf) + 4 * i, words[i]);
    window_.Poke(kMbvficr, 1u << kVf);
    window_.log.clear();
    host_.Service(window_);
    Check(words, keeps);
  }

 private:
  void Check(const MailboxWords& words, bool keeps) {
    for (const FakeWindow::Write& write : window_.log) {
      Require(IsItsOwn(write.offset), "a register that is not the VF's");
    }
    Require(window_.log.size() < 2000, "a message costs too much");
    for (uint32_t i = 0; i < 24; ++i) {
      Require(window_.Peek(Rah(i)) == addresses_before_[i], "an address has changed");
    }
    Require((window_.Peek(kVfre) & 7) == 7 && (window_.Peek(kVfte) & 7) == 7, "a VF is off");
    uint32_t own = 0;
    bool others = false;
    for (uint32_t i = 0; i < kVlvfEntries; ++i) {
      const uint32_t vlvf = window_.Peek(Vlvf(i));
      const uint32_t pools = vlvf >> kVlvfPoolShift & 0xff;
      own += pools >> kVf & 1;
      others = others || ((vlvf & 0xfff) == kOthersVid && (pools & 1) != 0);
      Require((pools & ~3u) == 0, "a VLAN of a pool that asked for none");
    }
    Require(own <= 9, "more than its share of VLANs");  // (32 - 5) / 3
    Require(others, "another VF's VLAN is gone");
    const uint32_t frame = window_.Peek(Vmolr(kVf)) & 0x3fff;
    Require(frame >= 64 && frame <= kMaxFrameBytes, "a frame of no size");
    if (keeps) {
      Require((window_.Peek(kMbvficr) >> kVf & 1) != 0, "a message is lost");
      return;
    }
    const uint32_t answer = window_.Peek(Mailbox(kVf));
    const bool asked = (words[0] & (kMessageAck | kMessageNack)) == 0;
    Require(!asked || ((answer & kMessageAck) != 0) != ((answer & kMessageNack) != 0),
            "neither granted nor refused");
    Require((answer & kMessageKindMask) == (words[0] & kMessageKindMask), "another's answer");
  }

  FakeWindow window_{0x20000};
  AddressTable addresses_;
  VlanTable vlans_;
  MulticastTable multicast_;
  VfHost host_{Chip::k82576, addresses_, vlans_, multicast_};
  std::vector<uint32_t> addresses_before_;
  bool vf_owns_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Host host;
  for (int messages = 0; size > 0 && messages < 64; ++messages) {
    const uint8_t flags = *data;
    ++data;
    --size;
    MailboxWords words{};
    const size_t length = std::min(size, sizeof(words));
    std::memcpy(words.data(), data, length);
    data += length;
    size -= length;

    const VfRequest request = ParseVfMessage(words);
    Require(request.multicast_hashes().size() <= kMaxMulticastHashes, "too many hashes");
    for (const uint16_t hash : request.multicast_hashes()) Require(hash < 4096, "a wide hash");
    Require(request.vid < 4096, "a wide VLAN");
    host.Message(words, (flags & 1) != 0, (flags & 2) != 0);
  }
  return 0;
}
