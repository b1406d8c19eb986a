// What a stranger's JSON cannot do.
#include "base/json_input.h"

#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "tests/base/message_of.h"
#include "tests/base/temporary_folder.h"

namespace elbow {
namespace {

using test::message_of;

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(JsonInput, DepthIsLimited) {
  EXPECT_EQ(parse_json(nested(32)).size(), 1u);
  for (const std::size_t depth : {34u, 1000000u}) {
    EXPECT_EQ(message_of([&] { parse_json(nested(depth)); }), "nested too deeply") << depth;
  }
}

// Each name is looked for among all before it: a megabyte of them would take minutes.
TEST(JsonInput, NamesOfAnObjectAreLimited) {
  const auto object_of = [](int names) {
    std::string text = "{";
    for (int i = 0; i < names; ++i) text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":0";
    return text + "}";
  };
  EXPECT_EQ(parse_json(object_of(20000)).size(), 20000u);
  EXPECT_THAT(message_of([&] { parse_json(object_of(20001)); }), HasSubstr("too many names"));
  const auto two = "[" + object_of(15000) + "," + object_of(15000) + "]";
  EXPECT_EQ(parse_json(two).size(), 2u);
  EXPECT_THAT(message_of([&] { parse_json("{\"a\":" + object_of(30000) + "}"); }),
              HasSubstr("too many names"));
}

TEST(JsonInput, RefusesWhatIsNoObjectAndNamesTheFile) {
  const TemporaryFolder folder;
  const auto file = folder / "some.json";
  const auto refusal = [&] { return message_of([&] { read_json_object(file, 1000); }); };
  EXPECT_THAT(refusal(), HasSubstr("some.json: no such file"));
  write_file_atomically(file, "{\"a\": " + nested(400) + "}");
  EXPECT_THAT(refusal(), HasSubstr("some.json is damaged: nested too deeply"));
  write_file_atomically(file, "{\"a\": 1");
  EXPECT_THAT(refusal(), HasSubstr("some.json is damaged: "));
  for (const char* const text : {"[1]", "1", "null", "\"{}\""}) {
    write_file_atomically(file, text);
    EXPECT_THAT(refusal(), HasSubstr("some.json is damaged: it holds no JSON object")) << text;
  }
  write_file_atomically(file, "{\"a\": \"" + std::string(1000, 'x') + "\"}");
  EXPECT_THAT(refusal(), HasSubstr("some.json has 1009 B, more than the 1000 B"));
  write_file_atomically(file, "{\"a\": 1}");
  EXPECT_EQ(read_json_object(file, 1000), Json({{"a", 1}}));
}

TEST(JsonInput, FindsOnlyWhatIsOfTheKind) {
  const Json object = {{"number", 1.5},
                       {"whole", 7},
                       {"negative", -1},
                       {"text", "seven"},
                       {"list", {1, 2}},
                       {"nothing", nullptr},
                       {"huge", std::numeric_limits<std::uint64_t>::max()}};
  EXPECT_EQ(find_number(object, "number"), 1.5);
  EXPECT_EQ(find_number(object, "whole"), 7.0);
  EXPECT_EQ(find_number(object, "negative"), -1.0);
  EXPECT_EQ(find_whole_number(object, "whole"), 7);
  EXPECT_EQ(find_text(object, "text"), "seven");
  for (const char* const key : {"text", "list", "nothing", "missing"}) {
    EXPECT_EQ(find_number(object, key), std::nullopt) << key;
  }
  for (const char* const key : {"number", "negative", "huge", "text", "list", "missing"}) {
    EXPECT_EQ(find_whole_number(object, key), std::nullopt) << key;
  }
  for (const char* const key : {"whole", "list", "nothing", "missing"}) {
    EXPECT_EQ(find_text(object, key), "") << key;
  }
  for (const Json& none : {Json(), Json(1), Json({1, 2}), Json("text")}) {
    EXPECT_EQ(find_number(none, "a"), std::nullopt) << none;
    EXPECT_EQ(find_text(none, "a"), "") << none;
  }
}

}  // namespace
}  // namespace elbow
