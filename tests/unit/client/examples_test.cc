// The example programs, run as users run them, without any privilege, against a qsplitd with two
// software NICs: responder and capture on nic1, the test or generate on nic0.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <qsplit/qsplit.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/sample_layouts.h"
#include "tests/unit/client/daemon.h"
#include "tests/unit/client/frames.h"
#include "tests/unit/client/packets.h"

namespace qsplit {
namespace {

using ::testing::HasSubstr;
using testing_support::Daemon;
using testing_support::Datagram;
using testing_support::Fill;
using testing_support::Hex;
using testing_support::Program;
using testing_support::Swapped;
using testing_support::Text;

class Examples : public testing::Test {
 protected:
  void SetUp() override {
    daemon_ = std::make_unique<Daemon>(layout::testing::SimpleLayout());
    // Written to by programs of uid 65534.
    std::filesystem::permissions(daemon_->dir(), std::filesystem::perms(0777));
  }

  // Sends a frame from nic0 and returns what comes back; empty when nothing does.
  std::string Ask(const std::string& frame, absl::Duration timeout = absl::Seconds(10)) {
    if (lease_ == nullptr) {
      absl::StatusOr<Session> session = Session::Connect(daemon_->Options());
      EXPECT_TRUE(session.ok()) << session.status();
      absl::StatusOr<Lease> lease = session->OpenDevice("nic0")->Acquire({});
      EXPECT_TRUE(lease.ok()) << lease.status();
      lease_ = std::make_unique<Lease>(*std::move(lease));
      for (const char* rule : {"flow-type ip4 action 0", "flow-type ip6 action 0",
                               "flow-type ether proto 0x806 action 0"}) {
        EXPECT_TRUE(lease_->AddRule(rule).ok());
      }
    }
    Packet packet = lease_->tx(0).Allocate(static_cast<uint32_t>(frame.size()));
    Fill(packet, frame);
    EXPECT_TRUE(lease_->tx(0).Send(std::move(packet)));
    if (!lease_->rx(0).Wait(timeout).ok()) return "";
    Packet answer;
    EXPECT_EQ(lease_->rx(0).Receive(std::span(&answer, 1)), 1u);
    return Text(answer);
  }
  DeviceInfo Info(const char* device) {
    return Session::Connect(daemon_->Options())->OpenDevice(device)->info();
  }
  static std::string Bin(const char* name) { return std::string(QSPLIT_BIN_DIR "/") + name; }
  std::string Output() { return Program::Read(daemon_->dir() + "/out"); }
  Program Run(std::vector<std::string> argv, bool wait_ready = true) {
    argv.insert(argv.begin() + 1, {"--runtime-dir", daemon_->run()});
    return Program(std::move(argv), wait_ready ? "--ready-fd" : "", daemon_->dir() + "/out",
                   /*drop=*/true);
  }

  std::unique_ptr<Daemon> daemon_;
  std::unique_ptr<Lease> lease_;
};

TEST_F(Examples, ResponderAnswersUdpPingAndArp) {
  Program responder = Run({Bin("qsplit-responder"), "--device", "nic1", "--ip", "10.9.0.2",
                           "--udp-port", "4242", "--arp"});
  const std::string udp = Datagram(1000, 4242, "hello responder");
  EXPECT_EQ(Ask(udp).substr(0, udp.size()), Swapped(udp));  // padding may follow

  const std::string arp =
      Hex("ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a090001 000000000000 "
          "0a090002");
  EXPECT_EQ(Ask(arp).substr(0, 42),
            Hex("020000000001 020000000002 0806 0001 0800 06 04 0002 020000000002 0a090002 "
                "020000000001 0a090001"));

  // ping: an echo request becomes a reply, and its checksum stays right.
  std::string ping = Datagram(0, 0, "ping payload");
  ping[23] = 1;
  ping.replace(24, 2, Hex("26c2"));
  ping.replace(34, 8, Hex("0800 0000 0001 0001"));
  const auto icmp_sum = [](const std::string& f) {
    uint32_t sum = 0;
    for (size_t i = 34; i + 1 < f.size(); i += 2) {
      sum +=
          static_cast<uint32_t>(static_cast<uint8_t>(f[i]) << 8 | static_cast<uint8_t>(f[i + 1]));
    }
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return sum;
  };
  testing_support::Put16(ping, 36, ~icmp_sum(ping) & 0xffff);
  std::string pong = Ask(ping);
  ASSERT_GE(pong.size(), ping.size());
  pong.resize(ping.size());
  EXPECT_EQ(pong[34], 0) << "echo reply";
  EXPECT_EQ(icmp_sum(pong), 0xffffu);
  EXPECT_EQ(pong.substr(38), ping.substr(38));
  EXPECT_EQ(pong.substr(26, 4), ping.substr(30, 4));

  EXPECT_EQ(Ask(Datagram(1000, 4243, "another port"), absl::Milliseconds(50)), "");
  EXPECT_EQ(responder.Stop(SIGTERM), 0) << Output();
  EXPECT_THAT(Output(), HasSubstr("answered: 1 udp, 1 echo, 1 arp"));
  if (::getuid() == 0) {
    EXPECT_THAT(Output(), HasSubstr("as uid 65534"));
  }
}

TEST_F(Examples, ResponderAnswersIp6) {
  Program responder =
      Run({Bin("qsplit-responder"), "--device", "nic1", "--ip", "2001:db8::2", "--no-icmp"});
  const std::string addresses = "20010db8000000000000000000000001 20010db8000000000000000000000002";
  const std::string swapped = "20010db8000000000000000000000002 20010db8000000000000000000000001";
  const std::string head = "020000000002 020000000001 86dd 60000000 000c 11 40 ";
  const std::string udp = Hex(head + addresses + "03e8 1092 000c 1234 61626364");
  EXPECT_EQ(Ask(udp), Hex("020000000001 020000000002 86dd 60000000 000c 11 40 " + swapped +
                          "1092 03e8 000c 1234 61626364"));
}

TEST_F(Examples, SigkillOfAResponderLeavesNothingBehind) {
  Program responder = Run({Bin("qsplit-responder"), "--device", "nic1", "--ip", "10.9.0.2"});
  EXPECT_EQ(Info("nic1").free_rx_queues, 3u);
  EXPECT_EQ(Info("nic1").rules, 2u);
  responder.Stop(SIGKILL);
  DeviceInfo info = Info("nic1");
  for (int i = 0; i < 5000 && (info.free_rx_queues != 4 || info.rules != 0); ++i) {
    absl::SleepFor(absl::Milliseconds(2));
    info = Info("nic1");
  }
  EXPECT_EQ(info.free_rx_queues, 4u);
  EXPECT_EQ(info.free_tx_queues, 4u);
  EXPECT_EQ(info.rules, 0u);
}

TEST_F(Examples, CaptureWritesWhatGenerateSends) {
  const std::string file = daemon_->dir() + "/got.pcap";
  Program capture =
      Run({Bin("qsplit-capture"), "--device", "nic1", "--rule",
           "flow-type udp4 dst-port 7000 action 0", "--write", file, "--count", "20"});
  Program generate = Run({Bin("qsplit-generate"), "--device", "nic0", "--dst-ip", "10.9.0.2",
                          "--dst-mac", "02:00:00:00:00:02", "--dst-port", "7000", "--vlan", "100",
                          "--count", "20", "--size", "100"},
                         false);
  EXPECT_EQ(generate.Wait(), 0) << Output();
  EXPECT_EQ(capture.Wait(), 0) << Output();
  const std::string pcap = Program::Read(file);
  ASSERT_EQ(pcap.size(), 24u + 20 * (16 + 104)) << Output();
  uint32_t word;
  std::memcpy(&word, pcap.data(), 4);
  EXPECT_EQ(word, 0xa1b23c4d) << "nanoseconds";
  for (size_t i = 0; i < 20; ++i) {
    const std::string record = pcap.substr(24 + i * 120, 120);
    std::memcpy(&word, record.data() + 12, 4);
    EXPECT_EQ(word, 104u) << "with its tag";
    EXPECT_EQ(record.substr(16, 18), Hex("020000000002 020000000001 8100 0064 0800"));
    EXPECT_EQ(record.substr(16 + 46, 14), "qsplit" + std::string(7, '\0') + static_cast<char>(i));
  }
}

TEST_F(Examples, GenerateKeepsItsRate) {
  const absl::Time begin = absl::Now();
  Program generate = Run({Bin("qsplit-generate"), "--dst-ip", "10.9.0.2", "--dst-mac",
                          "02:00:00:00:00:02", "--rate", "200", "--count", "40"},
                         false);
  EXPECT_EQ(generate.Wait(), 0) << Output();
  EXPECT_GT(absl::Now() - begin, absl::Milliseconds(190)) << "40 at 200 a second";
  EXPECT_THAT(Output(), HasSubstr("sent 40 packets of 60 bytes"));
}

TEST_F(Examples, ErrorsAreOneLineAndExitOne) {
  Program responder = Run({Bin("qsplit-responder"), "--device", "nic9", "--ip", "10.9.0.2"}, false);
  EXPECT_EQ(responder.Wait(), 1);
  EXPECT_THAT(Output(), HasSubstr("error: "));
  EXPECT_THAT(Output(), HasSubstr("nic9"));
}

}  // namespace
}  // namespace qsplit
