#include "daemon/region/region_table.h"

#include <fmt/format.h>

#include <utility>

#include "daemon/policy/error.h"

namespace qsplit::region {
namespace {

using policy::Error;
using policy::Hex;

constexpr size_t kMaxNameBytes = 64;

absl::Status CheckMemory(const OfferedMemory& memory, const RegionRequest& request) {
  if (!memory.is_memfd || !memory.fd) {
    return Error(v1::ERROR_REASON_NOT_A_MEMFD, "descriptor_handle", memory.kind, "memfd",
                 fmt::format("the descriptor is a {}, no memfd; make one with memfd_create and "
                             "MFD_ALLOW_SEALING",
                             memory.kind.empty() ? "file of another kind" : memory.kind));
  }
  if (!memory.seal_shrink) {
    return Error(v1::ERROR_REASON_MISSING_SEAL, "descriptor_handle", "", "F_SEAL_SHRINK",
                 "the memfd lacks F_SEAL_SHRINK; add it with fcntl(F_ADD_SEALS)");
  }
  if (!request.read_only && (memory.write_sealed || !memory.writable)) {
    return Error(v1::ERROR_REASON_MALFORMED, "read_only", "false", "true",
                 "the memfd cannot be written; register it read_only, or send one without a write "
                 "seal and opened for writing");
  }
  if (memory.page_bytes == 0 || (memory.page_bytes & (memory.page_bytes - 1)) != 0) {
    return Error(v1::ERROR_REASON_NOT_A_MEMFD, "descriptor_handle", Hex(memory.page_bytes),
                 "a power of two", "the memfd's page size is no power of two");
  }
  return absl::OkStatus();
}

absl::Status CheckAligned(std::string_view field, std::string_view word, uint64_t value,
                          uint64_t page) {
  const uint64_t past = value & (page - 1);
  if (past == 0) return absl::OkStatus();
  const uint64_t up = value + (page - past);
  const std::string advice = up > value ? fmt::format("round up to {:#x}", up)
                                        : fmt::format("round down to {:#x}", value - past);
  return Error(v1::ERROR_REASON_MISALIGNED, field, Hex(value), Hex(page),
               fmt::format("{} {:#x} is not a multiple of the page size {:#x}; {}", word, value,
                           page, advice));
}

absl::Status CheckRange(const OfferedMemory& memory, const RegionRequest& request) {
  if (request.length_bytes == 0) {
    return Error(v1::ERROR_REASON_OUT_OF_RANGE, "length_bytes", "0", Hex(memory.page_bytes),
                 fmt::format("length is 0; register at least a page, {:#x}", memory.page_bytes));
  }
  if (absl::Status status =
          CheckAligned("length_bytes", "length", request.length_bytes, memory.page_bytes);
      !status.ok()) {
    return status;
  }
  if (absl::Status status =
          CheckAligned("offset_bytes", "offset", request.offset_bytes, memory.page_bytes);
      !status.ok()) {
    return status;
  }
  // Not offset + length > size: the sum may wrap.
  if (request.offset_bytes > memory.size_bytes ||
      request.length_bytes > memory.size_bytes - request.offset_bytes) {
    return Error(v1::ERROR_REASON_TOO_SMALL, "length_bytes", Hex(request.length_bytes),
                 Hex(memory.size_bytes),
                 fmt::format("offset {:#x} + length {:#x} reaches past the memfd's end at {:#x}; "
                             "make the memfd longer with ftruncate before sealing it, or register "
                             "less",
                             request.offset_bytes, request.length_bytes, memory.size_bytes));
  }
  return absl::OkStatus();
}

bool SameBytes(const Region& region, const OfferedMemory& memory, const RegionRequest& request) {
  return region.file_device == memory.device && region.file_inode == memory.inode &&
         region.offset_bytes < request.offset_bytes + request.length_bytes &&
         request.offset_bytes < region.offset_bytes + region.length_bytes;
}

}  // namespace

absl::StatusOr<const Region*> RegionTable::Register(session::SessionId session, uint32_t uid,
                                                    std::string tenant, const OfferedMemory& memory,
                                                    const RegionRequest& request,
                                                    const RegionQuota& quota) {
  if (request.name.size() > kMaxNameBytes) {
    return Error(
        v1::ERROR_REASON_MALFORMED, "name", fmt::format("{} bytes", request.name.size()),
        fmt::format("{} bytes", kMaxNameBytes),
        fmt::format("the name has {} bytes; use at most {}", request.name.size(), kMaxNameBytes));
  }
  if (absl::Status status = CheckMemory(memory, request); !status.ok()) return status;
  if (absl::Status status = CheckRange(memory, request); !status.ok()) return status;
  uint32_t count = 0;
  uint64_t bytes = 0;
  for (const auto& [id, region] : regions_) {
    if (region.session == session && SameBytes(region, memory, request)) {
      return Error(
          v1::ERROR_REASON_OVERLAP, "offset_bytes", Hex(request.offset_bytes), "",
          fmt::format("region {} has bytes {:#x}..{:#x} of this memfd already; use it, or "
                      "unregister it first",
                      id, region.offset_bytes, region.offset_bytes + region.length_bytes - 1));
    }
    if (region.tenant == tenant) {
      ++count;
      bytes += region.length_bytes;
    }
  }
  if (count >= quota.max_regions) {
    return Error(v1::ERROR_REASON_QUOTA, "", fmt::format("{}", count + 1),
                 fmt::format("{}", quota.max_regions),
                 fmt::format("policy allows {} regions and they are in use; unregister one",
                             quota.max_regions));
  }
  if (bytes > quota.max_bytes || request.length_bytes > quota.max_bytes - bytes) {
    return Error(v1::ERROR_REASON_QUOTA, "length_bytes", Hex(request.length_bytes),
                 Hex(quota.max_bytes),
                 fmt::format("length {:#x} with {:#x} bytes registered already is more than the "
                             "{:#x} bytes that policy allows; register less",
                             request.length_bytes, bytes, quota.max_bytes));
  }
  Region region;
  region.id = next_id_++;
  region.session = session;
  region.uid = uid;
  region.tenant = std::move(tenant);
  region.memory = memory.fd;
  region.offset_bytes = request.offset_bytes;
  region.length_bytes = request.length_bytes;
  region.page_bytes = memory.page_bytes;
  region.device_writable = !request.read_only;
  region.name = request.name;
  region.file_device = memory.device;
  region.file_inode = memory.inode;
  const RegionId id = region.id;
  return &regions_.emplace(id, std::move(region)).first->second;
}

absl::StatusOr<std::shared_ptr<const linux_sys::OwnedFd>> RegionTable::Unregister(
    session::SessionId session, RegionId id) {
  const auto found = regions_.find(id);
  if (found == regions_.end() || found->second.session != session) {
    return Error(v1::ERROR_REASON_NOT_FOUND, "region_id", fmt::format("{}", id), "",
                 fmt::format("region {} is none of this session's", id));
  }
  if (!found->second.leases.empty()) {
    return Error(v1::ERROR_REASON_IN_USE, "region_id", fmt::format("{}", id), "",
                 fmt::format("region {} is in use by lease {}; release the lease first", id,
                             *found->second.leases.begin()));
  }
  auto memory = std::move(found->second.memory);
  regions_.erase(found);
  return memory;
}

absl::StatusOr<const Region*> RegionTable::Get(session::SessionId session, RegionId id,
                                               std::string_view field) const {
  const auto found = regions_.find(id);
  if (found == regions_.end()) {
    return Error(v1::ERROR_REASON_NOT_FOUND, field, fmt::format("{}", id), "",
                 fmt::format("there is no region {}; register one", id));
  }
  if (found->second.session != session) {
    return Error(v1::ERROR_REASON_NOT_ALLOWED, field, fmt::format("{}", id), "",
                 fmt::format("region {} is not this session's; register one", id));
  }
  return &found->second;
}

void RegionTable::Use(RegionId id, LeaseId lease) {
  if (const auto found = regions_.find(id); found != regions_.end()) {
    found->second.leases.insert(lease);
  }
}

void RegionTable::Unuse(RegionId id, LeaseId lease) {
  if (const auto found = regions_.find(id); found != regions_.end()) {
    found->second.leases.erase(lease);
  }
}

std::vector<std::shared_ptr<const linux_sys::OwnedFd>> RegionTable::RemoveAll(
    session::SessionId session) {
  std::vector<std::shared_ptr<const linux_sys::OwnedFd>> memory;
  for (auto it = regions_.begin(); it != regions_.end();) {
    if (it->second.session != session) {
      ++it;
      continue;
    }
    memory.push_back(std::move(it->second.memory));
    it = regions_.erase(it);
  }
  return memory;
}

std::vector<const Region*> RegionTable::List() const {
  std::vector<const Region*> list;
  for (const auto& [id, region] : regions_) list.push_back(&region);
  return list;
}

}  // namespace qsplit::region
