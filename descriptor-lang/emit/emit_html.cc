// A page for each layout, and an index of pages.
#include <string>
#include <vector>

#include "descriptor-lang/emit/diagram.h"
#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/emit/escape.h"
#include "descriptor-lang/emit/ring_text.h"
#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

// On a narrow screen a table's rows become blocks, and pictures have half as many bits in a line.
constexpr std::string_view kStyle =
    ":root{color-scheme:light dark;--ink:#1d2733;--soft:#5b6876;--line:#d7dde3;--back:#fff;"
    "--pane:#f6f8fa;--link:#0b5cad}"
    "@media (prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#9aa7b4;--line:#323b45;"
    "--back:#11161b;--pane:#1a2027;--link:#7ab7ff}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:1rem;max-width:72rem;color:var(--ink);background:var(--back);"
    "font:16px/1.5 ui-sans-serif,system-ui,'DejaVu Sans',sans-serif}"
    "a{color:var(--link)}h1{font-size:1.5rem;margin:.2em 0}h2{font-size:1.2rem;margin:2rem 0 .3rem;"
    "border-top:1px solid var(--line);padding-top:1rem}"
    "p{margin:.3em 0}.soft,small{color:var(--soft)}code,pre{font:13px/1.45 ui-monospace,'DejaVu "
    "Sans Mono',monospace}code{overflow-wrap:break-word}"
    "pre,.pic{overflow-x:auto;background:var(--pane);border:1px solid var(--line);"
    "border-radius:6px;padding:.7rem;margin:.7rem 0}"
    ".pic svg{display:block}.pic .narrow{display:none}"
    "nav{display:flex;flex-wrap:wrap;gap:.2rem .9rem;margin:.8rem 0}"
    "table{border-collapse:collapse;width:100%;font-size:14px}"
    "th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;"
    "border-bottom:1px solid var(--line)}th{color:var(--soft);font-weight:500}"
    "td.word{white-space:nowrap}td.soft{overflow-wrap:anywhere;min-width:11rem}"
    "@media (max-width:62rem){thead{display:none}tr{display:block;padding:.4rem 0;"
    "border-bottom:1px solid var(--line)}td{display:block;border:0;padding:0}"
    "td:empty{display:none}td[data-h]:before{content:attr(data-h) ' ';color:var(--soft)}"
    "td.word{white-space:normal}td.soft{min-width:0}"
    "td.side{display:inline-block;margin-right:.8em}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere}code{overflow-wrap:anywhere}"
    ".pic{padding:.4rem}.pic svg{display:none}.pic .narrow{display:block;width:100%;height:auto}}";

class Page {
 public:
  Page(std::string_view title, std::string_view more_style) {
    text::Append(
        out_,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
        Escape(title), "</title>\n<style>", kStyle, more_style, "</style>\n</head>\n<body>\n");
  }

  template <typename... Words>
  void Add(const Words&... words) {
    text::Append(out_, words...);
  }
  std::string Finish() {
    out_ += "</body>\n</html>\n";
    return std::move(out_);
  }

 private:
  std::string out_;
};

std::string Code(std::string_view words) { return text::Cat("<code>", Escape(words), "</code>"); }

std::string Place(const v1::Field& field) {
  if (field.parts().empty()) {
    return text::Cat("@", field.bytes().byte_offset(), ", ", field.bytes().length(), " bytes");
  }
  std::vector<std::string> places;
  for (const v1::Bits& part : field.parts()) {
    std::string place = text::Cat("@", part.byte_offset(), " u", 8 * part.word_bytes());
    if (part.byte_order() == v1::BYTE_ORDER_BIG) place += " big";
    if (part.bits() != 8 * part.word_bytes()) {
      text::Append(place, " ", part.lsb() + part.bits() - 1);
      if (part.bits() > 1) text::Append(place, ":", part.lsb());
    }
    places.push_back(std::move(place));
  }
  return text::Join(places, ", ");
}

class LayoutPage {
 public:
  explicit LayoutPage(const VerifiedLayout& verified)
      : verified_(verified), layout_(verified.message()), page_(verified.name(), SvgStyle()) {}

  std::string Run() {
    AddHead();
    for (int i = 0; i < layout_.forms_size(); ++i) AddForm(static_cast<uint32_t>(i));
    for (const v1::Queue& queue : layout_.queues()) {
      page_.Add("<h2 id=\"queue-", Escape(queue.name()), "\">queue ", Escape(queue.name()),
                "</h2>\n<pre>", Escape(QueueText(layout_, queue)), "</pre>\n");
    }
    AddValues();
    return page_.Finish();
  }

 private:
  void AddHead() {
    const v1::Documentation& words = layout_.documentation();
    page_.Add("<p><a href=\"index.html\">All layouts</a></p>\n<h1>", Escape(layout_.name()),
              "</h1>\n<p>", Escape(words.title()), "</p>\n<p class=\"soft\">digest ",
              Code(verified_.digest_hex().substr(0, 16)), "</p>\n");
    if (!words.sources().empty()) {
      page_.Add("<details><summary>Sources</summary><ul>\n");
      for (const std::string& source : words.sources()) {
        page_.Add("<li>", Escape(source), "</li>\n");
      }
      page_.Add("</ul></details>\n");
    }
    page_.Add("<nav>\n");
    for (const v1::Form& form : layout_.forms()) {
      page_.Add("<a href=\"#", Escape(form.name()), "\">", Escape(form.name()), "</a>\n");
    }
    for (const v1::Queue& queue : layout_.queues()) {
      page_.Add("<a href=\"#queue-", Escape(queue.name()), "\">queue ", Escape(queue.name()),
                "</a>\n");
    }
    page_.Add("</nav>\n");
  }

  void AddForm(uint32_t index) {
    const v1::Form& form = layout_.forms(static_cast<int>(index));
    page_.Add("<h2 id=\"", Escape(form.name()), "\">", Escape(form.name()), " <small>",
              form.size_bytes(), " bytes</small></h2>\n");
    const std::string_view note = NoteOn(layout_, form.name());
    if (!note.empty()) page_.Add("<p class=\"soft\">", Escape(note), "</p>\n");
    const std::string selector = ConditionText(layout_, form.selector(), index);
    if (!selector.empty()) page_.Add("<p>when ", Code(selector), "</p>\n");
    if (form.slots() > 1) page_.Add("<p>takes ", form.slots(), " slots</p>\n");
    if (form.position() != v1::PACKET_POSITION_EACH) {
      page_.Add("<p>only in ", Word(form.position()), " of a packet</p>\n");
    }
    if (!form.features().empty()) {
      page_.Add("<p>with ", Code(FeatureText(layout_, form.features())), "</p>\n");
    }
    page_.Add("<div class=\"pic\">", FormSvg(verified_, index), "</div>\n");
    for (const v1::ContainedForm& part : form.contains()) {
      const std::string name = Escape(layout_.forms(static_cast<int>(part.form())).name());
      page_.Add("<p>", Code(text::Cat("@", part.byte_offset())), " <a href=\"#", name, "\">",
                Escape(part.name()), "</a>: ", Escape(PartText(layout_, form, part)), "</p>\n");
    }
    if (form.fields().empty()) return;
    page_.Add(
        "<table><thead><tr><th>bits</th><th>field</th><th>role</th><th>value</th>"
        "<th>when</th><th>source and notes</th></tr></thead><tbody>\n");
    for (const v1::Field& field : form.fields()) AddField(form, index, field);
    page_.Add("</tbody></table>\n");
  }

  void AddField(const v1::Form& form, uint32_t index, const v1::Field& field) {
    std::string when = ConditionText(layout_, field.valid_when(), index);
    if (field.position() != v1::PACKET_POSITION_EACH) {
      when = text::Cat("in ", Word(field.position()), when.empty() ? "" : ", ", when);
    }
    if (!field.features().empty()) {
      text::Append(when, when.empty() ? "" : ", ", "with ", FeatureText(layout_, field.features()));
    }
    const auto cell = [&](std::string_view head, std::string_view style, const std::string& html) {
      page_.Add("<td data-h=\"", head, "\"", style, ">", html, "</td>");
    };
    page_.Add("<tr><td class=\"word\">", Code(Place(field)), "</td><td><strong>",
              Escape(field.name()), "</strong></td>");
    const std::string role =
        field.role().empty() ? "" : Code(text::Cat(field.inverted() ? "not " : "", field.role()));
    if (role.empty()) {
      page_.Add("<td></td>");
    } else {
      cell("is", " class=\"word\"", role);
    }
    page_.Add("<td>", Escape(ValueText(layout_, field)), "</td>");
    if (when.empty()) {
      page_.Add("<td></td>");
    } else {
      cell("when", "", Code(when));
    }
    page_.Add("<td class=\"soft\">",
              Escape(NoteOn(layout_, text::Cat(form.name(), ".", field.name()))), "</td></tr>\n");
  }

  void AddValues() {
    if (!layout_.enumerations().empty()) page_.Add("<h2 id=\"values\">Values</h2>\n");
    for (const v1::Enumeration& known : layout_.enumerations()) {
      std::vector<std::string> values;
      for (const v1::EnumerationValue& value : known.values()) {
        values.push_back(text::Cat(value.name(), " ", value.value()));
      }
      page_.Add("<p><strong>", Escape(known.name()), "</strong> <small>", known.bits(),
                known.bits() == 1 ? " bit" : " bits", "</small><br>",
                Escape(text::Join(values, ", ")), "</p>\n");
    }
    if (!layout_.features().empty()) page_.Add("<h2 id=\"features\">Features</h2>\n");
    for (const v1::Feature& feature : layout_.features()) {
      page_.Add("<p><strong>", Escape(feature.name()), "</strong> ",
                Escape(text::Join(feature.choices(), ", ")), "</p>\n");
    }
  }

  const VerifiedLayout& verified_;
  const v1::Layout& layout_;
  Page page_;
};

}  // namespace

std::string EmitHtml(const VerifiedLayout& layout) { return LayoutPage(layout).Run(); }

std::string EmitHtmlIndex(std::span<const VerifiedLayout> layouts) {
  Page page("Layouts", "");
  page.Add(
      "<h1>Layouts</h1>\n<p class=\"soft\">Descriptors and rings of NICs, as qsplit describes "
      "them.</p>\n<table><thead><tr><th>layout</th><th>family</th><th>descriptors</th>"
      "<th>fields</th></tr></thead><tbody>\n");
  for (const VerifiedLayout& layout : layouts) {
    int fields = 0;
    for (const v1::Form& form : layout.message().forms()) fields += form.fields_size();
    const std::string name = Escape(layout.name());
    page.Add("<tr><td class=\"word\"><a href=\"", name, ".html\">", name, "</a></td><td>",
             Escape(layout.message().documentation().title()),
             "</td><td class=\"side\" data-h=\"descriptors\">", layout.message().forms_size(),
             "</td><td class=\"side\" data-h=\"fields\">", fields, "</td></tr>\n");
  }
  page.Add("</tbody></table>\n");
  return page.Finish();
}

}  // namespace qsplit::layout
