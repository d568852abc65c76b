// Coroutines of production code on the main loop of a simulated process, started and awaited by a
// test, which stands outside of all loops.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "tests/sim/world/world.h"

namespace isthmus::broker {

template <typename T>
using Started = std::shared_ptr<std::optional<T>>;  // empty until the coroutine has ended

template <typename T>
io::Task<void> keep(io::Task<T> task, Started<T> result) {
  T value = co_await task;
  result->emplace(std::move(value));
}

template <typename T>
Started<T> start_in(sim::SimProcess& process, io::Task<T> task) {
  auto result = std::make_shared<std::optional<T>>();
  process.spawn("test", keep(std::move(task), result));
  return result;
}

// Starts it and lets time pass until it has ended.
template <typename T>
T run_in(sim::SimWorld& world, sim::SimProcess& process, io::Task<T> task) {
  Started<T> result = start_in(process, std::move(task));
  world.run_until([&] { return result->has_value(); }, std::chrono::minutes(5));
  EXPECT_TRUE(result->has_value()) << "the coroutine did not end";
  return std::move(result->value());
}

}  // namespace isthmus::broker
