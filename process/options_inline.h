// The templates of process/options.h, which includes it; nobody else does.
#pragma once

#include "process/options.h"

namespace isthmus::process {

template <typename T>
Options Options::table_of(T& value) {
  Options table;
  describe(table, value);
  return table;
}

template <typename Enum>
std::pair<std::vector<std::string>, std::vector<Enum>> names_and_values(
    std::initializer_list<std::pair<const char*, Enum>> choices) {
  std::pair<std::vector<std::string>, std::vector<Enum>> split;
  for (const auto& [name, value] : choices) {
    split.first.push_back(name);
    split.second.push_back(value);
  }
  return split;
}

template <typename Enum>
Options::Row& Options::choice(std::string name, Enum& field, Choices<Enum> choices,
                              std::string text) {
  auto [names, values] = names_and_values<Enum>(choices);
  return add_choice(
      std::move(name), Shape::value, std::move(names),
      [&field, values](size_t chosen) { field = values[chosen]; }, [] {},
      [&field, values] {
        std::vector<size_t> chosen;
        for (size_t i = 0; i < values.size(); ++i)
          if (values[i] == field) chosen.push_back(i);
        return chosen;
      },
      std::move(text));
}

template <typename Enum>
Options::Row& Options::choices(std::string name, std::vector<Enum>& field, Choices<Enum> choices,
                               std::string text) {
  auto [names, values] = names_and_values<Enum>(choices);
  return add_choice(
      std::move(name), Shape::values, std::move(names),
      [&field, values](size_t chosen) { field.push_back(values[chosen]); },
      [&field] { field.clear(); },
      [&field, values] {
        std::vector<size_t> chosen;
        for (Enum element : field)
          for (size_t i = 0; i < values.size(); ++i)
            if (values[i] == element) chosen.push_back(i);
        return chosen;
      },
      std::move(text));
}

template <typename T>
Options::Row& Options::section(std::string name, T& field, std::string text) {
  Row row{.name = std::move(name), .shape = Shape::section, .type = "map", .text = std::move(text)};
  row.extend = [&field](const std::string&) { return table_of(field); };
  row.elements = [&field] { return std::vector<Named>{{"", table_of(field)}}; };
  row.prototype = [&field] { return table_of(field); };
  return add_row(std::move(row));
}

template <typename T>
Options::Row& Options::word_or_section(std::string name, std::string word, std::optional<T>& field,
                                       std::string text, std::string text_of_section) {
  Row& row = add_word_or_section(
      std::move(name), std::move(word), [&field] { field.reset(); }, [&field] { return !field; },
      std::move(text));
  row.extend = [&field](const std::string&) { return table_of(field.emplace()); };
  row.elements = [&field] {
    std::vector<Named> tables;
    if (field) tables.emplace_back("", table_of(*field));
    return tables;
  };
  row.prototype = [element = std::make_shared<T>()] { return table_of(*element); };
  row.text_of_section = std::move(text_of_section);
  return row;
}

template <typename T>
Options::Row& Options::list(std::string name, std::vector<T>& field, std::string text) {
  Row row{.name = std::move(name),
          .shape = Shape::list,
          .type = "list of maps",
          .text = std::move(text)};
  row.clear = [&field] { field.clear(); };
  row.extend = [&field](const std::string&) { return table_of(field.emplace_back()); };
  row.elements = [&field] {
    std::vector<Named> tables;
    for (T& element : field) tables.emplace_back("", table_of(element));
    return tables;
  };
  row.prototype = [element = std::make_shared<T>()] { return table_of(*element); };
  return add_row(std::move(row));
}

template <typename T>
Options::Row& Options::map(std::string name, std::map<std::string, T>& field, std::string text) {
  Row row{.name = std::move(name),
          .shape = Shape::map,
          .type = "maps by name",
          .text = std::move(text)};
  row.clear = [&field] { field.clear(); };
  row.extend = [&field](const std::string& key) { return table_of(field[key]); };
  row.elements = [&field] {
    std::vector<Named> tables;
    for (auto& [key, element] : field) tables.emplace_back(key, table_of(element));
    return tables;
  };
  row.prototype = [element = std::make_shared<T>()] { return table_of(*element); };
  return add_row(std::move(row));
}

}  // namespace isthmus::process
