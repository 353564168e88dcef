// Fuzzer of the broker: the bytes are a program of calls from up to eight sessions of three
// tenants and an admin, over a device that refuses when the program says so and on which only one
// of the tenants may send. After each call the books must be in order, the device must have been
// treated as device.h asks, quotas must hold and no call may fail without a reason; after the end
// nothing may be left.
#include "daemon/lease/broker.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/policy/error.h"
#include "tests/fuzz/support/input.h"
#include "tests/support/fake_device.h"
#include "tests/support/sample_layouts.h"

namespace qsplit::lease {
namespace {

// The input as choices of a byte each.
class Choices {
 public:
  explicit Choices(fuzz::Input input) : input_(input) {}
  bool empty() const { return input_.Empty(); }
  uint8_t Byte() { return input_.Byte(); }
  uint32_t Below(uint32_t n) { return Byte() % n; }
  // Mostly small, sometimes at the edges.
  uint32_t Number() {
    const uint8_t byte = Byte();
    if (byte == 0xff) return 0xffffffff;
    if (byte == 0xfe) return 0xfffffffe;
    if (byte >= 0xf0) return 1U << (byte & 0xf);
    return byte % 20;
  }

 private:
  fuzz::Input input_;
};

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "broker: %s\n", what.c_str());
  std::abort();
}

constexpr uint32_t kReceiver = 2000;  // may not send
constexpr uint32_t kUids[] = {0, 1000, 1001, kReceiver};
constexpr policy::Quota kQuota = {.max_sessions = 3,
                                  .max_regions = 4,
                                  .max_region_bytes = 1 << 18,
                                  .max_leases = 3,
                                  .max_rx_queues = 4,
                                  .max_tx_queues = 4,
                                  .max_rules = 4};

policy::Tenant Tenant(const char* name, std::vector<uint32_t> uids) {
  policy::Tenant tenant;
  tenant.name = name;
  tenant.uids = std::move(uids);
  tenant.any_device = true;
  tenant.may_join_rss = true;
  tenant.scope.any = true;
  tenant.quota = kQuota;
  tenant.source.macs = {{2, 0, 0, 0, 0, 1}};
  tenant.source_required = false;
  return tenant;
}

class World {
 public:
  explicit World(Choices choices) : in_(choices) {
    device::DeviceInfo info;
    info.name = "nic0";
    info.rx_queues = info.tx_queues = 6;
    info.rule_capacity = 8;
    info.rss_table_size = 8;
    info.default_slots = 64;
    info.protections = {device::Protection::kDirect};
    info.transmit_needs_grant = true;
    static const auto layouts = new std::vector<layout::VerifiedLayout>{
        layout::testing::SimpleLayout(), layout::testing::BigLayout()};
    info.layouts = *layouts;
    nic_ = std::make_shared<device::testing::FakeDevice>(info);
    BrokerOptions options;
    options.devices = {nic_};
    policy::Tenant red = Tenant("red", {1000, 1001});
    red.transmit = policy::Transmit::kNamed;
    red.transmit_devices = {"nic0"};
    options.policy = policy::Policy::Create({red, Tenant("blue", {kReceiver})}, {}).value();
    options.clock = [this] { return now_ += absl::Nanoseconds(1); };
    options.random = [this](std::span<uint8_t> out) {
      ++token_;
      for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(token_ >> (i % 4 * 8));
    };
    options.max_sessions = 8;
    broker_ = std::make_unique<Broker>(std::move(options));
  }

  void Run() {
    for (int step = 0; step < 300 && !in_.empty(); ++step) {
      Step();
      Check();
    }
    broker_->EndAll();
    for (int tries = 0; broker_->Maintain() && broker_->Settle(); ++tries) {
      if (tries == 300) Fail("the device lets go and something is left");
    }
    Check();
    if (!(broker_->totals() == Totals{})) Fail("something is left");
    if (nic_->open_leases() != 0 || nic_->rules() != 0) Fail("the device has something left");
  }

 private:
  // An error says why; what the device said is passed on.
  void Judge(const absl::Status& status) {
    if (status.ok()) return;
    const auto detail = policy::DetailOf(status);
    if (!detail || detail->reason() == v1::ERROR_REASON_UNSPECIFIED) {
      Fail("no reason: " + status.ToString());
    }
    if (policy::CodeOf(detail->reason()) != status.code() &&
        !(absl::IsInvalidArgument(status) && detail->reason() == v1::ERROR_REASON_NOT_FOUND) &&
        !(absl::IsFailedPrecondition(status) && detail->reason() == v1::ERROR_REASON_IN_USE)) {
      Fail("code and reason differ: " + status.ToString());
    }
  }

  void Check() {
    if (const std::string broken = broker_->BrokenInvariant(); !broken.empty()) Fail(broken);
    if (const auto violations = nic_->violations(); !violations.empty()) Fail(violations[0]);
    CheckQuotas();
  }

  // From what the contract shows, not from the broker's own counting.
  void CheckQuotas() {
    v1::ListLeasesRequest leases;
    v1::ListRegionsRequest regions;
    leases.set_all(true);
    regions.set_all(true);
    for (const auto& [session, uid] : sessions_) {
      if (uid != 0) continue;
      struct Sum {
        size_t leases = 0, rx = 0, tx = 0, rules = 0, regions = 0, bytes = 0;
      };
      std::map<uint32_t, Sum> sums;
      const auto list = broker_->ListLeases(session, leases);
      if (!list.ok()) return;  // stopping
      for (const v1::Lease& lease : list->leases()) {
        Sum& sum = sums[lease.uid() / 1000];
        if (lease.state() == v1::LEASE_STATE_REVOKED && lease.region_ids().empty()) continue;
        ++sum.leases;
        sum.rx += static_cast<size_t>(lease.rx_queues_size());
        sum.tx += static_cast<size_t>(lease.tx_queues_size());
        sum.rules += static_cast<size_t>(lease.rules_size());
      }
      const auto all_regions = broker_->ListRegions(session, regions);
      for (const v1::Region& region : all_regions->regions()) {
        Sum& sum = sums[region.uid() / 1000];
        ++sum.regions;
        sum.bytes += region.length_bytes();
      }
      for (const auto& [tenant, sum] : sums) {
        if (tenant == 0) continue;
        if (sum.leases > kQuota.max_leases || sum.rx > kQuota.max_rx_queues ||
            sum.tx > kQuota.max_tx_queues || sum.regions > kQuota.max_regions ||
            sum.bytes > kQuota.max_region_bytes) {
          Fail("a quota is broken");
        }
      }
      return;
    }
  }

  SessionId Caller() {
    if (sessions_.empty() || in_.Below(16) == 0) return in_.Below(12);  // ended, or nobody's
    auto it = sessions_.begin();
    std::advance(it, in_.Below(static_cast<uint32_t>(sessions_.size())));
    return it->first;
  }
  LeaseId LeaseOf(SessionId session) { return OneOf(leases_, session); }
  LeaseId AnyLease() { return in_.Below(static_cast<uint32_t>(leases_.size()) + 2); }

  void Step() {
    switch (in_.Below(16)) {
      case 0:
      case 1: {
        const uint32_t uid = kUids[in_.Below(4)];
        const auto opened = broker_->OpenSession({uid, uid, 1}, "fuzz");
        Judge(opened.status());
        if (opened.ok()) sessions_[opened->id] = uid;
        return;
      }
      case 2: {
        const SessionId session = Caller();
        broker_->EndSession(session);
        broker_->Settle();
        sessions_.erase(session);
        return;
      }
      case 3:
      case 4:
        return Register();
      case 5: {
        v1::UnregisterRegionRequest request;
        const SessionId caller = Caller();
        request.set_region_id(OneOf(regions_, caller));
        return Judge(broker_->UnregisterRegion(caller, request).status());
      }
      case 6:
      case 7:
        return Acquire();
      case 8: {
        v1::ReleaseLeaseRequest request;
        const SessionId caller = Caller();
        request.set_lease_id(LeaseOf(caller));
        const absl::Status status = broker_->ReleaseLease(caller, request).status();
        if (status.ok() && leases_.at(request.lease_id()) != caller) Fail("released another's");
        return Judge(status);
      }
      case 9: {
        v1::RevokeLeaseRequest request;
        request.set_lease_id(AnyLease());
        const SessionId caller = Caller();
        const absl::Status status = broker_->RevokeLease(caller, request).status();
        if (status.ok() && sessions_.at(caller) != 0) Fail("revoked by a tenant");
        return Judge(status);
      }
      case 10:
      case 11:
        return AddRule();
      case 12: {
        v1::RemoveRuleRequest request;
        request.set_device("nic0");
        request.set_location(in_.Number());
        return Judge(broker_->RemoveRule(Caller(), request).status());
      }
      case 13:
        nic_->FailAfter(static_cast<int>(in_.Below(6)) - 1);
        return;
      case 14: {
        const SessionId caller = Caller();
        const LeaseId lease = LeaseOf(caller);
        const auto fds = broker_->FetchGrant(caller, lease);
        if (fds.ok() && leases_.at(lease) != caller) Fail("fetched another's grant");
        return Judge(fds.status());
      }
      default: {
        device::Fault fault;
        fault.lease = AnyLease();
        nic_->RaiseFault(fault);
        const SessionId caller = Caller();
        const auto reader = broker_->WatchLeases(caller, {}, nullptr);
        Judge(reader.status());
        if (reader.ok()) {
          while (const auto event = (*reader)->Next()) {
            if (event->lease().session_id() != caller) Fail("somebody else's event");
          }
        }
        return;
      }
    }
  }

  void Register() {
    region::OfferedMemory memory;
    memory.fd = std::make_shared<const linux_sys::OwnedFd>();
    const uint8_t flaws = in_.Byte();
    memory.is_memfd = flaws != 1;
    memory.seal_shrink = flaws != 2;
    memory.writable = flaws != 3;
    memory.page_bytes = flaws == 4 ? 0 : flaws == 5 ? 1 << 21 : 4096;
    memory.size_bytes = uint64_t{1} << (12 + in_.Below(8));
    memory.inode = in_.Below(8);
    v1::RegisterRegionRequest request;
    if (in_.Below(4) != 0) {
      request.set_offset_bytes(uint64_t{in_.Below(4)} << 12);
      request.set_length_bytes(uint64_t{in_.Below(8)} << 12);
    } else {
      request.set_offset_bytes(uint64_t{in_.Number()} << in_.Below(53));
      request.set_length_bytes(uint64_t{in_.Number()} << in_.Below(53));
    }
    request.set_read_only(in_.Below(2) == 0);
    const SessionId caller = Caller();
    const auto region = broker_->RegisterRegion(caller, request, memory);
    Judge(region.status());
    if (region.ok()) regions_[region->region().region_id()] = caller;
  }

  // Mostly one of the session's own.
  template <typename Owned>
  uint64_t OneOf(const Owned& owned, SessionId session) {
    const uint32_t choice = in_.Byte();
    if (choice >= 240) return choice - 240;
    std::vector<uint64_t> own;
    for (const auto& [id, owner] : owned) {
      if (owner == session) own.push_back(id);
    }
    return own.empty() ? 0 : own[choice % own.size()];
  }

  void Acquire() {
    const SessionId caller = Caller();
    v1::AcquireLeaseRequest request;
    request.set_device(in_.Below(16) == 0 ? "nic1" : "nic0");
    request.set_rx_queue_count(in_.Below(8) == 0 ? in_.Number() : in_.Below(3));
    request.set_tx_queue_count(in_.Below(8) == 0 ? in_.Number() : in_.Below(3));
    if (in_.Below(4) == 0) request.set_first_rx_queue(in_.Number());
    if (in_.Below(4) == 0) request.set_first_tx_queue(in_.Number());
    if (in_.Below(8) == 0) request.set_rx_slots(in_.Number());
    if (in_.Below(8) == 0) request.set_rx_buffer_bytes(in_.Number());
    if (in_.Below(4) == 0) request.add_rx_roles(in_.Below(2) == 0 ? "timestamp" : "hash.value");
    request.set_join_rss(in_.Below(4) == 0);
    request.add_region_ids(OneOf(regions_, caller));
    if (in_.Below(4) == 0) request.add_region_ids(OneOf(regions_, caller));
    const auto lease = broker_->AcquireLease(caller, request);
    Judge(lease.status());
    if (!lease.ok()) return;
    const LeaseId id = lease->lease().lease_id();
    if (lease->lease().session_id() != caller) Fail("a lease of another session");
    uids_[id] = lease->lease().uid();
    if (uids_[id] == kReceiver && lease->lease().tx_queues_size() != 0) {
      Fail("transmit queues without a grant");
    }
    const bool checked = uids_[id] != 0 && lease->lease().tx_queues_size() != 0;
    if ((lease->lease().source_check() == v1::SOURCE_CHECK_ENFORCED) != checked) {
      Fail("a source check where there is none, or none where there is one");
    }
    if (!leases_.emplace(id, caller).second) Fail("a lease number that was used before");
    for (const v1::RegionGrant& region : lease->grant().regions()) {
      if (region.iova() % 4096 != 0 || region.iova() < (uint64_t{1} << 32)) Fail("a bad iova");
      const auto owner = regions_.find(region.region_id());
      if (owner == regions_.end() || owner->second != caller) Fail("somebody else's region");
    }
  }

  void AddRule() {
    v1::AddRuleRequest request;
    request.set_device("nic0");
    const SessionId caller = Caller();
    request.set_lease_id(in_.Below(8) == 0 ? 0 : LeaseOf(caller));
    v1::FlowMatch* match = request.mutable_match();
    match->set_flow_type(in_.Below(4) == 0 ? static_cast<v1::FlowType>(in_.Below(15))
                                           : v1::FLOW_TYPE_UDP4);
    if (in_.Below(2) == 0) {
      const bool index = match->flow_type() >= v1::FLOW_TYPE_AH4;
      v1::MaskedNumber* number = index ? match->mutable_spi() : match->mutable_dst_port();
      number->set_value(in_.Number());
      number->set_mask(in_.Below(4) == 0 ? in_.Number() : 0xffff);
    }
    if (in_.Below(8) == 0) {
      match->mutable_dst_ip()->set_value(std::string(in_.Below(18), '\1'));
      match->mutable_dst_ip()->set_mask(std::string(in_.Below(18), '\3'));
    }
    switch (in_.Below(8)) {
      case 0:
        request.set_drop(true);
        break;
      case 1:
        request.set_queue(in_.Number());
        break;
      case 2:
        request.set_pass(true);
        break;
      case 3:
        request.set_reflect(true);
        break;
      default:
        request.set_lease_queue(in_.Below(2));
    }
    if (in_.Below(4) == 0) request.set_location(in_.Number());
    const auto rule = broker_->AddRule(caller, request);
    Judge(rule.status());
    if (rule.ok() && sessions_.at(caller) != 0 &&
        (request.lease_id() == 0 || leases_.at(request.lease_id()) != caller)) {
      Fail("a rule of another's lease");
    }
    if (rule.ok() && rule->rule().reflect() && request.lease_id() != 0 &&
        uids_.at(request.lease_id()) == kReceiver) {
      Fail("a rule sends without a grant");
    }
  }

  Choices in_;
  absl::Time now_ = absl::FromUnixSeconds(1);
  uint32_t token_ = 0;
  std::shared_ptr<device::testing::FakeDevice> nic_;
  std::unique_ptr<Broker> broker_;
  std::map<SessionId, uint32_t> sessions_;         // to uid
  std::map<region::RegionId, SessionId> regions_;  // that ever were, to their session
  std::map<LeaseId, SessionId> leases_;
  std::map<LeaseId, uint32_t> uids_;  // of all leases that ever were
};

}  // namespace
}  // namespace qsplit::lease

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  qsplit::lease::World world(qsplit::lease::Choices({data, size}));
  world.Run();
  return 0;
}
