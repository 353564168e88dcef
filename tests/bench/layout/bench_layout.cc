// What specs and layouts cost: compiling a spec, loading and verifying a layout, reading a field by
// the interpreter and by the emitted C++ header.
//
//   bench_layout              all of it, then a table with a row for each spec, and their sum
//
// A field's time is that of all numbers of all forms of the layout, read one form after the other
// out of descriptors that stay in the cache, divided by how many they are. The header's accessors
// are inlined, so that the compiler reads a word once for several fields.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "dataplane/field_access.h"
#include "descriptor-lang/diagnostics/diagnostics.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "descriptor-lang/passes/compile.h"
#include "descriptor-lang/source/source_file.h"
#include "tests/unit/emit/header_table.h"

namespace qsplit::testing {
namespace {

constexpr size_t kDescriptors = 16;  // of each form

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void Compile(benchmark::State& state, const std::string& name) {
  const std::string path = QSPLIT_SOURCE_DIR "/descriptor-specs/" + name + ".qdl";
  const std::string text = Read(path);
  for ([[maybe_unused]] auto _ : state) {
    const qdl::SourceFile source(path, text);
    qdl::Diagnostics diagnostics(source);
    auto layout = qdl::Compile(source, diagnostics);
    if (!layout.has_value()) state.SkipWithError("does not compile");
    benchmark::DoNotOptimize(layout);
  }
}

std::string LayoutBytes(const std::string& name) {
  return Read(QSPLIT_LAYOUT_DIR "/" + name + ".layout");
}

void Load(benchmark::State& state, const std::string& name) {
  const std::string bytes = LayoutBytes(name);
  for ([[maybe_unused]] auto _ : state) {
    auto layout = layout::VerifiedLayout::FromBytes(bytes);
    if (!layout.ok()) state.SkipWithError("is refused");
    benchmark::DoNotOptimize(layout);
  }
}

// A form's descriptors, and both ways to read them.
struct FormRead {
  std::vector<uint64_t> memory;
  size_t stride_words = 0;
  std::vector<dataplane::FieldAccess> fields;
  const HeaderSum* emitted = nullptr;

  const uint64_t* At(size_t i) const { return memory.data() + i * stride_words; }
};

std::vector<FormRead> Forms(const std::string& name, size_t* numbers) {
  const layout::VerifiedLayout layout =
      layout::VerifiedLayout::FromBytes(LayoutBytes(name)).value();
  const Header& header = Headers().at(name);
  std::mt19937_64 random(1);
  std::vector<FormRead> forms;
  *numbers = 0;
  for (int f = 0; f < layout.message().forms_size(); ++f) {
    const v1::Form& form = layout.message().forms(f);
    FormRead& read = forms.emplace_back();
    read.stride_words = form.size_bytes() / 8 + 1;
    read.memory.resize(read.stride_words * kDescriptors);
    for (uint64_t& word : read.memory) word = random();
    for (const v1::Field& field : form.fields()) {
      if (field.parts().empty()) continue;
      v1::Field plain = field;
      plain.set_inverted(false);  // headers give the bits as they stand
      read.fields.push_back(dataplane::FieldAccess::Compile(plain, form.size_bytes()).value());
    }
    read.emitted = &header.sums[static_cast<size_t>(f)];
    *numbers += kDescriptors * read.fields.size();
  }
  return forms;
}

void Interpreted(benchmark::State& state, const std::string& name) {
  size_t numbers = 0;
  const std::vector<FormRead> forms = Forms(name, &numbers);
  uint64_t sum = 0;
  for ([[maybe_unused]] auto _ : state) {
    for (const FormRead& form : forms) {
      for (size_t i = 0; i < kDescriptors; ++i) {
        const auto* const d = reinterpret_cast<const std::byte*>(form.At(i));
        for (const dataplane::FieldAccess& field : form.fields) sum += field.Load(d);
      }
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(numbers));
}

void Emitted(benchmark::State& state, const std::string& name) {
  size_t numbers = 0;
  const std::vector<FormRead> forms = Forms(name, &numbers);
  uint64_t sum = 0;
  for ([[maybe_unused]] auto _ : state) {
    for (const FormRead& form : forms) {
      for (size_t i = 0; i < kDescriptors; ++i) {
        sum += form.emitted->sum(reinterpret_cast<const uint8_t*>(form.At(i)));
      }
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(numbers));
}

// Remembers the best run of each and prints a table at the end.
class Table : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      if (run.error_occurred || run.run_type != Run::RT_Iteration) continue;
      const auto items = run.counters.find("items_per_second");
      const double ns =
          items == run.counters.end() ? run.GetAdjustedCPUTime() : 1e9 / items->second.value;
      double& best = ns_[run.benchmark_name()];
      if (best == 0 || ns < best) best = ns;
    }
  }
  void Print() const {
    std::printf("\n%-22s %11s %11s %13s %13s %7s\n", "layout", "compile", "load", "interpreted",
                "emitted", "ratio");
    double sums[4] = {};
    int rows = 0;
    for (const auto& [name, header] : Headers()) {
      double ns[4];
      if (!Find(name, ns)) continue;
      Row(name, ns);
      for (size_t i = 0; i < 4; ++i) sums[i] += ns[i];
      ++rows;
    }
    for (double& sum : sums) sum /= rows > 0 ? rows : 1;
    if (rows > 0) Row("mean", sums);
  }

 private:
  bool Find(const std::string& name, double (&ns)[4]) const {
    const char* const kinds[] = {"Compile/", "Load/", "Interpreted/", "Emitted/"};
    for (size_t i = 0; i < 4; ++i) {
      const auto found = ns_.find(kinds[i] + name);
      if (found == ns_.end()) return false;
      ns[i] = found->second;
    }
    return true;
  }
  static void Row(const std::string& name, const double (&ns)[4]) {
    std::printf("%-22s %8.0f us %8.0f us %10.2f ns %10.2f ns %6.2fx\n", name.c_str(), ns[0] / 1000,
                ns[1] / 1000, ns[2], ns[3], ns[2] / ns[3]);
  }

  std::map<std::string, double> ns_;
};

}  // namespace
}  // namespace qsplit::testing

int main(int argc, char** argv) {
  using namespace qsplit::testing;  // NOLINT
  benchmark::Initialize(&argc, argv);
  for (const auto& [name, header] : Headers()) {
    benchmark::RegisterBenchmark(("Compile/" + name).c_str(), Compile, name);
    benchmark::RegisterBenchmark(("Load/" + name).c_str(), Load, name);
    benchmark::RegisterBenchmark(("Interpreted/" + name).c_str(), Interpreted, name);
    benchmark::RegisterBenchmark(("Emitted/" + name).c_str(), Emitted, name);
  }
  Table table;
  benchmark::RunSpecifiedBenchmarks(&table);
  table.Print();
  return 0;
}
