// What the operators of a layout's conditions mean.
//
// A plain function; any thread.
#ifndef QSPLIT_DESCRIPTOR_LANG_LAYOUT_COMPARE_H_
#define QSPLIT_DESCRIPTOR_LANG_LAYOUT_COMPARE_H_

#include <cstdint>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

// Of raw values. False for an operator that there is none of.
constexpr bool Compare(uint64_t left, v1::Operator op, uint64_t right) {
  switch (op) {
    case v1::OPERATOR_EQUAL:
      return left == right;
    case v1::OPERATOR_NOT_EQUAL:
      return left != right;
    case v1::OPERATOR_LESS:
      return left < right;
    case v1::OPERATOR_LESS_OR_EQUAL:
      return left <= right;
    case v1::OPERATOR_GREATER:
      return left > right;
    case v1::OPERATOR_GREATER_OR_EQUAL:
      return left >= right;
    case v1::OPERATOR_ANY_BITS:
      return (left & right) != 0;
    case v1::OPERATOR_NO_BITS:
      return (left & right) == 0;
    default:
      return false;
  }
}

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_LAYOUT_COMPARE_H_
