// Requests of a wrong shape, and the field that each refusal names.
#include "daemon/ingress/request_checks.h"

#include <gtest/gtest.h>

#include <string>

#include "daemon/policy/error.h"

namespace qsplit::ingress {
namespace {

// "REASON field" of a refusal; "" when there is none.
template <typename Request>
std::string Refused(const Request& request) {
  const absl::Status status = Check(request);
  if (status.ok()) return "";
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const auto detail = policy::DetailOf(status);
  if (!detail) return "no detail";
  return v1::ErrorReason_Name(detail->reason()).substr(13) + " " + detail->field();
}

TEST(RequestChecks, Device) {
  v1::GetDeviceRequest get;
  EXPECT_EQ(Refused(get), "MALFORMED name");
  get.set_name("nic0");
  EXPECT_EQ(Refused(get), "");
  get.set_name(std::string(33, 'a'));
  EXPECT_EQ(Refused(get), "MALFORMED name");
  get.set_name("../etc");
  EXPECT_EQ(Refused(get), "MALFORMED name");
  v1::SetDeviceRequest set;
  set.set_name("nic0");
  set.mutable_multicast()->add_addresses("12345");
  EXPECT_EQ(Refused(set), "MALFORMED multicast.addresses[0]");
  set.mutable_multicast()->clear_addresses();
  for (int i = 0; i < 129; ++i) set.mutable_multicast()->add_addresses("123456");
  EXPECT_EQ(Refused(set), "OUT_OF_RANGE multicast.addresses");
}

TEST(RequestChecks, RefusalShowsWhatCameAndWhatIsAllowed) {
  v1::GetDeviceRequest get;
  get.set_name("nic\n0");
  EXPECT_EQ(Check(get).message(),
            "name 'nic\\n0' is no name; it has 1..32 characters of a-z 0-9 _ - .");
}

TEST(RequestChecks, Layout) {
  v1::GetLayoutRequest get;
  EXPECT_EQ(Refused(get), "MALFORMED by");
  get.set_digest("short");
  EXPECT_EQ(Refused(get), "MALFORMED digest");
  get.set_digest(std::string(32, '\0'));
  EXPECT_EQ(Refused(get), "");
}

TEST(RequestChecks, Region) {
  v1::RegisterRegionRequest request;
  EXPECT_EQ(Refused(request), "MALFORMED descriptor_handle");
  request.set_descriptor_handle(1);
  request.set_name(std::string(65, 'x'));
  EXPECT_EQ(Refused(request), "MALFORMED name");
  EXPECT_EQ(Refused(v1::UnregisterRegionRequest()), "MALFORMED region_id");
}

TEST(RequestChecks, Lease) {
  v1::AcquireLeaseRequest request;
  request.set_device("nic0");
  EXPECT_EQ(Refused(request), "OUT_OF_RANGE region_ids");
  request.add_region_ids(0);
  EXPECT_EQ(Refused(request), "MALFORMED region_ids[0]");
  request.set_region_ids(0, 1);
  EXPECT_EQ(Refused(request), "");
  request.add_rx_roles("packet length");
  EXPECT_EQ(Refused(request), "MALFORMED rx_roles[0]");
  request.clear_rx_roles();
  for (int i = 0; i < 65; ++i) request.add_tx_roles("length");
  EXPECT_EQ(Refused(request), "OUT_OF_RANGE tx_roles");
  request.clear_tx_roles();
  request.add_features("Size=large");
  EXPECT_EQ(Refused(request), "");
  request.add_features("Size=\n");
  EXPECT_EQ(Refused(request), "MALFORMED features[1]");
  request.set_features(1, std::string(130, 'x'));
  EXPECT_EQ(Refused(request), "MALFORMED features[1]");
  request.clear_features();
  for (int i = 0; i < 33; ++i) request.add_features("Size=large");
  EXPECT_EQ(Refused(request), "OUT_OF_RANGE features");
  request.clear_features();
  request.set_protection(static_cast<v1::ProtectionMode>(77));
  EXPECT_EQ(Refused(request), "OUT_OF_RANGE protection");
}

TEST(RequestChecks, Steering) {
  v1::AddRuleRequest request;
  EXPECT_EQ(Refused(request), "MALFORMED device");
  request.set_lease_id(1);
  EXPECT_EQ(Refused(request), "MALFORMED action");
  request.set_lease_queue(0);
  EXPECT_EQ(Refused(request), "MALFORMED match");
  request.mutable_match();
  EXPECT_EQ(Refused(request), "OUT_OF_RANGE match.flow_type");
  request.mutable_match()->set_flow_type(v1::FLOW_TYPE_UDP4);
  EXPECT_EQ(Refused(request), "");
  request.mutable_match()->mutable_src_ip()->set_value(std::string(17, 'a'));
  EXPECT_EQ(Refused(request), "OUT_OF_RANGE match.src_ip");
  request.mutable_match()->mutable_src_ip()->set_value("abcd");
  EXPECT_EQ(Refused(request), "MALFORMED match.src_ip");
  request.set_pass(false);
  EXPECT_EQ(Refused(request), "MALFORMED pass");
  request.set_reflect(false);
  EXPECT_EQ(Refused(request), "MALFORMED reflect");
  request.set_drop(false);
  EXPECT_EQ(Refused(request), "MALFORMED drop");
  v1::SetRssRequest rss;
  rss.set_device("nic0");
  rss.set_key("short");
  EXPECT_EQ(Refused(rss), "MALFORMED key");
  rss.clear_key();
  rss.add_indirection(0);
  rss.set_reset(true);
  EXPECT_EQ(Refused(rss), "MALFORMED reset");
}

TEST(RequestChecks, Queue) {
  v1::ExplainQueueRequest request;
  EXPECT_EQ(Refused(request), "MALFORMED device");
  request.set_device("nic0");
  for (int i = 0; i < 64; ++i) request.mutable_since()->add_counts();
  EXPECT_EQ(Refused(request), "");
  request.mutable_since()->add_counts();
  EXPECT_EQ(Refused(request), "OUT_OF_RANGE since.counts");
}

TEST(RequestChecks, StatsAndAdmin) {
  v1::WatchStatsRequest watch;
  watch.set_device("nic0");
  EXPECT_EQ(Refused(watch), "");
  watch.set_interval_ns(9'999'999);
  EXPECT_EQ(Refused(watch), "OUT_OF_RANGE interval_ns");
  watch.set_interval_ns(3'600'000'000'001);
  EXPECT_EQ(Refused(watch), "OUT_OF_RANGE interval_ns");
  v1::InjectFaultRequest fault;
  fault.set_device("nic0");
  EXPECT_EQ(Refused(fault), "OUT_OF_RANGE fault");
  fault.set_fault(v1::INJECTED_FAULT_LINK_DOWN);
  fault.set_duration_ns(3'600'000'000'001);
  EXPECT_EQ(Refused(fault), "OUT_OF_RANGE duration_ns");
}

}  // namespace
}  // namespace qsplit::ingress
