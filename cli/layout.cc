// qsplit layout: the descriptions by which clients drive rings.
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/context.h"
#include "cli/table.h"
#include "cli/usage.h"
#include "cli/words.h"
#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "qsplit/v1/layout_service.grpc.pb.h"

namespace qsplit::cli {
namespace {

using layout::VerifiedLayout;

constexpr size_t kMaxFileBytes = 16 << 20;

const std::map<std::string, std::function<std::string(const VerifiedLayout&)>> kOutputs = {
    {"text", [](const VerifiedLayout& checked) { return layout::EmitText(checked); }},
    {"json", [](const VerifiedLayout& checked) { return layout::EmitJson(checked); }},
};

// The daemon's layout of this name, checked like anybody's bytes.
absl::StatusOr<VerifiedLayout> Fetch(Context& context, const std::string& name) {
  v1::GetLayoutRequest request;
  request.set_name(name);
  v1::GetLayoutResponse response;
  auto status = context.Ask(&response, [&](auto* rpc, auto* out) {
    return context.Stub<v1::LayoutService>()->GetLayout(rpc, request, out);
  });
  if (!status.ok()) return status;
  auto layout = VerifiedLayout::FromBytes(response.layout());
  if (layout.ok() && layout->digest() != response.digest()) {
    return absl::DataLossError(
        absl::StrCat("layout ", name, ": the digest is not that of its bytes"));
  }
  return layout;
}

absl::StatusOr<VerifiedLayout> Load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, " cannot be read"));
  // A byte more than is read shows that the file is too long; a folder cannot be read at all.
  std::string bytes(kMaxFileBytes + 1, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (file.bad()) return absl::InvalidArgumentError(absl::StrCat(path, " is no file"));
  bytes.resize(static_cast<size_t>(file.gcount()));
  if (bytes.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has more than ", kMaxFileBytes, " bytes; no layout is so long"));
  }
  auto layout = VerifiedLayout::FromBytes(bytes);
  if (!layout.ok()) {
    return absl::Status(layout.status().code(),
                        absl::StrCat(path, ": ", layout.status().message()));
  }
  return layout;
}

void PrintOut(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

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
  AddVerb(*object, context, "show", "one layout as a table: forms, fields, rings",
          "  qsplit layout show NAME\n  qsplit -j layout show NAME | jq '.forms[].name'",
          [&context, shown] {
            auto layout = Fetch(context, *shown);
            if (!layout.ok()) return layout.status();
            PrintOut(kOutputs.at(context.wants_json() ? "json" : "text")(*layout));
            return absl::OkStatus();
          })
      ->add_option("LAYOUT", *shown, "the layout's name")
      ->required();

  auto format = std::make_shared<std::string>();
  auto emitted = std::make_shared<std::string>();
  CLI::App* emit = AddVerb(*object, context, "emit", "one layout in another form",
                           "  qsplit layout emit json NAME > layout.json\n"
                           "  qsplit layout emit text NAME",
                           [&context, format, emitted] {
                             auto layout = Fetch(context, *emitted);
                             if (!layout.ok()) return layout.status();
                             PrintOut(kOutputs.at(*format)(*layout));
                             return absl::OkStatus();
                           });
  emit->add_option("FORMAT", *format, "text or json")->required()->check(OneOf(kOutputs));
  emit->add_option("LAYOUT", *emitted, "the layout's name")->required();

  auto path = std::make_shared<std::string>();
  AddVerb(*object, context, "check", "verify a compiled layout file; needs no daemon",
          "  qsplit layout check /usr/share/qsplit/layouts/NAME.layout\n"
          "  qdlc NAME.qdl --check        # for sources",
          [&context, path] {
            auto layout = Load(*path);
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
}

}  // namespace qsplit::cli
