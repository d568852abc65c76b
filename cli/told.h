// What a process said, read by a command that may be of another release: a member that is missing,
// or of another kind than expected, is not known. And its times and sizes as people read them, as
// the page of the admin port has them (process/page/words.js). Pure; any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace isthmus::cli {

// Of an object; nothing of whatever else.
std::optional<int64_t> told_number(const nlohmann::json& object, const char* member);
std::optional<bool> told_flag(const nlohmann::json& object, const char* member);
std::string told_text(const nlohmann::json& object, const char* member);  // empty: not known
// An empty list, or object, where there is none.
const nlohmann::json& told_list(const nlohmann::json& object, const char* member);
const nlohmann::json& told_object(const nlohmann::json& object, const char* member);

// A number as it is, or nothing; beyond what an int64 holds, the nearest.
std::optional<int64_t> number_of(const nlohmann::json& value);

// Between two times of a wall clock, whatever was said; negative where `then_ms` is ahead.
int64_t elapsed_ms(int64_t now_ms, int64_t then_ms);
// "312 ms", "4.1 s", "2 h 5 min"; a dash for nothing.
std::string duration_text(std::optional<int64_t> ms);
// How long something lasts by now, in whole seconds.
std::string lasting_text(int64_t ms);
std::string ago_text(int64_t ms);
// "1.4 GB".
std::string bytes_text(std::optional<int64_t> bytes);
std::string grouped_text(std::optional<int64_t> number);
// "1 record", "12 records".
std::string count_text(std::optional<int64_t> number, const char* noun);
// "13:42:10", of UTC; with the day where that is not the day of `now`.
std::string clock_text(int64_t ms, int64_t now_ms);
// Without its full stop, to go on with.
std::string bare_text(std::string_view text);

constexpr const char* not_known = "-";

}  // namespace isthmus::cli
