#include "client-lib/src/grant_map.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::internal {
namespace {

constexpr size_t kMaxDescriptors = 253;
constexpr int kMaxAreas = 1024;
constexpr uint64_t kMaxAreaBytes = uint64_t{1} << 36;

template <typename... Args>
absl::Status Bad(const Args&... args) {
  return absl::InternalError(absl::StrCat("grant: ", args..., "; this is a fault of qsplitd"));
}

}  // namespace

absl::StatusOr<GrantMap> GrantMap::Map(const v1::Grant& grant, std::vector<OwnedFd> descriptors) {
  if (static_cast<size_t>(grant.descriptors_size()) != descriptors.size() ||
      descriptors.size() > kMaxDescriptors) {
    return Bad("it names ", grant.descriptors_size(), " descriptors and ", descriptors.size(),
               " came");
  }
  if (grant.areas_size() > kMaxAreas) {
    return Bad("it has ", grant.areas_size(), " areas, more than ", kMaxAreas);
  }
  GrantMap map;
  map.descriptors_ = std::move(descriptors);
  for (const v1::GrantDescriptor& descriptor : grant.descriptors()) {
    map.kinds_.push_back(descriptor.kind());
  }
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < grant.areas_size(); ++i) {
    const v1::Area& area = grant.areas(i);
    const std::string name = absl::StrCat("area ", i);
    if (area.descriptor_index() >= map.descriptors_.size()) {
      return Bad(name, " is of descriptor ", area.descriptor_index(), " of ",
                 map.descriptors_.size());
    }
    const uint64_t offset = area.offset_bytes();
    const uint64_t length = area.length_bytes();
    if (length == 0 || length > kMaxAreaBytes || offset % page != 0 ||
        offset > static_cast<uint64_t>(INT64_MAX) - length) {
      return Bad(name, " has offset ", offset, " and length ", length);
    }
    int protection = 0;
    switch (area.access()) {
      case v1::AREA_ACCESS_READ:
        protection = PROT_READ;
        break;
      case v1::AREA_ACCESS_READ_WRITE:
        protection = PROT_READ | PROT_WRITE;
        break;
      case v1::AREA_ACCESS_WRITE:
        protection = PROT_WRITE;
        break;
      default:
        return Bad(name, " has access ", static_cast<int>(area.access()));
    }
    const int fd = map.descriptors_[area.descriptor_index()].get();
    const v1::GrantDescriptorKind kind = map.kinds_[area.descriptor_index()];
    if (kind != v1::GRANT_DESCRIPTOR_KIND_MEMORY && kind != v1::GRANT_DESCRIPTOR_KIND_SOCKET &&
        kind != v1::GRANT_DESCRIPTOR_KIND_VFIO_DEVICE) {
      return Bad(name, " is of descriptor ", area.descriptor_index(), ", whose kind ",
                 static_cast<int>(kind), " has nothing to map");
    }
    // The kernel knows how far a socket's rings and a device's windows reach; a memfd's mapping may
    // reach past its end.
    if (kind == v1::GRANT_DESCRIPTOR_KIND_MEMORY) {
      // Touching a page past the end of a memfd would be SIGBUS.
      struct stat facts;
      if (::fstat(fd, &facts) != 0) return absl::ErrnoToStatus(errno, "grant: fstat");
      if (static_cast<uint64_t>(facts.st_size) < offset + length) {
        return Bad(name, " ends at byte ", offset + length, " of memory of ", facts.st_size);
      }
    }
    void* memory = ::mmap(nullptr, length, protection, MAP_SHARED, fd, static_cast<off_t>(offset));
    if (memory == MAP_FAILED) {
      return absl::ErrnoToStatus(errno,
                                 absl::StrCat("grant: mapping ", name, ", ", length, " bytes"));
    }
    map.areas_.push_back({static_cast<std::byte*>(memory), length, (protection & PROT_READ) != 0,
                          (protection & PROT_WRITE) != 0, kind});
  }
  return map;
}

GrantMap::~GrantMap() {
  for (const Mapped& area : areas_) ::munmap(area.memory, area.bytes);
}

void GrantMap::LetGoOfDevice() {
  for (const Mapped& area : areas_) {
    const bool rings = area.kind == v1::GRANT_DESCRIPTOR_KIND_SOCKET;
    if (!area.registers() && !rings) continue;
    void* memory = ::mmap(nullptr, area.bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) continue;  // it is unmapped with the rest
    if (rings && area.readable) std::memcpy(memory, area.memory, area.bytes);
    // In one step for whoever touches it.
    if (::mremap(memory, area.bytes, area.bytes, MREMAP_MAYMOVE | MREMAP_FIXED, area.memory) ==
        MAP_FAILED) {
      ::munmap(memory, area.bytes);
    }
  }
  const OwnedFd nothing(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  for (size_t i = 0; i < descriptors_.size(); ++i) {
    if (kinds_[i] == v1::GRANT_DESCRIPTOR_KIND_VFIO_DEVICE) descriptors_[i] = OwnedFd();
    // A queue's thread may be about to use the number, which must not become another file's.
    if (kinds_[i] == v1::GRANT_DESCRIPTOR_KIND_SOCKET && nothing.valid()) {
      ::dup3(nothing.get(), descriptors_[i].get(), O_CLOEXEC);
    }
  }
}

absl::StatusOr<std::byte*> GrantMap::At(const v1::Place& place, uint64_t bytes, uint64_t alignment,
                                        Need need, std::string_view what) const {
  if (place.area() >= areas_.size()) {
    return Bad(absl::string_view(what.data(), what.size()), " is in area ", place.area(), " of ",
               areas_.size());
  }
  const Mapped& area = areas_[place.area()];
  const absl::string_view name(what.data(), what.size());
  if (bytes > area.bytes || place.offset_bytes() > area.bytes - bytes) {
    return Bad(name, ", ", bytes, " bytes at ", place.offset_bytes(), ", ends outside of area ",
               place.area(), " of ", area.bytes, " bytes");
  }
  std::byte* at = area.memory + place.offset_bytes();
  if (alignment > 1 && reinterpret_cast<uintptr_t>(at) % alignment != 0) {
    return Bad(name, " at offset ", place.offset_bytes(), " is not aligned to ", alignment,
               " bytes");
  }
  if ((need != Need::kWrite && !area.readable) || (need != Need::kRead && !area.writable)) {
    return Bad(name, " is in area ", place.area(), ", which the client may not ",
               need != Need::kRead && !area.writable ? "write" : "read");
  }
  return at;
}

absl::StatusOr<std::byte*> GrantMap::Claim(const v1::Place& place, uint64_t bytes,
                                           uint64_t alignment, Need need, std::string_view what) {
  absl::StatusOr<std::byte*> at = At(place, bytes, alignment, need, what);
  if (!at.ok()) return at;
  if (IsRegister(place)) {
    return Bad(absl::string_view(what.data(), what.size()), " is in area ", place.area(),
               ", which holds a device's registers");
  }
  const auto begin = reinterpret_cast<uintptr_t>(*at);
  const uintptr_t end = begin + bytes;
  for (const auto& [other_begin, other_end] : claimed_) {
    if (begin < other_end && other_begin < end) {
      return Bad(absl::string_view(what.data(), what.size()), " at offset ", place.offset_bytes(),
                 " of area ", place.area(), " overlaps something else");
    }
  }
  claimed_.emplace_back(begin, end);
  return at;
}

absl::StatusOr<int> GrantMap::Descriptor(uint32_t index, v1::GrantDescriptorKind kind,
                                         v1::GrantDescriptorKind or_kind,
                                         std::string_view what) const {
  const absl::string_view name(what.data(), what.size());
  if (index >= descriptors_.size()) {
    return Bad(name, " is descriptor ", index, " of ", descriptors_.size());
  }
  if (kinds_[index] != kind && kinds_[index] != or_kind) {
    return Bad(name, " is descriptor ", index, " of kind ", static_cast<int>(kinds_[index]));
  }
  return descriptors_[index].get();
}

namespace {

using Choices = std::vector<uint32_t>;

// One for each of the layout's features, and one that there is.
absl::StatusOr<Choices> ChoicesOf(const v1::QueueGrant& grant, const v1::Layout& layout,
                                  const std::string& what) {
  if (grant.feature_choices_size() != layout.features_size() ||
      static_cast<size_t>(layout.features_size()) > dataplane::FeatureChoices().choice.size()) {
    return Bad(what, " has ", grant.feature_choices_size(),
               " feature choices; features of the layout: ", layout.features_size());
  }
  Choices choices(grant.feature_choices().begin(), grant.feature_choices().end());
  for (int i = 0; i < layout.features_size(); ++i) {
    const uint32_t choice = choices[static_cast<size_t>(i)];
    if (choice >= static_cast<uint32_t>(layout.features(i).choices_size()) ||
        choice > std::numeric_limits<uint8_t>::max()) {
      return Bad(what, " has choice ", choice, " of feature ", layout.features(i).name(), " of ",
                 layout.features(i).choices_size());
    }
  }
  return choices;
}

// The places of those doorbells that are a store and that the choices do not leave out.
absl::Status Doorbells(const GrantMap& map, const Choices& choices,
                       const google::protobuf::RepeatedPtrField<v1::Doorbell>& doorbells,
                       const google::protobuf::RepeatedPtrField<v1::Place>& places, bool counts,
                       std::array<std::byte*, dataplane::kMaxDoorbells>& out,
                       const std::string& what) {
  int next = 0;
  if (doorbells.size() > dataplane::kMaxDoorbells) {
    return absl::UnimplementedError(absl::StrCat(what, ": the layout has ", doorbells.size(),
                                                 " doorbells; this library drives ",
                                                 dataplane::kMaxDoorbells));
  }
  for (int i = 0; i < doorbells.size(); ++i) {
    const v1::Doorbell& doorbell = doorbells[i];
    if (doorbell.target() == v1::DOORBELL_TARGET_WAKEUP) continue;
    if (next == places.size()) return Bad(what, ": doorbell ", i, " of the layout has no place");
    const v1::Place& place = places[next++];
    if (!layout::Applies(doorbell.features(), choices)) continue;
    absl::StatusOr<std::byte*> at =
        map.At(place, doorbell.bytes(), doorbell.bytes(), GrantMap::Need::kWrite,
               absl::StrCat(what, ": doorbell ", i));
    if (!at.ok()) return at.status();
    if (map.IsRegister(place) && counts) {
      return Bad(what, ": doorbell ", i, " is a register, and is to hold counts as memory does");
    }
    out[static_cast<size_t>(i)] = *at;
  }
  if (next != places.size()) {
    return Bad(what, ": ", places.size(), " places for ", next, " doorbells");
  }
  return absl::OkStatus();
}

absl::StatusOr<dataplane::RingView> RingOf(GrantMap& map, const v1::RingGrant& grant,
                                           const v1::Ring& ring, const Choices& choices,
                                           const std::string& what) {
  dataplane::RingView view;
  if (!layout::Applies(ring.features(), choices)) {
    if (grant.ByteSizeLong() != 0) return Bad(what, " is there; the feature choices leave it out");
    return view;
  }
  const uint64_t bytes = uint64_t{grant.slot_count()} * ring.slot_bytes();
  if (bytes == 0) return Bad(what, " has no slots");
  absl::StatusOr<std::byte*> slots =
      map.Claim(grant.slots(), bytes, 8, GrantMap::Need::kReadWrite, what);
  if (!slots.ok()) return slots.status();
  view.slots = *slots;
  view.slot_count = grant.slot_count();
  view.slots_iova = dataplane::Iova(grant.iova());
  view.counts_for_increments = grant.counts_for_increments();
  if (absl::Status s = Doorbells(map, choices, ring.producer_doorbells(),
                                 grant.producer_doorbells(), grant.counts_for_increments(),
                                 view.producer_doorbells, absl::StrCat(what, ", producer"));
      !s.ok()) {
    return s;
  }
  if (absl::Status s = Doorbells(map, choices, ring.consumer_doorbells(),
                                 grant.consumer_doorbells(), grant.counts_for_increments(),
                                 view.consumer_doorbells, absl::StrCat(what, ", consumer"));
      !s.ok()) {
    return s;
  }
  if (grant.cells_size() != ring.cells_size() || ring.cells_size() > dataplane::kMaxCells) {
    return Bad(what, " has ", grant.cells_size(), " index cells; the layout says ",
               ring.cells_size());
  }
  for (int i = 0; i < ring.cells_size(); ++i) {
    if (!layout::Applies(ring.cells(i).features(), choices)) continue;
    absl::StatusOr<std::byte*> cell =
        map.Claim(grant.cells(i), ring.cells(i).bytes(), ring.cells(i).bytes(),
                  GrantMap::Need::kReadWrite, absl::StrCat(what, ", cell ", i));
    if (!cell.ok()) return cell.status();
    view.cells[static_cast<size_t>(i)] = *cell;
  }
  if (grant.has_need_wakeup()) {
    absl::StatusOr<std::byte*> cell = map.At(grant.need_wakeup(), 4, 4, GrantMap::Need::kRead,
                                             absl::StrCat(what, ", need_wakeup"));
    if (!cell.ok()) return cell.status();
    view.need_wakeup = *cell;
    if (!grant.has_wakeup_descriptor()) return Bad(what, " sleeps, but has no wakeup descriptor");
  }
  return view;
}

}  // namespace

absl::StatusOr<dataplane::QueueView> ViewOf(GrantMap& map, const v1::QueueGrant& grant,
                                            const v1::Layout& layout, uint32_t layout_queue,
                                            std::string_view what) {
  const v1::Queue& queue = layout.queues(static_cast<int>(layout_queue));
  const std::string name(what);
  if (grant.rings_size() != queue.rings_size()) {
    return Bad(name, " has ", grant.rings_size(), " rings; the layout says ", queue.rings_size());
  }
  if (queue.rings_size() > dataplane::kMaxRings) {
    return absl::UnimplementedError(absl::StrCat(name, ": the layout has ", queue.rings_size(),
                                                 " rings; this library drives ",
                                                 dataplane::kMaxRings));
  }
  absl::StatusOr<Choices> choices = ChoicesOf(grant, layout, name);
  if (!choices.ok()) return choices.status();
  dataplane::QueueView view;
  std::copy(choices->begin(), choices->end(), view.features.choice.begin());
  view.ring_count = static_cast<uint32_t>(queue.rings_size());
  view.queue_number =
      dataplane::QueueIndex(grant.has_doorbell_number() ? grant.doorbell_number() : grant.queue());
  view.layout_queue = layout_queue;
  for (int i = 0; i < queue.rings_size(); ++i) {
    absl::StatusOr<dataplane::RingView> ring =
        RingOf(map, grant.rings(i), queue.rings(i), *choices, absl::StrCat(name, ", ring ", i));
    if (!ring.ok()) return ring.status();
    view.rings[static_cast<size_t>(i)] = *ring;
  }
  return view;
}

}  // namespace qsplit::internal
