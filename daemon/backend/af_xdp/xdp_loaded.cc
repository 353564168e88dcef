#include "daemon/backend/af_xdp/xdp_loaded.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/backend/af_xdp/xdp_object.h"
#include "daemon/linux/errno_status.h"

namespace qsplit::af_xdp {
namespace {

using linux_sys::Mapping;
using linux_sys::OwnedFd;

// What libbpf says while this thread loads; its functions know one listener for all threads.
thread_local std::string* said = nullptr;

int Listen(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG || said == nullptr) return 0;
  char line[512];
  const int bytes = std::vsnprintf(line, sizeof line, format, arguments);
  // The first complaint is the cause, the rest are its consequences.
  if (said->empty()) *said = std::string(absl::StripSuffix(line, "\n"));
  return bytes;
}

class Listening {
 public:
  Listening() {
    libbpf_set_print(Listen);
    said = &text_;
  }
  ~Listening() { said = nullptr; }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

uint64_t WholePages(uint64_t bytes) {
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

absl::Status LoadError(int error, const std::string& words) {
  if (error == EPERM || (error == EACCES && words.empty())) {
    return absl::PermissionDeniedError(
        "load the XDP program: not permitted; it needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN");
  }
  // The verifier's refusals are EACCES too, with words. It allows less without CAP_PERFMON: no
  // pointer to be compared with 0, and code that slows each packet down.
  return absl::UnimplementedError(absl::StrCat(
      "the kernel does not take the XDP program (Linux 5.18 or newer is needed",
      error == EACCES ? ", and CAP_PERFMON, without which the kernel's verifier allows less" : "",
      "): ", std::strerror(error), words.empty() ? "" : "; ", words));
}

constexpr char kProgram[] = "qsplit_steering";
constexpr char kByConstants[] = "qsplit_steering_constants";
constexpr char kProbe[] = "qsplit_probe";
constexpr char kDelivered[] = ".data.delivered";
constexpr const char* kMaps[] = {"qs_counts", "qs_sockets", ".bss"};

// Writes the constants where the code loads a mark (STEERING_CONSTANT).
std::vector<bpf_insn> WithConstants(std::span<const bpf_insn> code,
                                    const SteeringConstants& constants) {
  constexpr size_t kWords = sizeof constants / sizeof(__u64);
  const auto words = std::bit_cast<std::array<__u64, kWords>>(constants);
  std::vector<bpf_insn> out(code.begin(), code.end());
  for (size_t i = 0; i + 1 < out.size(); ++i) {
    bpf_insn& low = out[i];
    bpf_insn& high = out[i + 1];
    if (low.code != (BPF_LD | BPF_IMM | BPF_DW)) continue;
    const auto index = static_cast<uint32_t>(low.imm);
    if (low.src_reg == 0 && static_cast<uint32_t>(high.imm) == STEERING_CONSTANT_MARK &&
        index < kWords) {
      low.imm = static_cast<__s32>(words[index]);
      high.imm = static_cast<__s32>(words[index] >> 32);
    }
    ++i;
  }
  return out;
}

}  // namespace

void AddCounts(const SteeringCounts& from, SteeringCounts* to) {
  const auto add = [](const auto& these, auto& sums) {
    for (size_t i = 0; i < std::size(sums); ++i) {
      sums[i].packets += these[i].packets;
      sums[i].bytes += these[i].bytes;
    }
  };
  add(from.reasons, to->reasons);
  add(from.rules, to->rules);
  add(from.queues, to->queues);
}

XdpMade::XdpMade(const SteeringConstants& constants, OwnedFd program, Mapping delivered)
    : program_(std::move(program)), delivered_(std::move(delivered)) {
  for (uint64_t i = 0; i < constants.rules_used; ++i) {
    locations_.push_back(static_cast<uint32_t>(
        (constants.rules[i].counter - offsetof(SteeringCounts, rules)) / sizeof(SteeringCount)));
  }
}

void XdpMade::AddTo(SteeringCounts* counts) const {
  const auto* const delivered = reinterpret_cast<SteeringDelivered*>(delivered_.data());
  const auto read = [](const __u64& cell) { return *const_cast<const volatile __u64*>(&cell); };
  for (uint32_t queue = 0; queue < kSteeringQueues; ++queue) {
    for (size_t i = 0; i < locations_.size(); ++i) {
      const SteeringCount& cell = delivered[queue].by_rule[i];
      const SteeringCount count = {read(cell.packets), read(cell.bytes)};
      for (SteeringCount* const of : {&counts->rules[locations_[i]], &counts->queues[queue]}) {
        of->packets += count.packets;
        of->bytes += count.bytes;
      }
    }
  }
}

void XdpLoaded::Close::operator()(bpf_object* object) const { bpf_object__close(object); }

XdpLoaded::Object XdpLoaded::Open() {
  const auto bytes = SteeringObject();
  bpf_object_open_opts options{};
  options.sz = sizeof options;
  options.object_name = "qsplit";
  return Object(bpf_object__open_mem(bytes.data(), bytes.size(), &options));
}

absl::StatusOr<XdpLoaded> XdpLoaded::Load(uint32_t queues) {
  if (queues == 0 || queues > kSteeringQueues) {
    return absl::InvalidArgumentError(absl::StrCat(
        queues, " receive queues; the XDP program serves 1 to ", int{kSteeringQueues}));
  }
  const Listening listening;
  XdpLoaded loaded;
  loaded.object_ = Open();
  if (!loaded.object_) return LoadError(errno, listening.text());
  bpf_object* const object = loaded.object_.get();
  bpf_program__set_autoload(bpf_object__find_program_by_name(object, kByConstants), false);
  bpf_map__set_autocreate(bpf_object__find_map_by_name(object, kDelivered), false);
  bpf_map* const sockets = bpf_object__find_map_by_name(object, "qs_sockets");
  if (sockets == nullptr || bpf_map__set_max_entries(sockets, queues) != 0) {
    return absl::InternalError("the XDP program has no map of sockets");
  }
  if (const int error = bpf_object__load(object); error != 0) {
    return LoadError(-error, listening.text());
  }
  const auto program = [object](const char* name) {
    return bpf_program__fd(bpf_object__find_program_by_name(object, name));
  };
  loaded.program_fd_ = program(kProgram);
  loaded.probe_fd_ = program(kProbe);
  loaded.sockets_fd_ = bpf_map__fd(sockets);
  loaded.counts_fd_ = bpf_object__find_map_fd_by_name(object, "qs_counts");
  bpf_prog_info info{};
  __u32 info_bytes = sizeof info;
  if (bpf_obj_get_info_by_fd(loaded.program_fd_, &info, &info_bytes) != 0) {
    return linux_sys::ErrnoStatus(errno, "look at the XDP program");
  }
  loaded.program_id_ = info.id;
  auto memory = Mapping::Map(bpf_object__find_map_fd_by_name(object, ".bss"), 0,
                             WholePages(sizeof(SteeringMemory)), Mapping::Access::kReadWrite);
  if (!memory.ok()) return memory.status();
  loaded.memory_ = *std::move(memory);
  return loaded;
}

absl::StatusOr<XdpMade> XdpLoaded::LoadWith(const SteeringConstants& constants) const {
  const Listening listening;
  const Object copy = Open();
  if (!copy) return LoadError(errno, listening.text());
  for (const char* name : kMaps) {
    bpf_map* const map = bpf_object__find_map_by_name(copy.get(), name);
    const int shared = bpf_object__find_map_fd_by_name(object_.get(), name);
    if (const int error = bpf_map__reuse_fd(map, shared); error != 0) {
      return linux_sys::ErrnoStatus(-error, "share the XDP program's map", name);
    }
  }
  for (const char* name : {kProgram, kProbe}) {
    bpf_program__set_autoload(bpf_object__find_program_by_name(copy.get(), name), false);
  }
  bpf_program* const program = bpf_object__find_program_by_name(copy.get(), kByConstants);
  std::vector<bpf_insn> code =
      WithConstants({bpf_program__insns(program), bpf_program__insn_cnt(program)}, constants);
  if (const int error = bpf_program__set_insns(program, code.data(), code.size()); error != 0) {
    return LoadError(-error, listening.text());
  }
  if (const int error = bpf_object__load(copy.get()); error != 0) {
    return LoadError(-error, listening.text());
  }
  OwnedFd fd(::fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) return linux_sys::ErrnoStatus(errno, "keep the XDP program");
  auto delivered =
      Mapping::Map(bpf_object__find_map_fd_by_name(copy.get(), kDelivered), 0,
                   WholePages(sizeof(SteeringDelivered) * kSteeringQueues), Mapping::Access::kRead);
  if (!delivered.ok()) return delivered.status();
  return XdpMade(constants, std::move(fd), *std::move(delivered));
}

std::unique_ptr<SteeringCounts> XdpLoaded::Counts() const {
  static const int cpus = libbpf_num_possible_cpus();
  auto sum = std::make_unique<SteeringCounts>();
  std::vector<SteeringCounts> each(static_cast<size_t>(cpus > 0 ? cpus : 1));
  const uint32_t only = 0;
  if (cpus <= 0 || bpf_map_lookup_elem(counts_fd_, &only, each.data()) != 0) return sum;
  for (const SteeringCounts& one : each) AddCounts(one, sum.get());
  return sum;
}

absl::Status XdpLoaded::SetSocket(uint32_t queue, int socket_fd) {
  if (bpf_map_update_elem(sockets_fd_, &queue, &socket_fd, BPF_ANY) == 0) return absl::OkStatus();
  return linux_sys::ErrnoStatus(errno, "give the XDP program the socket of receive queue",
                                absl::StrCat(queue));
}

absl::Status XdpLoaded::ClearSocket(uint32_t queue) {
  if (bpf_map_delete_elem(sockets_fd_, &queue) == 0 || errno == ENOENT) return absl::OkStatus();
  return linux_sys::ErrnoStatus(errno, "take from the XDP program the socket of receive queue",
                                absl::StrCat(queue));
}

absl::StatusOr<SteeringProbe> XdpLoaded::Probe(uint32_t queue) const {
  std::array<uint8_t, 64> packet{};  // ETH_HLEN at least
  std::memcpy(packet.data(), &queue, sizeof queue);
  bpf_test_run_opts run{};
  run.sz = sizeof run;
  run.data_in = packet.data();
  run.data_size_in = packet.size();
  run.repeat = 1;
  if (bpf_prog_test_run_opts(probe_fd_, &run) != 0) {
    return linux_sys::ErrnoStatus(errno, "look for the socket of receive queue",
                                  absl::StrCat(queue));
  }
  return static_cast<SteeringProbe>(run.retval);
}

}  // namespace qsplit::af_xdp
