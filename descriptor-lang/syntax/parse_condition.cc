// Conditions: or binds less than and, and less than not.
#include <string_view>
#include <utility>

#include "descriptor-lang/syntax/parser.h"
#include "descriptor-lang/syntax/productions.h"

namespace qsplit::qdl {
namespace {

using ast::ConditionNode;

// Nodes of one condition; the disjunctive form of anything longer is longer than a layout may have.
constexpr size_t kMaxNodes = 256;

struct OperatorWord {
  std::string_view word;
  v1::Operator op;
};
constexpr OperatorWord kOperators[] = {
    {"==", v1::OPERATOR_EQUAL},         {"!=", v1::OPERATOR_NOT_EQUAL},
    {"<=", v1::OPERATOR_LESS_OR_EQUAL}, {">=", v1::OPERATOR_GREATER_OR_EQUAL},
    {"<", v1::OPERATOR_LESS},           {">", v1::OPERATOR_GREATER},
    {"&", v1::OPERATOR_ANY_BITS},
};

class ConditionParser {
 public:
  explicit ConditionParser(Cursor& cursor) : cursor_(cursor) {}

  ast::ConditionPtr Parse() {
    const Span begin = cursor_.Peek().span;
    if (!ParseOr(0) || cursor_.lost()) return nullptr;
    condition_.span = Span::Join(begin, cursor_.Previous().span);
    if (too_complex_) {
      cursor_.diagnostics().Report(Diagnostic::kConditionTooComplex, condition_.span, {});
      return nullptr;
    }
    return std::make_shared<const ast::Condition>(std::move(condition_));
  }

 private:
  using Index = std::optional<uint32_t>;

  uint32_t Add(ConditionNode node) {
    if (condition_.nodes.size() >= kMaxNodes) {
      too_complex_ = true;
      return 0;
    }
    condition_.nodes.push_back(std::move(node));
    return static_cast<uint32_t>(condition_.nodes.size() - 1);
  }

  uint32_t AddOperation(ConditionNode::Kind kind, uint32_t first, uint32_t second) {
    ConditionNode node;
    node.kind = kind;
    node.first = first;
    node.second = second;
    return Add(std::move(node));
  }

  Index ParseOr(int depth) {
    Index left = ParseAnd(depth);
    while (left && cursor_.Take("or")) {
      const Index right = ParseAnd(depth);
      if (!right) return std::nullopt;
      left = AddOperation(ConditionNode::Kind::kOr, *left, *right);
    }
    return left;
  }

  Index ParseAnd(int depth) {
    Index left = ParseUnary(depth);
    while (left && cursor_.Take("and")) {
      const Index right = ParseUnary(depth);
      if (!right) return std::nullopt;
      left = AddOperation(ConditionNode::Kind::kAnd, *left, *right);
    }
    return left;
  }

  Index ParseUnary(int depth) {
    if (cursor_.At("not") || cursor_.At("(")) {
      if (depth >= kMaxNesting) {
        cursor_.diagnostics().Report(Diagnostic::kNestedTooDeep, cursor_.Peek().span, {});
        cursor_.Unexpected("a field's name");
        return std::nullopt;
      }
    }
    if (cursor_.Take("not")) {
      const Index operand = ParseUnary(depth + 1);
      if (!operand) return std::nullopt;
      return AddOperation(ConditionNode::Kind::kNot, *operand, 0);
    }
    if (cursor_.Take("(")) {
      const Index inside = ParseOr(depth + 1);
      if (!inside || !cursor_.Expect(")")) return std::nullopt;
      return inside;
    }
    return ParseComparison();
  }

  Index ParseComparison() {
    ConditionNode node;
    const auto left = cursor_.ExpectName("a field's name");
    if (!left) return std::nullopt;
    node.comparison.left = *left;
    if (cursor_.At("=")) {
      cursor_.Unexpected("`==` (a single `=` is for constants)");
      return std::nullopt;
    }
    for (const OperatorWord& op : kOperators) {
      if (!cursor_.Take(op.word)) continue;
      node.comparison.op = op.op;
      if (cursor_.Peek().kind == TokenKind::kName) {
        node.comparison.word = cursor_.ExpectName("a value");
      } else {
        node.comparison.number = cursor_.ExpectNumber("a number or a value's name");
        if (!node.comparison.number) return std::nullopt;
      }
      break;
    }
    return Add(std::move(node));
  }

  Cursor& cursor_;
  ast::Condition condition_;
  bool too_complex_ = false;
};

}  // namespace

ast::ConditionPtr ParseCondition(Cursor& cursor) { return ConditionParser(cursor).Parse(); }

}  // namespace qsplit::qdl
