// Options that no network can be made of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "trainer/model/network.h"

namespace elbow {

// An encoder of such samples, to 6 numbers, and a decoder, from 3: both with this text in the
// error.
inline void expect_refused(const NetworkOptions& options, const std::vector<std::int64_t>& shape,
                           const std::string& text) {
  for (const bool encoder : {true, false}) {
    try {
      encoder ? make_encoder(options, shape, 6) : make_decoder(options, 3, shape, 1);
      FAIL() << text;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(text));
    }
  }
}

}  // namespace elbow
