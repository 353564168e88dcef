// Threads of a software NIC: from the file's words to the device's configuration.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "daemon/config/config.h"

namespace qsplit::config {
namespace {

using ::testing::ElementsAre;

absl::StatusOr<Config> Parse(const std::string& keys) {
  const NameResolver nobody{.user = [](const std::string&) { return std::nullopt; },
                            .group = [](const std::string&) { return std::nullopt; }};
  return ParseConfig("[[device]]\nname = \"a\"\n" + keys + "\n", "q.toml", nobody, 0);
}

std::string Refusal(const std::string& keys) {
  const auto config = Parse(keys);
  return config.ok() ? "accepted" : std::string(config.status().message());
}

TEST(Threads, OneUnlessSaid) {
  const auto config = Parse("");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->devices[0].threads, 1u);
  EXPECT_TRUE(config->devices[0].cpus.empty());
}

TEST(Threads, EachWithItsCpu) {
  const auto config = Parse("threads = 3\ncpus = [4, 5, 7]");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->devices[0].threads, 3u);
  EXPECT_THAT(config->devices[0].cpus, ElementsAre(4, 5, 7));
}

TEST(Threads, EachWithItsQueues) {
  const auto config = Parse("queues = 4\nthreads = 2\nqueue_threads = [0, 0, 1, 1]");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->devices[0].queue_threads, ElementsAre(0, 0, 1, 1));
  EXPECT_EQ(Refusal("queues = 2\nqueue_threads = [0, 1]"),
            "q.toml:4:17: device.queue_threads = [ 0, 1 ]: there are 1 threads (`threads`), the "
            "first is 0");
  EXPECT_EQ(Refusal("queues = 3\nqueue_threads = [0, 0]"),
            "q.toml:4:17: device.queue_threads = [ 0, 0 ]: those of 2 queues; give one for each "
            "of 3, by number");
}

TEST(Threads, WhatCannotBeIsRefused) {
  EXPECT_EQ(Refusal("threads = 17"),
            "q.toml:3:11: device.threads = 17: out of range; allowed: 1..16");
  EXPECT_EQ(Refusal("threads = 2\ncpus = [1]"),
            "q.toml:4:8: device.cpus = [ 1 ]: 1 CPUs for 2 threads; give one for each");
  EXPECT_EQ(Refusal("threads = 2\ncpu = 1"),
            "q.toml:4:7: device.cpu = 1: several threads; `cpus` names one CPU for each");
  EXPECT_EQ(Refusal("cpus = [1]\ncpu = 1"),
            "q.toml:3:8: device.cpus = [ 1 ]: 'cpu' is the one of one thread; drop either");
  EXPECT_EQ(Refusal("backend = \"vfio\"\nfunction = \"0000:01:00.0\"\nthreads = 2"),
            "q.toml:5:11: device.threads = 2: only a device with backend = \"softnic\" has this; "
            "drop it");
}

}  // namespace
}  // namespace qsplit::config
