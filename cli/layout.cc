// qsplit layout: the descriptions by which clients drive rings.
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/context.h"
#include "cli/layout_source.h"
#include "cli/table.h"
#include "cli/usage.h"
#include "cli/words.h"
#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/emit/outputs.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "qsplit/v1/layout_service.grpc.pb.h"

namespace qsplit::cli {
namespace {

using layout::VerifiedLayout;

// For OneOf.
const std::map<std::string, const layout::Output*>& OutputNames() {
  static const auto* const names = [] {
    auto* const map = new std::map<std::string, const layout::Output*>;
    for (const layout::Output& output : layout::Outputs()) {
      map->emplace(std::string(output.name), &output);
    }
    return map;
  }();
  return *names;
}

std::string FormatsHelp() {
  std::string help;
  for (const layout::Output& output : layout::Outputs()) {
    absl::StrAppend(&help, help.empty() ? "" : ", ", std::string(output.name));
  }
  return help;
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.flush();
  if (file) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(path, " cannot be written"));
}

void PrintOut(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

absl::Status RunEmit(Context& context, const std::string& format, const std::string& name,
                     const std::string& output) {
  const layout::Output& made = *OutputNames().at(format);
  std::vector<VerifiedLayout> layouts;
  const bool folder = absl::EndsWith(output, "/");
  if (name.empty()) {
    if (!folder) {
      return absl::InvalidArgumentError(
          "all layouts go into a folder: say which with -o FOLDER/, or name a layout");
    }
    auto all = GetAllLayouts(context);
    if (!all.ok()) return all.status();
    layouts = *std::move(all);
  } else {
    auto layout = GetLayout(context, name);
    if (!layout.ok()) return layout.status();
    layouts.push_back(*std::move(layout));
  }
  for (const VerifiedLayout& layout : layouts) {
    const std::string text = made.emit(layout);
    if (output.empty()) {
      PrintOut(text);
      continue;
    }
    const std::string path =
        folder ? absl::StrCat(output, layout.name(), std::string(made.suffix)) : output;
    if (absl::Status status = WriteFile(path, text); !status.ok()) return status;
    std::fprintf(stderr, "%s\n", path.c_str());
  }
  if (!folder || format != "html") return absl::OkStatus();
  return WriteFile(output + "index.html", layout::EmitHtmlIndex(layouts));
}

}  // namespace

void AddLayoutVerbs(CLI::App& app, Context& context) {
  CLI::App* object = AddObject(app, "layout", "descriptions of descriptors and rings");

  AddVerb(*object, context, "list", "all layouts that the daemon has loaded, a line each",
          "  qsplit layout list", [&context] {
            v1::ListLayoutsResponse response;
            auto status = context.Ask(&response, [&](auto* rpc, auto* out) {
              return context.Stub<v1::LayoutService>()->ListLayouts(rpc, {}, out);
            });
            if (!status.ok()) return status;
            if (context.wants_json()) {
              context.PrintJson(response);
              return status;
            }
            Table table({{"LAYOUT"}, {"DIGEST"}, {"DEVICES"}, {"TITLE"}});
            for (const v1::LayoutSummary& l : response.layouts()) {
              const std::string digest = Hex(l.layout().digest());
              table.Row({l.layout().name(), context.detail ? digest : digest.substr(0, 12),
                         l.devices().empty() ? "-" : absl::StrJoin(l.devices(), ","), l.title()});
            }
            table.Print();
            return status;
          });

  auto shown = std::make_shared<std::string>();
  AddVerb(*object, context, "show", "one layout: bit diagrams, fields, rings",
          "  qsplit layout show NAME\n  qsplit -j layout show NAME | jq '.forms[].name'",
          [&context, shown] {
            auto layout = GetLayout(context, *shown);
            if (!layout.ok()) return layout.status();
            PrintOut(context.wants_json() ? layout::EmitJson(*layout) : layout::EmitPage(*layout));
            return absl::OkStatus();
          })
      ->add_option("LAYOUT", *shown, kLayoutHelp)
      ->required();

  struct Emitting {
    std::string format;
    std::string layout;
    std::string output;
  };
  auto emitting = std::make_shared<Emitting>();
  CLI::App* emit =
      AddVerb(*object, context, "emit", "one layout, or all of them, in another form",
              "  qsplit layout emit json NAME > layout.json\n"
              "  qsplit layout emit c++ NAME -o nic.h\n"
              "  qsplit layout emit html -o pages/     # a page for each layout, and an index",
              [&context, emitting] {
                return RunEmit(context, emitting->format, emitting->layout, emitting->output);
              });
  emit->add_option("FORMAT", emitting->format, FormatsHelp())
      ->required()
      ->check(OneOf(OutputNames()));
  emit->add_option("LAYOUT", emitting->layout,
                   absl::StrCat(kLayoutHelp, "; without it, all that the daemon has"));
  emit->add_option("-o,--output", emitting->output,
                   "a file, or a folder that exists, with its '/'");

  auto path = std::make_shared<std::string>();
  AddVerb(*object, context, "check", "verify a compiled layout file; needs no daemon",
          "  qsplit layout check /usr/share/qsplit/layouts/NAME.layout\n"
          "  qdlc NAME.qdl --check        # for sources",
          [&context, path] {
            auto layout = LoadLayout(*path);
            if (!layout.ok()) return layout.status();
            if (context.wants_json()) {
              v1::LayoutReference checked;
              checked.set_name(layout->message().name());
              checked.set_digest(layout->digest());
              context.PrintJson(checked);
              return absl::OkStatus();
            }
            std::printf("%s: %s, digest %s\n", path->c_str(),
                        Harmless(layout->message().name()).c_str(), layout->digest_hex().c_str());
            return absl::OkStatus();
          })
      ->add_option("FILE", *path, "a .layout file")
      ->required();

  AddLayoutBytesVerbs(*object, context);
}

}  // namespace qsplit::cli
