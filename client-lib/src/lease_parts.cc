#include "client-lib/src/lease_parts.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client-lib/src/rx_fields.h"
#include "client-lib/src/rx_queue_impl.h"
#include "client-lib/src/tx_queue_impl.h"
#include "dataplane/rx_driver.h"
#include "dataplane/tx_driver.h"
#include "descriptor-lang/layout/roles.h"
#include "qsplit/v1/layout_service.grpc.pb.h"
#include "qsplit/v1/lease.grpc.pb.h"
#include "qsplit/v1/steering.grpc.pb.h"

namespace qsplit::internal {
namespace {

// Buffers of a pool that receiving leaves alone where it can.
constexpr uint32_t kKeepBack = 64;
constexpr uint64_t kScratchGrain = 64;
// What a frame has in front of what the MTU counts: addresses, type, two VLAN tags.
constexpr uint32_t kLinkHeaderBytes = 14 + 2 * 4;

// Whether calls on the socket poll the device, as the daemon may have asked for.
bool PollsInCalls(int socket) {
  constexpr int kPreferBusyPoll = 69;  // SO_PREFER_BUSY_POLL, Linux 5.11
  int prefers = 0;
  socklen_t size = sizeof prefers;
  return ::getsockopt(socket, SOL_SOCKET, kPreferBusyPoll, &prefers, &size) == 0 && prefers != 0;
}

// The first queue of a direction, as an index into Layout.queues.
std::optional<uint32_t> QueueOf(const v1::Layout& layout, v1::Direction direction) {
  for (int i = 0; i < layout.queues_size(); ++i) {
    if (layout.queues(i).direction() == direction) return static_cast<uint32_t>(i);
  }
  return std::nullopt;
}

// Whether the device adds checksums up from where it is told to, and knows no transport: it takes a
// packet to be cut as one that is right but for this sum, as the Linux kernel's CHECKSUM_PARTIAL
// has it (include/linux/skbuff.h). Where it knows TCP it wants to find no length in the sum.
bool SumsPlainly(const v1::Layout& layout) {
  for (const v1::Form& form : layout.forms()) {
    for (const v1::Field& field : form.fields()) {
      if (layout::FindRole(field.role()) == layout::Role::kChecksumL4InsertOffset) return true;
    }
  }
  return false;
}

}  // namespace

LeaseParts::LeaseParts(std::shared_ptr<Core> session, v1::AcquireLeaseResponse response)
    : core(std::move(session)),
      acquired(std::move(response)),
      roles_in_software(acquired.roles_in_software().begin(), acquired.roles_in_software().end()),
      features(acquired.lease().features().begin(), acquired.lease().features().end()),
      state(std::make_shared<LeaseState>(id())) {}

LeaseParts::~LeaseParts() {
  Release().IgnoreError();
  if (watched_) core->watcher.Remove(id());
  rx.clear();
  tx.clear();
  for (BufferPool* pool : pools) BufferPool::Abandon(pool);
}

absl::Status LeaseParts::Release() {
  if (!state->MarkReleased()) return absl::OkStatus();
  LetGoOfDevice();
  v1::ReleaseLeaseRequest request;
  request.set_lease_id(id());
  v1::ReleaseLeaseResponse response;
  const absl::Status status =
      core->Call<v1::LeaseService>(&v1::LeaseService::Stub::ReleaseLease, request, &response);
  // Revoked before: there is nothing left to give back.
  return absl::IsNotFound(status) || absl::IsAborted(status) ? absl::OkStatus() : status;
}

void LeaseParts::LetGoOfDevice() {
  if (map == nullptr) return;
  std::call_once(let_go_, [this] { map->LetGoOfDevice(); });
}

absl::StatusOr<layout::VerifiedLayout> LeaseParts::FetchLayout() const {
  const std::string& digest = acquired.lease().layout().digest();
  if (auto known = core->layouts.Find(digest)) return *std::move(known);
  v1::GetLayoutRequest request;
  request.set_digest(digest);
  v1::GetLayoutResponse response;
  if (absl::Status status =
          core->Call<v1::LayoutService>(&v1::LayoutService::Stub::GetLayout, request, &response);
      !status.ok()) {
    return status;
  }
  absl::StatusOr<layout::VerifiedLayout> layout =
      layout::VerifiedLayout::FromBytes(response.layout());
  if (!layout.ok()) {
    return absl::InternalError(
        absl::StrCat("layout ", acquired.lease().layout().name(), ": ", layout.status().message()));
  }
  if (layout->digest() != digest) {
    return absl::InternalError(absl::StrCat("layout ", acquired.lease().layout().name(),
                                            ": qsplitd sent one with digest ", layout->digest_hex(),
                                            ", not the lease's"));
  }
  core->layouts.Keep(*layout);
  return layout;
}

absl::StatusOr<QueueBell> LeaseParts::BellOf(const v1::QueueGrant& grant, bool receives,
                                             const std::string& what) {
  QueueBell bell;
  bell.receives = receives;
  bell.state = state.get();
  if (grant.has_event_descriptor()) {
    absl::StatusOr<int> fd =
        map->Descriptor(grant.event_descriptor(), v1::GRANT_DESCRIPTOR_KIND_EVENT,
                        v1::GRANT_DESCRIPTOR_KIND_SOCKET, absl::StrCat(what, ", event"));
    if (!fd.ok()) return fd.status();
    bell.event_fd = *fd;
    bell.event_drains = map->kind(grant.event_descriptor()) == v1::GRANT_DESCRIPTOR_KIND_EVENT;
  }
  if (grant.has_event_request()) {
    absl::StatusOr<std::byte*> cell =
        map->Claim(grant.event_request(), 4, 4, GrantMap::Need::kReadWrite,
                   absl::StrCat(what, ", event request"));
    if (!cell.ok()) return cell.status();
    bell.event_request = *cell;
  }
  for (const v1::RingGrant& ring : grant.rings()) {
    if (!ring.has_wakeup_descriptor()) continue;
    absl::StatusOr<int> fd =
        map->Descriptor(ring.wakeup_descriptor(), v1::GRANT_DESCRIPTOR_KIND_WAKEUP,
                        v1::GRANT_DESCRIPTOR_KIND_SOCKET, absl::StrCat(what, ", wakeup"));
    if (!fd.ok()) return fd.status();
    bell.wakeup_fd = *fd;
    bell.wakeup_is_socket = map->kind(ring.wakeup_descriptor()) == v1::GRANT_DESCRIPTOR_KIND_SOCKET;
    bell.polls_in_calls = bell.wakeup_is_socket && PollsInCalls(*fd);
    break;
  }
  return bell;
}

absl::StatusOr<uint64_t> LeaseParts::RegionIova() const {
  for (const v1::RegionGrant& grant : acquired.grant().regions()) {
    if (grant.region_id() != region->id()) continue;
    if (grant.length_bytes() != region->bytes().size() ||
        grant.iova() > UINT64_MAX - grant.length_bytes()) {
      return absl::InternalError(absl::StrCat(
          "grant: region ", grant.region_id(), " of ", grant.length_bytes(), " bytes at iova ",
          grant.iova(), "; it was registered with ", region->bytes().size(), " bytes"));
    }
    return grant.iova();
  }
  return absl::InternalError(
      absl::StrCat("grant: region ", region->id(), " is missing; this is a fault of qsplitd"));
}

absl::StatusOr<SoftwareWork> LeaseParts::SoftwareOf(const LeaseOptions& options) const {
  SoftwareWork work;
  work.checksums = options.software_checksums;
  for (const std::string& role : roles_in_software) {
    // What a transmit queue lacks, Send does.
    if (std::find(options.rx_roles.begin(), options.rx_roles.end(), role) ==
        options.rx_roles.end()) {
      continue;
    }
    if (!AddWork(role, &work)) {
      return absl::UnimplementedError(absl::StrCat("Acquire: no layout of ",
                                                   acquired.lease().device(), " has the role ",
                                                   role, ", and this library does not compute it"));
    }
  }
  work.Read(options.rx_fields);
  if (!work.hash) return work;
  v1::GetRssRequest request;
  request.set_device(acquired.lease().device());
  v1::GetRssResponse response;
  if (absl::Status status =
          core->Call<v1::SteeringService>(&v1::SteeringService::Stub::GetRss, request, &response);
      !status.ok()) {
    return status;
  }
  const std::string& key = response.rss().key();
  if (key.size() != work.hash_key.size()) {
    return absl::InternalError(
        absl::StrCat("GetRss: the key has ", key.size(), " bytes, not ", work.hash_key.size()));
  }
  std::memcpy(work.hash_key.data(), key.data(), key.size());
  return work;
}

absl::Status LeaseParts::BuildRx(const layout::VerifiedLayout& layout, uint32_t i,
                                 const LeaseOptions& options, const SoftwareWork& software) {
  const v1::QueueGrant& grant = acquired.grant().rx(static_cast<int>(i));
  const std::string what = absl::StrCat("receive queue ", i);
  const std::optional<uint32_t> queue = QueueOf(layout.message(), v1::DIRECTION_RECEIVE);
  if (!queue.has_value()) return absl::InternalError("the lease's layout has no receive queue");
  absl::StatusOr<dataplane::QueueView> view = ViewOf(*map, grant, layout.message(), *queue, what);
  if (!view.ok()) return view.status();
  absl::StatusOr<QueueBell> bell = BellOf(grant, true, what);
  if (!bell.ok()) return bell.status();
  if (grant.rx_buffer_bytes() > options.buffer_bytes) {
    return absl::InternalError(absl::StrCat("grant: ", what, " wants buffers of ",
                                            grant.rx_buffer_bytes(), " bytes; ",
                                            options.buffer_bytes, " were asked for"));
  }
  dataplane::RxOptions rx_options;
  rx_options.buffer_bytes =
      grant.rx_buffer_bytes() != 0 ? grant.rx_buffer_bytes() : options.buffer_bytes;
  rx_options.packet_bytes = options.packet_bytes;
  if (options.packet_bytes == 0 && acquired.mtu_bytes() != 0) {
    rx_options.packet_bytes = acquired.mtu_bytes() + kLinkHeaderBytes;
  }
  rx_options.wanted = FieldsToRead(layout.message(), options.rx_fields, software);
  rx_options.bursts = &core->bursts;
  absl::StatusOr<dataplane::RxDriver> driver =
      dataplane::RxDriver::Create(layout, *view, rx_options);
  if (!driver.ok()) return driver.status();
  BufferPool* pool = pools[i];
  RxQueueImpl::Setup setup{.bell = *bell, .number = grant.queue()};
  setup.buffer_bytes = rx_options.buffer_bytes;
  // Some buffers must be left to hold packets and to send from.
  setup.max_posted = std::min(driver->Capacity(), std::max<uint32_t>(1, pool->count() / 2));
  if (pool->count() >= driver->Capacity() + kKeepBack) setup.max_posted = driver->Capacity();
  setup.software = software;
  rx.push_back(
      std::make_unique<RxQueue>(std::make_unique<RxQueueImpl>(*std::move(driver), pool, setup)));
  return absl::OkStatus();
}

absl::StatusOr<dataplane::QueueView> LeaseParts::TxViewOf(const layout::VerifiedLayout& layout,
                                                          uint32_t i) {
  const std::optional<uint32_t> queue = QueueOf(layout.message(), v1::DIRECTION_TRANSMIT);
  if (!queue.has_value()) return absl::InternalError("the lease's layout has no transmit queue");
  return ViewOf(*map, acquired.grant().tx(static_cast<int>(i)), layout.message(), *queue,
                absl::StrCat("transmit queue ", i));
}

absl::Status LeaseParts::BuildTx(const layout::VerifiedLayout& layout, uint32_t i,
                                 const dataplane::QueueView& view) {
  const v1::QueueGrant& grant = acquired.grant().tx(static_cast<int>(i));
  absl::StatusOr<QueueBell> bell = BellOf(grant, false, absl::StrCat("transmit queue ", i));
  if (!bell.ok()) return bell.status();
  dataplane::TxOptions tx_options;
  tx_options.bursts = &core->bursts;
  absl::StatusOr<dataplane::TxDriver> driver =
      dataplane::TxDriver::Create(layout, view, tx_options);
  if (!driver.ok()) return driver.status();
  const TxQueueImpl::Setup setup{
      .bell = *bell, .number = grant.queue(), .sums_plainly = SumsPlainly(layout.message())};
  tx.push_back(std::make_unique<TxQueue>(
      std::make_unique<TxQueueImpl>(*std::move(driver), pools[i], setup)));
  return absl::OkStatus();
}

absl::Status LeaseParts::Build(const LeaseOptions& options, uint32_t buffers_per_pair) {
  absl::StatusOr<std::vector<int>> fds = core->rpc->FetchGrant(id());
  if (!fds.ok()) return fds.status();
  std::vector<OwnedFd> owned;
  for (const int fd : *fds) owned.emplace_back(fd);
  absl::StatusOr<GrantMap> mapped = GrantMap::Map(acquired.grant(), std::move(owned));
  if (!mapped.ok()) return mapped.status();
  map = std::make_unique<GrantMap>(*std::move(mapped));
  absl::StatusOr<layout::VerifiedLayout> layout = FetchLayout();
  if (!layout.ok()) return layout.status();
  absl::StatusOr<uint64_t> iova = RegionIova();
  if (!iova.ok()) return iova.status();

  absl::StatusOr<SoftwareWork> software = SoftwareOf(options);
  if (!software.ok()) return software.status();

  const int rx_count = acquired.grant().rx_size();
  const int tx_count = acquired.grant().tx_size();
  if (rx_count != acquired.lease().rx_queues_size() ||
      tx_count != acquired.lease().tx_queues_size()) {
    return absl::InternalError("grant: it has not as many queues as the lease");
  }
  const auto pairs = static_cast<uint64_t>(std::max(rx_count, tx_count));
  const uint64_t bytes_per_pair = uint64_t{buffers_per_pair} * options.buffer_bytes;
  const uint64_t room = region->bytes().size() - options.region_offset_bytes;
  if (bytes_per_pair > room / std::max<uint64_t>(pairs, 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("Acquire: ", pairs, " pairs of queues want ", pairs * bytes_per_pair,
                     " bytes of buffers; the region has ", room,
                     "; register a larger one, or set buffers_per_pair"));
  }
  // A pair's slice: its buffers, and behind them what its transmit queue has to say beside its
  // rings.
  for (uint64_t i = 0; i < pairs; ++i) {
    const uint64_t at = options.region_offset_bytes + i * bytes_per_pair;
    dataplane::QueueView view;
    uint64_t scratch_bytes = 0;
    if (i < static_cast<uint64_t>(tx_count)) {
      absl::StatusOr<dataplane::QueueView> of_grant = TxViewOf(*layout, static_cast<uint32_t>(i));
      if (!of_grant.ok()) return of_grant.status();
      view = *of_grant;
      view.scratch_bytes = dataplane::TxDriver::ScratchBytes(*layout, view);
      scratch_bytes =
          (uint64_t{view.scratch_bytes} + kScratchGrain - 1) / kScratchGrain * kScratchGrain;
    }
    if (scratch_bytes > bytes_per_pair / 2) {
      return absl::InvalidArgumentError(
          absl::StrCat("Acquire: a transmit queue of layout ", layout->name(), " takes ",
                       scratch_bytes, " bytes beside its buffers, more than half of a pair's ",
                       bytes_per_pair, "; set buffers_per_pair higher or tx_slots lower"));
    }
    const uint64_t buffer_bytes = bytes_per_pair - scratch_bytes;
    pools.push_back(new BufferPool(region->bytes().subspan(at, buffer_bytes), options.buffer_bytes,
                                   *iova + at, /*owner=*/this, region));
    if (i >= static_cast<uint64_t>(tx_count)) continue;
    view.scratch = region->bytes().data() + at + buffer_bytes;
    view.scratch_iova = dataplane::Iova(*iova + at + buffer_bytes);
    if (absl::Status s = BuildTx(*layout, static_cast<uint32_t>(i), view); !s.ok()) return s;
  }
  for (int i = 0; i < rx_count; ++i) {
    if (absl::Status s = BuildRx(*layout, static_cast<uint32_t>(i), options, *software); !s.ok()) {
      return s;
    }
  }
  watched_ = true;
  core->watcher.Add(id(), [this](const LeaseEvent& event) {
    if (event.kind != LeaseEvent::Kind::kFault) LetGoOfDevice();
    state->Happen(event);
  });
  return absl::OkStatus();
}

}  // namespace qsplit::internal
