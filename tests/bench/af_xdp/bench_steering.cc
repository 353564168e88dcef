// What the XDP program costs for each packet, in the kernel's own measure (BPF_PROG_TEST_RUN),
// beside the software NIC's engine in C++ on the same packet and rules. As root.
//
// The packet is UDP over IPv4 of 64 bytes; it hits the rule of the last location, so that every
// mask is looked at. `one_mask`: all rules have one mask; else each has a mask of its own.
#include <benchmark/benchmark.h>
#include <bpf/bpf.h>
#include <netinet/in.h>

#include <memory>
#include <vector>

#include "daemon/backend/af_xdp/xdp_constants.h"
#include "daemon/backend/af_xdp/xdp_loaded.h"
#include "daemon/backend/af_xdp/xdp_table.h"
#include "daemon/backend/softnic/flow_table.h"
#include "daemon/backend/softnic/packet.h"
#include "tests/support/frames.h"

namespace qsplit::af_xdp {
namespace {

std::vector<uint8_t> Frame() {
  qsplit::testing::FrameSpec spec;
  spec.dst_port = 4242;
  return qsplit::testing::MakeFrame(spec);
}

std::vector<device::FlowRule> Rules(uint32_t count, bool one_mask) {
  std::vector<device::FlowRule> rules(count);
  for (uint32_t i = 0; i < count; ++i) {
    device::FlowRule& rule = rules[i];
    rule.location = i;
    rule.match.mask.l4_protocol = 0xff;
    rule.match.value.l4_protocol = IPPROTO_UDP;
    rule.match.mask.dst_port = 0xffff;
    rule.match.value.dst_port = static_cast<uint16_t>(4242 - (count - 1 - i));
    if (!one_mask) rule.match.mask.l4_bytes = i << 16;
    if (!one_mask && i + 1 == count) rule.match.mask.l4_bytes = 0;
    rule.match.value.l4_bytes = 0;
  }
  return rules;
}

// `by_constants`: by the program that is made for these rules.
void InTheKernel(benchmark::State& state, uint32_t count, bool one_mask, bool by_constants) {
  auto loaded = XdpLoaded::Load(1);
  if (!loaded.ok()) return state.SkipWithError(std::string(loaded.status().message()).c_str());
  auto table = std::make_unique<SteeringTable>();
  const std::vector<device::FlowRule> rules = Rules(count, one_mask);
  if (!FillTable(rules, 1, table.get()).ok()) return state.SkipWithError("rules");
  linux_sys::OwnedFd made;
  if (by_constants) {
    auto program = loaded->LoadWith(*ConstantsOf(rules, 2));
    if (!program.ok()) return state.SkipWithError(std::string(program.status().message()).c_str());
    made = *std::move(program);
  }
  Overwrite(*table, 2, &loaded->memory().tables[0]);
  loaded->memory().generation = 2;
  const std::vector<uint8_t> frame = Frame();
  const int repeat = 20000;
  for ([[maybe_unused]] auto _ : state) {
    bpf_test_run_opts run{};
    run.sz = sizeof run;
    run.data_in = frame.data();
    run.data_size_in = static_cast<uint32_t>(frame.size());
    run.repeat = repeat;
    if (bpf_prog_test_run_opts(by_constants ? made.get() : loaded->program_fd(), &run) != 0) {
      return state.SkipWithError("BPF_PROG_TEST_RUN");
    }
    state.SetIterationTime(run.duration * 1e-9);  // ns for one run
  }
  const bool hit = loaded->Counts()->rules[count == 0 ? 0 : count - 1].packets != 0;
  if (hit != (count != 0)) state.SkipWithError("the rule was not hit");
}

void InTheSoftwareNic(benchmark::State& state, uint32_t count, bool one_mask) {
  const softnic::FlowTable table(Rules(count, one_mask));
  const std::vector<uint8_t> frame = Frame();
  for ([[maybe_unused]] auto _ : state) {
    softnic::Packet packet;
    softnic::Parse(frame, &packet);
    benchmark::DoNotOptimize(table.Lookup(packet.key));
  }
}

const int registered = [] {
  for (const uint32_t count : {0, 1, 8, 16, 1024}) {
    for (const bool one_mask : {true, false}) {
      if (count < 2 && !one_mask) continue;
      const std::string name = std::to_string(count) + "_rules" +
                               (count < 2  ? ""
                                : one_mask ? "/one_mask"
                                           : "/own_masks");
      for (const bool by_constants : {false, true}) {
        if (by_constants && count > kSteeringConstantRules) continue;
        const std::string way = by_constants ? "kernel/by_constants/" : "kernel/";
        benchmark::RegisterBenchmark((way + name).c_str(), InTheKernel, count, one_mask,
                                     by_constants)
            ->UseManualTime()
            ->Iterations(20);
      }
      benchmark::RegisterBenchmark(("softnic/" + name).c_str(), InTheSoftwareNic, count, one_mask);
    }
  }
  return 0;
}();

}  // namespace
}  // namespace qsplit::af_xdp

BENCHMARK_MAIN();
