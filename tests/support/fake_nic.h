// A NIC's driver without a NIC: says that it drives a layout, and keeps books.
#ifndef QSPLIT_TESTS_SUPPORT_FAKE_NIC_H_
#define QSPLIT_TESTS_SUPPORT_FAKE_NIC_H_

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/backend/vfio/nic_driver.h"

namespace qsplit::test {

class FakeNic : public vfio::NicDriver {
 public:
  using Key = std::pair<bool, uint32_t>;  // transmit, queue

  FakeNic() {
    facts_.family = "FakeNIC";
    facts_.rx_queues = facts_.tx_queues = 4;
    facts_.vectors = 3;
    facts_.rss_table_size = 128;
    facts_.rule_capacity = 8;
    facts_.layouts = {{"intel.igb.advanced", {{"Dword1", "hash"}}, {}}};
  }

  absl::Status Start(const vfio::DriverSettings& settings) override {
    ++starts;
    last_settings = settings;
    return start_status;
  }
  void Stop() override {
    running.clear();
    ++stops;
  }
  const vfio::DriverFacts& facts() const override { return facts_; }
  device::MacAddress mac() const override { return {2, 0, 0, 0, 0, 9}; }
  vfio::LinkState Link() override { return {link_up, 1000}; }
  std::optional<uint32_t> VectorOf(bool transmit, uint32_t) const override {
    return transmit ? 2 : 1;
  }
  std::optional<uint32_t> OtherVector() const override { return 0; }
  void Service() override { ++services; }
  absl::StatusOr<vfio::QueuePlaces> StartQueue(const vfio::QueueSetup& setup) override {
    if (refuse_queue == Key{setup.transmit, setup.queue}) {
      return absl::UnavailableError("the queue does not start");
    }
    running.insert_or_assign(Key{setup.transmit, setup.queue}, setup);
    vfio::QueuePlaces places;
    places.rings.resize(setup.rings.size());
    for (size_t r = 0; r < setup.rings.size(); ++r) {
      const uint64_t doorbell = DoorbellOf(setup.transmit, setup.queue);
      places.rings[r].producer_doorbells = {{0, doorbell}};
      if (says_how_far) places.rings[r].device_index = vfio::RegisterPlace{0, doorbell - 8};
    }
    return places;
  }
  absl::Status StopQueue(bool transmit, uint32_t queue) override {
    running.erase({transmit, queue});
    return stop_status;
  }
  absl::Status Set(const device::DeviceSettings& settings) override {
    last_set = settings;
    return absl::OkStatus();
  }
  absl::Status SetRss(const device::RssConfig& config) override {
    rss = config;
    return absl::OkStatus();
  }
  absl::Status AddRule(const device::FlowRule& rule) override {
    rules.insert(rule.location);
    return absl::OkStatus();
  }
  absl::Status RemoveRule(uint32_t location) override {
    rules.erase(location);
    return absl::OkStatus();
  }
  void ReadCounters(device::DeviceCounters* counters) override { counters->wire_rx_packets += 7; }

  static uint64_t DoorbellOf(bool transmit, uint32_t queue) {
    return (transmit ? 0xe018u : 0xc018u) + 0x40 * queue;
  }

  vfio::DriverFacts facts_;
  std::map<Key, vfio::QueueSetup> running;
  std::set<uint32_t> rules;
  device::RssConfig rss;
  device::DeviceSettings last_set;
  vfio::DriverSettings last_settings;
  Key refuse_queue{true, 99};
  absl::Status start_status, stop_status;
  bool says_how_far = false;  // a register does, in front of each doorbell
  std::atomic<bool> link_up{true};
  std::atomic<int> starts{0}, stops{0}, services{0};
};

}  // namespace qsplit::test

#endif  // QSPLIT_TESTS_SUPPORT_FAKE_NIC_H_
