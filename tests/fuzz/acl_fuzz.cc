// ACLs: entries come and go, of names, principals and hosts that the input spells, and each change
// is followed by questions and by a filter. The indexed set answers as the model without an index,
// texts are what they are when read twice, and nothing stays behind when all is removed.
#include <array>

#include "base/check.h"
#include "broker/security/authorizer.h"
#include "broker/security/host_text.h"
#include "tests/broker/security/naive_acls.h"
#include "tests/fuzz/input.h"

namespace {

using namespace isthmus;
using namespace isthmus::broker;

constexpr size_t most_changes = 64;
constexpr size_t most_entries = 24;

template <typename T, size_t N>
const T& pick(fuzz::Input& input, const std::array<T, N>& from) {
  return from[input.byte() % N];
}

// Of few letters, so that names begin and meet each other.
std::string letters(fuzz::Input& input) {
  static constexpr std::string_view alphabet = "ab.*";
  std::string text;
  for (uint8_t left = input.byte() % 6; left > 0; --left) {
    text += alphabet[input.byte() % alphabet.size()];
  }
  return text;
}

std::string any_text(fuzz::Input& input) {
  return std::string(as_text(input.bytes(input.byte() % 48)));
}

std::string principal_in(fuzz::Input& input) {
  static const std::array<std::string, 4> known = {"User:a", "User:ab", any_principal, "Role:a"};
  const uint8_t which = input.byte();
  return which % 8 < known.size() ? known[which % 8] : any_text(input);
}

std::string host_in(fuzz::Input& input) {
  static const std::array<std::string, 6> known = {
      any_host, "10.0.0.1", "::1", "0:0:0:0:0:0:0:1", "::ffff:10.0.0.1", "fe80::a%eth0"};
  const uint8_t which = input.byte();
  return which % 8 < known.size() ? known[which % 8] : any_text(input);
}

constexpr std::array operations = {AclOperation::all,      AclOperation::read,
                                   AclOperation::write,    AclOperation::create,
                                   AclOperation::remove,   AclOperation::alter,
                                   AclOperation::describe, AclOperation::describe_configs,
                                   AclOperation::any,      AclOperation::alter_configs};
constexpr std::array types = {ResourceType::topic, ResourceType::group, ResourceType::cluster,
                              ResourceType::any};
constexpr std::array patterns = {PatternType::literal, PatternType::prefixed, PatternType::any,
                                 PatternType::match};
constexpr std::array permissions = {AclPermission::allow, AclPermission::deny, AclPermission::any};

std::string name_for(fuzz::Input& input, ResourceType type) {
  return type == ResourceType::cluster ? kafka::cluster_resource : letters(input);
}

Acl entry_in(fuzz::Input& input) {
  Acl acl;
  acl.type = pick(input, types);
  acl.pattern = pick(input, patterns);
  acl.name = name_for(input, acl.type);
  acl.principal = principal_in(input);
  acl.host = host_text(host_in(input));
  acl.operation = pick(input, operations);
  acl.permission = pick(input, permissions);
  return acl;
}

void hold_texts(const Acl& acl) {
  CHECK(host_text(acl.host) == acl.host, "a host's text is what it is");
  const auto principal = kafka::Principal::parse(acl.principal);
  if (principal) CHECK(principal->to_string() == acl.principal, "a principal is its text");
}

void hold_question(fuzz::Input& input, const AclSet& set, const std::set<Acl>& model) {
  const Asker asker{principal_in(input), host_text(host_in(input))};
  const AclOperation operation = pick(input, operations);
  const ResourceType type = pick(input, types);
  const std::string name = name_for(input, type);
  // Nobody asks for all or any operation, or for something of any type.
  if (operation == AclOperation::all || operation == AclOperation::any) return;
  if (type == ResourceType::any) return;
  CHECK(set.authorize(asker, operation, type, name) ==
            naive::authorize(model, asker, operation, type, name),
        "one resource");
  CHECK(set.authorize_any(asker, operation, type) ==
            naive::authorize_any(model, asker, operation, type),
        "any resource");
}

void hold_filter(fuzz::Input& input, const AclSet& set, const std::set<Acl>& model) {
  AclFilter filter;
  filter.type = pick(input, types);
  filter.pattern = pick(input, patterns);
  filter.operation = pick(input, operations);
  filter.permission = pick(input, permissions);
  const uint8_t given = input.byte();
  const std::string name = letters(input), principal = principal_in(input);
  const std::string host = host_text(host_in(input));
  if (given & 1) filter.name = &name;
  if (given & 2) filter.principal = &principal;
  if (given & 4) filter.host = &host;
  CHECK(check_filter(filter).has_value(), "all of its values are known");
  std::vector<Acl> expected;
  std::ranges::copy_if(model, std::back_inserter(expected),
                       [&](const Acl& acl) { return naive::meets(filter, acl); });
  CHECK(set.matching(filter) == expected, "a filter");
}

void change(fuzz::Input& input, AclSet& set, std::set<Acl>& model) {
  if (input.byte() % 4 == 0 && !model.empty()) {
    const Acl gone = *std::next(model.begin(), input.byte() % model.size());
    set.remove(gone);
    model.erase(gone);
    return;
  }
  const Acl acl = entry_in(input);
  hold_texts(acl);
  if (!check_acl(acl) || model.size() == most_entries) return;
  set.add(acl);
  model.insert(acl);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  AclSet set;
  std::set<Acl> model;
  for (size_t i = 0; i < most_changes && !input.empty(); ++i) {
    change(input, set, model);
    CHECK(set.size() == model.size(), "as many as were added");
    hold_question(input, set, model);
    hold_filter(input, set, model);
  }
  for (const Acl& acl : model) set.remove(acl);
  const Asker anybody{"User:a", "10.0.0.1"};
  CHECK(set.authorize(anybody, AclOperation::read, ResourceType::topic, "a") ==
            AclSet::Verdict::no_acl,
        "what is removed leaves nothing");
  return 0;
}
