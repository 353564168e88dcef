// The ethtool ioctls of a NIC that is not there: N slots for ntuple rules, an RSS table and key,
// statistics. It refuses what the kernel and most drivers refuse, and remembers all else.
//
// It answers for one netdev name, whatever that netdev is in truth; channels, rings and features
// come by netlink, from the real one. It outlives who talks to it, as a NIC outlives a daemon. Any
// thread.
#ifndef QSPLIT_TESTS_SUPPORT_FAKE_ETHTOOL_NIC_H_
#define QSPLIT_TESTS_SUPPORT_FAKE_ETHTOOL_NIC_H_

#include <linux/ethtool.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/linux/ethtool_ioctl.h"

namespace qsplit::test {

struct FakeEthtoolNicFacts {
  std::string netdev = "d0";
  uint32_t queues = 4;
  uint32_t rule_slots = 64;  // 0: no ntuple rules
  // Shows FLOW_EXT in every rule, and IP_USER_FLOW of TCP or UDP as TCP_V4_FLOW or UDP_V4_FLOW
  // (ixgbe_ethtool.c, ixgbe_get_ethtool_fdir_entry, ixgbe_flowspec_to_flow_type).
  bool other_words = false;
  bool moves_rules = false;     // puts each at the last location that is free
  bool driver_chooses = false;  // takes RX_CLS_LOC_ANY, _FIRST, _LAST
  uint32_t rss_entries = 128;   // 0: no RSS
  uint32_t rss_key_bytes = 40;
  bool rss_key_is_fixed = false;  // refuses to change it, as older drivers do
  // Answers with an empty table and takes none, as virtio_net without VIRTIO_NET_F_RSS.
  bool rss_is_hollow = false;
  std::vector<std::string> statistics = {"rx_packets", "rx_dropped"};
};

class FakeEthtoolNic {
 public:
  explicit FakeEthtoolNic(FakeEthtoolNicFacts facts = {});

  // A way to it, for EthtoolLink::Open. The NIC must outlive it.
  std::unique_ptr<linux_sys::EthtoolIoctl> Wire();
  // What a wire does.
  int Call(const std::string& netdev, void* command);

  // As an administrator sees and makes them, by location.
  std::map<uint32_t, ethtool_rx_flow_spec> rules() const;
  void PutRule(const ethtool_rx_flow_spec& rule);
  std::vector<uint32_t> rss_table() const;
  std::vector<uint8_t> rss_key() const;
  // Whether the table is somebody's wish (the kernel's IFF_RXFH_CONFIGURED).
  bool rss_is_a_wish() const;
  void SetStatistic(const std::string& name, uint64_t value);
  // The next call of this command fails so.
  void FailNext(uint32_t command, int error);
  // ETHTOOL_… of all calls so far.
  std::vector<uint32_t> calls() const;

 private:
  int Rule(ethtool_rxnfc& rxnfc);
  int Insert(ethtool_rx_flow_spec& rule);
  ethtool_rx_flow_spec Shown(ethtool_rx_flow_spec rule) const;
  int ReadRss(ethtool_rxfh& rxfh);
  int WriteRss(const ethtool_rxfh& rxfh);
  int Strings(void* command, uint32_t number);
  void SpreadEvenly();

  const FakeEthtoolNicFacts facts_;
  mutable std::mutex mutex_;
  std::map<uint32_t, ethtool_rx_flow_spec> rules_;
  std::vector<uint32_t> table_;
  std::vector<uint8_t> key_;
  bool wish_ = false;
  std::vector<uint64_t> statistics_;
  std::map<uint32_t, int> failures_;  // errno by command
  std::vector<uint32_t> calls_;
};

}  // namespace qsplit::test

#endif  // QSPLIT_TESTS_SUPPORT_FAKE_ETHTOOL_NIC_H_
