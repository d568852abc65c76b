// One site whose clients log in, while an administrator gives and takes what they may do and
// replaces their passwords, and the broker dies and comes back. Who may is served and who may not
// is refused, from the moment on that the administrator was answered; a password that was replaced
// lets nobody in; who was put out is out at once; a session ends with its log-in.
#include <map>

#include "kafka/gen/alter_user_scram_credentials.h"
#include "kafka/gen/create_acls.h"
#include "kafka/gen/delete_acls.h"
#include "kafka/sasl/credential.h"
#include "tests/sim/faults.h"
#include "tests/sim/person.h"

namespace isthmus::sim {

using kafka::ErrorCode;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

const TopicPartition vault{"vault", 0};
constexpr const char* people[] = {"alice", "bob"};
constexpr kafka::ScramMechanism scram_mechanisms[] = {kafka::ScramMechanism::scram_sha_256,
                                                      kafka::ScramMechanism::scram_sha_512};
constexpr const char* deeds[] = {"write", "read"};

// An administrator, who is told by the site what came of his word, however often he has to ask.
class Administrator {
 public:
  Administrator(Stage& stage, Site& site, Rights& rights)
      : stage_(stage), site_(site), rights_(rights) {}

  void let(const std::string& user, const std::string& what, bool may_do) {
    const std::string fact = may(user, what);
    const io::Instant begun = now();
    rights_.changing(fact);
    // By what allows, or by what denies beside it: one of the two ways, which the seed picks.
    const bool by_deny = stage_.one_in(2);
    bool done = false;
    if (may_do) {
      done = forget(user, what, kafka::AclPermission::deny) &&
             write_down(user, what, kafka::AclPermission::allow);
    } else if (by_deny) {
      done = write_down(user, what, kafka::AclPermission::deny);
    } else {
      done = forget(user, what, kafka::AclPermission::allow);
    }
    await_late_ones(begun);
    if (done) rights_.settled(fact, may_do, now());
  }

  void give_password(const std::string& user, int number) {
    const std::string before = has_password(user, number - 1);
    const std::string after = has_password(user, number);
    const io::Instant begun = now();
    for (const std::string& fact : {before, after, has_account(user)}) rights_.changing(fact);
    kafka::AlterUserScramCredentialsRequest request;
    for (auto mechanism : scram_mechanisms) {
      const auto algorithm = mechanism == kafka::ScramMechanism::scram_sha_256
                                 ? HashAlgorithm::sha256
                                 : HashAlgorithm::sha512;
      const kafka::PasswordDerivation derivation{algorithm,
                                                 password_text(user, number),
                                                 {1, 2, 3, static_cast<uint8_t>(number)},
                                                 kafka::least_iterations};
      auto& change = request.upsertions.emplace_back();
      change.name = user;
      change.mechanism = mechanism;
      change.iterations = derivation.iterations;
      change.salt = Slice::copy_of(Bytes(derivation.salt));
      change.salted_password = Slice::take(derivation.run());
    }
    const auto answer = stage_.asker().insist(site_.clients(), request);
    if (!answer || answer->results.at(0).error_code != ErrorCode::none) return;
    await_late_ones(begun);
    rights_.settled(before, false, now());
    rights_.settled(after, true, now());
    rights_.settled(has_account(user), true, now());
  }

  void put_out(const std::string& user, int number) {
    const std::string password = has_password(user, number);
    const io::Instant begun = now();
    for (const std::string& fact : {password, has_account(user)}) rights_.changing(fact);
    kafka::AlterUserScramCredentialsRequest request;
    for (auto mechanism : scram_mechanisms) request.deletions.push_back({user, mechanism});
    const auto answer = stage_.asker().insist(site_.clients(), request);
    if (!answer) return;
    // Also where it had happened, or there was no such user.
    const ErrorCode code = answer->results.at(0).error_code;
    if (code != ErrorCode::none && code != ErrorCode::resource_not_found) return;
    await_late_ones(begun);
    for (const std::string& fact : {password, has_account(user)}) {
      rights_.settled(fact, false, now());
    }
  }

 private:
  io::Instant now() const { return stage_.world().now(); }
  // What was asked once and timed out may still be done, after what was asked the second time.
  void await_late_ones(io::Instant begun) {
    if (now() - begun > seconds(4)) stage_.world().run_for(seconds(10));
  }
  static kafka::AclOperation operation_of(const std::string& what) {
    return what == "write" ? kafka::AclOperation::write : kafka::AclOperation::read;
  }

  bool write_down(const std::string& user, const std::string& what,
                  kafka::AclPermission permission) {
    kafka::CreateAclsRequest request;
    auto& acl = request.creations.emplace_back();
    acl.resource_type = kafka::ResourceType::topic;
    acl.resource_name = vault.topic;
    acl.principal = "User:" + user;
    acl.host = "*";
    acl.operation = operation_of(what);
    acl.permission_type = permission;
    const auto answer = stage_.asker().insist(site_.clients(), request);
    return answer && answer->results.at(0).error_code == ErrorCode::none;
  }

  bool forget(const std::string& user, const std::string& what, kafka::AclPermission permission) {
    kafka::DeleteAclsRequest request;
    auto& filter = request.filters.emplace_back();
    filter.resource_type_filter = kafka::ResourceType::topic;
    filter.resource_name_filter = vault.topic;
    filter.principal_filter = "User:" + user;
    filter.host_filter = std::nullopt;
    filter.operation = operation_of(what);
    filter.permission_type = permission;
    const auto answer = stage_.asker().insist(site_.clients(), request);
    return answer && answer->filter_results.at(0).error_code == ErrorCode::none;
  }

  Stage& stage_;
  Site& site_;
  Rights& rights_;
};

void await_everybody(Stage& stage, const std::map<std::string, Person*>& persons) {
  for (const auto& [name, person] : persons) {
    const uint64_t written = person->written();
    const uint64_t read = person->read();
    const bool served = stage.world().run_until(
        [&] { return person->written() > written && person->read() > read; }, seconds(120));
    if (!served)
      stage.judge().broken("who may is served in the end", name + ": " + person->trouble());
  }
}

}  // namespace

void permissions(Stage& stage) {
  const Duration session = stage.random().between(milliseconds(1500), seconds(20));
  Site site(
      stage.world(),
      {.name = "tokyo", .number = 1, .loops = stage.random().between(1, 2), .session = session});
  site.start();
  if (!stage.asker().await_serving(site)) return;
  if (!stage.asker().create_topic(site, vault.topic, 1)) return;
  Rights rights;
  Administrator administrator(stage, site, rights);
  SimProcess& process = stage.world().add_host("people").start_process();
  std::map<std::string, Person*> persons;
  std::map<std::string, int> passwords;
  for (const std::string name : people) {
    PersonOptions options{name, site.guarded(), vault, session, stage.random().next()};
    persons[name] = &process.make<Person>(process.env(), stage.judge(), rights, options);
    process.spawn(name, persons[name]->run());
  }
  const uint64_t rounds = stage.random().between(3, 10);
  for (uint64_t i = 0; i < rounds && stage.content(); ++i) {
    const std::string name = people[stage.random().below(2)];
    if (stage.one_in(3)) {
      persons[name]->told_of_password(++passwords[name]);
      administrator.give_password(name, passwords[name]);
    }
    if (stage.one_in(6)) administrator.put_out(name, passwords[name]);
    administrator.let(name, deeds[stage.random().below(2)], stage.one_in(2));
    stage.run_between(milliseconds(20), seconds(4));
    if (stage.one_in(4)) disturb(stage, site, "people");
    if (stage.one_in(5)) kill_and_restart(stage, site);
  }
  calm(stage, site);
  if (stage.content()) kill_and_restart(stage, site);
  for (const std::string name : people) {
    persons[name]->told_of_password(++passwords[name]);
    administrator.give_password(name, passwords[name]);
    for (const char* what : deeds) administrator.let(name, what, true);
  }
  if (stage.content()) await_everybody(stage, persons);
}

}  // namespace isthmus::sim
