#!/usr/bin/env python3
"""make_table: a C++ file with a row for each number of a layout's emitted headers.

    make_table.py LAYOUT.json LAYOUT.h LAYOUT.c.h > table.cc

Names are looked up in the headers, not made here: what a header lacks is an error.
"""

import json
import re
import sys


def snake(name):
    return re.sub(r"(?<=[^A-Z_])(?=[A-Z])", "_", name).lower()


def main():
    layout = json.load(open(sys.argv[1]))
    cpp, c = open(sys.argv[2]).read(), open(sys.argv[3]).read()
    name = layout["layout"]
    prefix = name.replace(".", "_")
    structs = dict(re.findall(r"^struct (\w+) \{\n(.*?)^\};", cpp, re.S | re.M))

    def in_struct(struct, function):
        for candidate in (function, function + "_", "_" + function):
            if re.search(rf"static constexpr \S+ {candidate}\(", structs[struct]):
                return f"L::{struct}::{candidate}"
        sys.exit(f"{sys.argv[2]}: {struct} has no {function}")

    def in_c(form, function, required=True):
        whole = f"{prefix}_{snake(form)}_{function}"
        if f" {whole}(" in c:
            return whole
        if required:
            sys.exit(f"{sys.argv[3]}: no {whole}")
        return "nullptr"

    print(f'#include "{sys.argv[2]}"\n#include "{sys.argv[3]}"\n#include "tests/unit/emit/header_table.h"\n')
    print(f"namespace L = qsplit_layout::{prefix};\n\nnamespace qsplit::testing {{\nnamespace {{")
    def struct_of(form):
        return form["name"] if form["name"] in structs else form["name"] + "_"

    print("const HeaderRow kRows[] = {")
    for form in layout["forms"]:
        struct = struct_of(form)
        for field in form["fields"]:
            if not field.get("parts"):  # a byte array
                continue
            f = field["name"]
            has = f"has_{f}"
            has_cpp = f"L::{struct}::{has}" if f" {has}(" in structs[struct] else "nullptr"
            print(f'  {{"{form["name"]}", "{f}",')
            print(f"   {in_struct(struct, f + '_raw')}, {in_struct(struct, f)},")
            print(f"   {in_struct(struct, 'set_' + f + '_raw')}, {in_struct(struct, 'set_' + f)}, {has_cpp},")
            print(f"   {in_c(form['name'], f + '_raw')}, {in_c(form['name'], f)},")
            print(f"   {in_c(form['name'], 'set_' + f + '_raw')}, {in_c(form['name'], 'set_' + f)},")
            print(f"   {in_c(form['name'], has, False)}}},")
    print("};\n")
    # All numbers of a form in one function, as a program that uses the header would have them inlined.
    sums = []
    for form in layout["forms"]:
        names = [field["name"] for field in form["fields"] if field.get("parts")]
        values = "".join(f" sum += {in_struct(struct_of(form), name)}(d);" for name in names)
        print(f"uint64_t SumOf{form['name']}([[maybe_unused]] const uint8_t* d) {{")
        print(f"  uint64_t sum = 0;{values}\n  return sum;\n}}")
        sums.append(f'{{"{form["name"]}", SumOf{form["name"]}, {len(names)}}}')
    print("const HeaderSum kSums[] = {" + ", ".join(sums) + "};\n")
    # The loops of each ring, with types made equal.
    print("const RingLoopsRow kLoops[] = {")
    for ring, body in structs.items():
        if not ring.endswith("_ring"):
            continue
        r = f"L::{ring}"
        poll = f"PollOf<{r}>" if " poll(" in body else "nullptr"
        prepare = f"{r}::prepare" if " prepare(" in body else "nullptr"
        receive = f"ReceiveOf<{r}>" if " receive(" in body else "nullptr"
        posts = "".join(
            f'{{"{form}", [](void* ring, uint32_t slots, Stand* at, const uint8_t* change) {{\n'
            f"    PostTo<{r}>(ring, slots, at, change, [](auto&&... a) {{ {r}::post_{form}(a...); }}); }}}},"
            for form in re.findall(r" post_(\w+)\(", body))
        lay_out = f"{r}::lay_out" if " lay_out(" in body else "nullptr"
        bursts = [lay_out]
        for made, function, comment in (("RefillOf", "refill", r"Posts buffers as (\w+),"),
                                        ("TransmitOf", "transmit", r"Writes packets of one (\w+) each")):
            form = re.search(comment, body)
            there = f" {function}(" in body
            if there != (form is not None):
                sys.exit(f"{sys.argv[2]}: {ring}: {function} and its comment")
            bursts.append(f'{made}<{r}>, "{form[1]}"' if there else 'nullptr, ""')
        def ringing(name):
            call = f"{r}::ring_{name}(doorbell, PositionOf<{r}::Position>(at), added, queue_number"
            if f"static bool ring_{name}(" in body:
                return f"return {call}, cell);"
            if f"static void ring_{name}(" in body:
                return f"static_cast<void>(cell); {call}); return true;"
            sys.exit(f"{sys.argv[2]}: {ring}: no ring_{name}")

        doorbells = "".join(
            f'{{"{side}", {number}, [](const Stand& at, uint32_t added, uint32_t queue_number) {{\n'
            f"    return {r}::{side}_doorbell_{number}(PositionOf<{r}::Position>(at), added, queue_number); }},\n"
            "   [](void* doorbell, const Stand& at, uint32_t added, uint32_t queue_number, const void* cell) {"
            f' {ringing(f"{side}_doorbell_{number}")} }}}},'
            for side, number in re.findall(r" (producer|consumer)_doorbell_(\d+)\(", body))
        print(f'  {{"{ring[:-5]}", StandOf({r}::Position{{}}), {poll}, {prepare}, {receive}, {{{posts}}}, {", ".join(bursts)}, {{{doorbells}}}}},')
    print("};\n")
    print(f'const bool kKnown = AddHeader("{name}", {{L::kDigest, {prefix.upper()}_DIGEST, kRows, kSums, kLoops}});')
    print("}  // namespace\n}  // namespace qsplit::testing")


main()
