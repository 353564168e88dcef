// A client made to be killed: loops over everything that a client does, and stops dead behind the
// step that it is told. Says on descriptor 3 when it has begun ('b') and when it stands ('s').
//
//   kill_client RUNTIME_DIR UDP_PORT ROUND [STEP]
//
// ROUND: which of the device's layouts it begins with. STEP: a number of kKillSteps; none: never
// stops.
#include <fcntl.h>
#include <qsplit/qsplit.h>
#include <qsplit/rpc_session.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "qsplit/v1/lease.grpc.pb.h"
#include "qsplit/v1/region.grpc.pb.h"
#include "qsplit/v1/steering.grpc.pb.h"
#include "tests/hostile/ask_again.h"
#include "tests/hostile/kill_steps.h"
#include "tests/support/system/traffic.h"

namespace qsplit::testing {
namespace {

constexpr uint64_t kRegionBytes = 1 << 20;

std::string runtime_dir;
uint16_t port = 0;
int stop_at = -1;
uint64_t busy = 0;  // answers of a device that was
// Layouts that the device offers; rounds take turns.
std::vector<std::string> layouts;

void Say(char what) {
  if (::write(3, &what, 1) != 1) std::exit(1);
}

// The client has come to a step.
void At(std::string_view step) {
  if (stop_at < 0 || step != kKillSteps[static_cast<size_t>(stop_at)]) return;
  Say('s');
  while (true) ::pause();
}

void Check(const absl::Status& status, const char* what) {
  if (status.ok()) return;
  std::fprintf(stderr, "kill_client: %s: %s\n", what, status.ToString().c_str());
  std::exit(1);
}
template <typename T>
T Check(absl::StatusOr<T> value, const char* what) {
  Check(value.status(), what);
  return *std::move(value);
}

template <typename Stub, typename Request, typename Response>
absl::Status Ask(const RpcSession& rpc, Stub& stub,
                 grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                 const Request& request, Response* response) {
  grpc::ClientContext context;
  rpc.PrepareContext(context);
  return rpc.ToStatus((stub.*method)(&context, request, response));
}
template <typename Stub, typename Request, typename Response>
void Call(const RpcSession& rpc, Stub& stub,
          grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
          const Request& request, Response* response, const char* what) {
  Check(AskAgain([&] { return Ask(rpc, stub, method, request, response); }, busy), what);
}

void ConnectSocket() {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  const std::string path = runtime_dir + "/session.sock";
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    Check(absl::ErrnoToStatus(errno, path), "connect");
  }
  At("socket connected");
  ::close(fd);
}

void ByHand(int round) {
  At("nothing");
  ConnectSocket();
  const auto rpc = RpcSession::Open({.runtime_dir = runtime_dir, .program = "kill_client"});
  Check(rpc->OpenSession(), "hello");
  At("hello said");

  const int memfd = ::memfd_create("kill_client", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (memfd < 0 || ::ftruncate(memfd, kRegionBytes) != 0 ||
      ::fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
    Check(absl::ErrnoToStatus(errno, "memfd"), "region");
  }
  const uint64_t handle = Check(rpc->PutDescriptor(memfd), "put_descriptor");
  Check(rpc->PutDescriptor(memfd), "put_descriptor");  // one that nobody takes
  At("second descriptor put");
  const auto regions = v1::RegionService::NewStub(rpc->channel());
  v1::RegisterRegionRequest region;
  region.set_descriptor_handle(handle);
  region.set_length_bytes(kRegionBytes);
  v1::RegisterRegionResponse registered;
  Call(*rpc, *regions, &v1::RegionService::Stub::RegisterRegion, region, &registered, "register");
  At("region registered");

  const auto leases = v1::LeaseService::NewStub(rpc->channel());
  v1::AcquireLeaseRequest wanted;
  wanted.set_device("nic0");
  wanted.set_rx_queue_count(1 + static_cast<uint32_t>(round % 2));
  wanted.set_tx_queue_count(1);
  wanted.add_region_ids(registered.region().region_id());
  wanted.set_layout(layouts[static_cast<size_t>(round) % layouts.size()]);
  wanted.set_join_rss(round % 4 == 3);
  v1::AcquireLeaseResponse acquired;
  Call(*rpc, *leases, &v1::LeaseService::Stub::AcquireLease, wanted, &acquired, "acquire");
  At("lease acquired");
  const std::vector<int> fds =
      Check(rpc->FetchGrant(acquired.lease().lease_id()), "fetch the grant");
  At("grant fetched");
  std::vector<std::pair<void*, size_t>> mapped;
  for (const v1::Area& area : acquired.grant().areas()) {
    mapped.emplace_back(
        ::mmap(nullptr, area.length_bytes(), PROT_READ, MAP_SHARED | MAP_POPULATE,
               fds[area.descriptor_index()], static_cast<off_t>(area.offset_bytes())),
        area.length_bytes());
  }
  At("grant mapped");

  const auto steering = v1::SteeringService::NewStub(rpc->channel());
  v1::AddRuleRequest rule;
  rule.set_lease_id(acquired.lease().lease_id());
  rule.mutable_match()->set_flow_type(v1::FLOW_TYPE_UDP4);
  rule.mutable_match()->mutable_dst_port()->set_value(port);
  rule.mutable_match()->mutable_dst_port()->set_mask(0xffff);
  rule.set_lease_queue(0);
  v1::AddRuleResponse added;
  Call(*rpc, *steering, &v1::SteeringService::Stub::AddRule, rule, &added, "add a rule");
  At("rule added");
  v1::RemoveRuleRequest remove;
  remove.set_device("nic0");
  remove.set_location(added.rule().location());
  v1::RemoveRuleResponse removed;
  Call(*rpc, *steering, &v1::SteeringService::Stub::RemoveRule, remove, &removed, "remove it");
  At("rule removed");
  v1::ReleaseLeaseRequest release;
  release.set_lease_id(acquired.lease().lease_id());
  v1::ReleaseLeaseResponse released;
  Check(
      OkIfBusy(Ask(*rpc, *leases, &v1::LeaseService::Stub::ReleaseLease, release, &released), busy),
      "release");
  At("lease released");
  v1::UnregisterRegionRequest unregister;
  unregister.set_region_id(registered.region().region_id());
  v1::UnregisterRegionResponse unregistered;
  Call(*rpc, *regions, &v1::RegionService::Stub::UnregisterRegion, unregister, &unregistered,
       "unregister");
  At("region unregistered");
  for (const auto& [memory, bytes] : mapped) ::munmap(memory, bytes);
  for (const int fd : fds) ::close(fd);
  ::close(memfd);
}

// Sends what it likes and turns around what comes.
void Traffic(Lease& lease, int bursts) {
  const std::string frame = Datagram(port, 9, std::string(64, 'k'));
  std::array<Packet, 32> packets;
  for (int burst = 0; bursts == 0 || burst < bursts; ++burst) {
    size_t n = lease.rx(0).Receive(packets);
    for (; n < packets.size(); ++n) {
      packets[n] = lease.tx(0).Allocate(static_cast<uint32_t>(frame.size()));
      if (!packets[n]) break;
      packets[n].CopyFrom({reinterpret_cast<const std::byte*>(frame.data()), frame.size()});
    }
    lease.tx(0).Send(std::span(packets).first(n));
    if (burst == 2) At("library: traffic runs");
    if (burst % 8 == 7) lease.tx(0).Wait(absl::Milliseconds(20)).IgnoreError();
  }
}

void ByLibrary(int round) {
  Session session =
      Check(Session::Connect({.runtime_dir = runtime_dir, .program = "kill_client"}), "connect");
  Device device = Check(session.OpenDevice("nic0"), "device");
  At("library: session open");
  LeaseOptions wanted;
  wanted.rx_queues = wanted.tx_queues = 1 + static_cast<uint32_t>(round % 2);
  wanted.layout = layouts[static_cast<size_t>(round) % layouts.size()];
  wanted.join_rss = round % 2 == 0;
  Lease lease = Check(AskAgain([&] { return device.Acquire(wanted); }, busy), "acquire");
  At("library: lease ready");
  const std::string rule = absl::StrCat("flow-type udp4 dst-port ", port, " action 0");
  Check(AskAgain([&] { return lease.AddRule(rule).status(); }, busy), "add a rule");
  At("library: rule added");
  Traffic(lease, 16);
  Check(OkIfBusy(lease.Release(), busy), "release");
  At("library: lease released");
}

}  // namespace
}  // namespace qsplit::testing

int main(int argc, char** argv) {
  using namespace qsplit::testing;
  if (argc < 4) return 2;
  runtime_dir = argv[1];
  port = static_cast<uint16_t>(std::atoi(argv[2]));
  if (argc > 4) stop_at = std::atoi(argv[4]);
  {
    auto session = Check(qsplit::Session::Connect({.runtime_dir = runtime_dir}), "connect");
    layouts = Check(session.OpenDevice("nic0"), "device").info().layouts;
  }
  Say('b');
  for (int round = std::atoi(argv[3]);; ++round) {
    ByHand(round);
    At("session closed");
    ByLibrary(round);
  }
}
