"""scripts/checks/proto refuses a contract without discipline, and numbers used twice."""

import os
import unittest

import case

GOOD_PROTO = """\
syntax = "proto3";
package qsplit.v1;

// A colour.
enum Colour {
  // Not said.
  COLOUR_UNSPECIFIED = 0;
  // Red.
  COLOUR_RED = 1;
}
// Of Get.
message GetRequest {
  // Which.
  string name = 1;
  // How many.
  optional uint32 count = 2;
}
// Of Get.
message GetResponse {
  // The colour.
  Colour colour = 1;
}
// Reads.
service ThingService {
  // Gets one.
  rpc Get(GetRequest) returns (GetResponse);
}
"""


class Proto(case.Check):
    check = "proto"
    path = "proto/qsplit/v1/thing.proto"

    def setUp(self):
        super().setUp()
        self.write(self.path, GOOD_PROTO)
        self.assert_clean("--update")

    def change(self, old, new):
        self.assertIn(old, GOOD_PROTO)
        self.write(self.path, GOOD_PROTO.replace(old, new))

    def test_good(self):
        self.assert_clean()

    def test_missing_comments(self):
        for comment, what in (("// A colour.\n", "enum Colour"), ("  // Red.\n", "Colour.COLOUR_RED"),
                              ("  // Which.\n", "GetRequest.name"), ("// Reads.\n", "service ThingService"),
                              ("  // Gets one.\n", "rpc ThingService.Get")):
            self.change(comment, "")
            self.assert_found(what, "no comment")

    def test_names(self):
        self.change("string name", "string theName")
        self.assert_found("theName", "lower_snake_case")
        self.change("COLOUR_RED", "RED")
        self.assert_found("RED", "COLOUR_")
        self.change("COLOUR_UNSPECIFIED", "COLOUR_NONE")
        self.assert_found("COLOUR_UNSPECIFIED")
        self.change("rpc Get(", "rpc Fetch(")
        self.assert_found("FetchRequest")

    def test_changed_number(self):
        self.change("name = 1", "name = 7")
        self.assert_found(f"{self.path}:", "GetRequest.name had number 1 and has 7")

    def test_renamed_field(self):
        self.change("string name = 1", "string title = 1")
        self.assert_found("GetRequest.title uses number 1 again")

    def test_removed_without_reserved(self):
        self.change("  // Which.\n  string name = 1;\n", "")
        self.assert_found("GetRequest.name is gone", "reserved 1")
        self.change("  // Which.\n  string name = 1;\n", "  reserved 1;\n")
        self.assert_found("GetRequest.name is gone", 'reserved "name"')
        self.change("  // Which.\n  string name = 1;\n", '  reserved 1;\n  reserved "name";\n')
        self.assert_clean()

    def test_removed_and_forgotten(self):
        """The lock remembers a number even after the reservation is dropped."""
        self.change("  // Which.\n  string name = 1;\n", '  reserved 1;\n  reserved "name";\n')
        self.assert_clean("--update")
        self.change("string name = 1", "bytes name2 = 1")
        self.assert_found("uses number 1 again")

    def test_removed_message(self):
        self.change("// Of Get.\nmessage GetResponse {\n  // The colour.\n  Colour colour = 1;\n}\n", "")
        self.write(self.path, open(os.path.join(self.tree, self.path), encoding="utf-8").read().split("// Reads.")[0])
        self.assert_found("GetResponse", "is gone")

    def test_new_field_must_be_recorded(self):
        self.change("string name = 1;", "string name = 1;\n  // More.\n  string more = 3;")
        self.assert_found("not recorded", "--update")
        self.assert_clean("--update")
        self.assert_clean()


if __name__ == "__main__":
    unittest.main()
