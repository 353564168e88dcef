// Facts that the compiler takes out of a header: where a member stands, and which bits a macro has.
#ifndef QSPLIT_TESTS_UNIT_SPECS_HEADER_FACTS_H_
#define QSPLIT_TESTS_UNIT_SPECS_HEADER_FACTS_H_

#include <cstddef>

#include "tests/support/spec_facts.h"

// The field is the whole member of the structure.
#define MEMBER(form, field, type, member) \
  { form, field, offsetof(type, member), ~0ull >> (64 - 8 * sizeof(type::member)) }

// The field is these bits of the member.
#define BITS(form, field, type, member, mask) \
  { form, field, offsetof(type, member), mask }

#endif  // QSPLIT_TESTS_UNIT_SPECS_HEADER_FACTS_H_
