// Who may use the private APIs, and what a mirror and a router need at least.
#include <algorithm>
#include <map>
#include <set>

#include "kafka/gen/alter_user_scram_credentials.h"
#include "kafka/gen/ask_groups.h"
#include "kafka/gen/attach_link.h"
#include "kafka/gen/become_mirror.h"
#include "kafka/gen/broker_view.h"
#include "kafka/gen/describe_configs.h"
#include "kafka/gen/describe_site.h"
#include "kafka/gen/drain_broker.h"
#include "kafka/gen/durable_ends.h"
#include "kafka/gen/ensure_mirror_topics.h"
#include "kafka/gen/epoch_history.h"
#include "kafka/gen/fence.h"
#include "kafka/gen/finish_switchover.h"
#include "kafka/gen/follow_access.h"
#include "kafka/gen/forget_link.h"
#include "kafka/gen/hand_over.h"
#include "kafka/gen/hold_partitions.h"
#include "kafka/gen/impersonate.h"
#include "kafka/gen/list_groups.h"
#include "kafka/gen/mirror_append.h"
#include "kafka/gen/mirror_offsets.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/offset_fetch.h"
#include "kafka/gen/pause_link.h"
#include "kafka/gen/promote.h"
#include "kafka/gen/read_access.h"
#include "kafka/gen/read_members.h"
#include "kafka/gen/report_mirror.h"
#include "kafka/gen/site_record.h"
#include "kafka/gen/step_down.h"
#include "kafka/gen/switchover_wish.h"
#include "kafka/gen/take_way_back_step.h"
#include "tests/broker/handlers/authorized_world.h"

namespace isthmus::broker {
namespace {

using kafka::ApiKey;

class PrivateAuthorization : public AuthorizedWorld {
 protected:
  template <typename Request>
  bool refused(Request request = {}) {
    return ask_peers(std::move(request)).error_code == ErrorCode::cluster_authorization_failed;
  }
  bool read_members_is_refused() {
    kafka::ReadMembersRequest request;
    request.groups = {"g"};
    return ask_peers(request).groups.at(0).error_code == ErrorCode::cluster_authorization_failed;
  }
  template <typename... Requests>
  void add(std::map<ApiKey, bool>& answers) {
    ((answers[Requests::api_key] = refused(Requests{})), ...);
  }
  // Each of them, and whether it was refused.
  std::map<ApiKey, bool> refusals() {
    std::map<ApiKey, bool> all;
    add<kafka::DescribeSiteRequest, kafka::AttachLinkRequest, kafka::EnsureMirrorTopicsRequest,
        kafka::MirrorAppendRequest, kafka::MirrorOffsetsRequest, kafka::ReportMirrorRequest,
        kafka::FenceRequest, kafka::HandOverRequest, kafka::PromoteRequest,
        kafka::SwitchoverWishRequest, kafka::FinishSwitchoverRequest, kafka::BecomeMirrorRequest,
        kafka::EpochHistoryRequest, kafka::StepDownRequest, kafka::SiteRecordRequest,
        kafka::DurableEndsRequest, kafka::ForgetLinkRequest, kafka::PauseLinkRequest,
        kafka::ReadAccessRequest, kafka::FollowAccessRequest, kafka::BrokerViewRequest,
        kafka::TakeWayBackStepRequest, kafka::HoldPartitionsRequest, kafka::AskGroupsRequest,
        kafka::DrainBrokerRequest>(all);
    all[ApiKey::read_members] = read_members_is_refused();
    // Last, and of nobody else: where it is granted, the connection is lent from here on.
    kafka::ImpersonateRequest as_itself;
    as_itself.principal = kafka::Principal{}.to_string();
    all[ApiKey::impersonate] = refused(as_itself);
    return all;
  }
  // The things of its day that a mirror is not given.
  std::set<std::string> denied_to_a_mirror() {
    std::set<std::string> denied;
    const auto note = [&](const char* what, bool is_denied) {
      if (is_denied) denied.insert(what);
    };
    note("DescribeSite", refused(kafka::DescribeSiteRequest{}));
    note("MirrorAppend", refused(kafka::MirrorAppendRequest{}));
    note("Fence", refused(kafka::FenceRequest{}));
    note("Fetch", fetch("t", {}).error_code != ErrorCode::none);
    note("ListOffsets", list_offset("t", -1).error_code != ErrorCode::none);
    kafka::MetadataRequest metadata;
    metadata.topics = std::nullopt;
    note("Metadata",
         std::ranges::none_of(ask(metadata).topics, [](const auto& t) { return t.name == "t"; }));
    kafka::DescribeConfigsRequest configs;
    configs.resources.push_back({kafka::ConfigResource::broker, "701", std::nullopt});
    note("DescribeConfigs", ask(configs).results.at(0).error_code != ErrorCode::none);
    note("ListGroups", ask(kafka::ListGroupsRequest{}).groups.empty());
    kafka::OffsetFetchRequest offsets;
    offsets.groups.push_back({.group_id = "g", .topics = std::nullopt});
    const auto group = ask(offsets).groups.at(0);
    note("OffsetFetch", group.error_code != ErrorCode::none);
    note("offsets of the topic", group.error_code == ErrorCode::none && group.topics.empty());
    return denied;
  }
  std::set<ApiKey> served() {
    std::set<ApiKey> keys;
    for (const auto& [key, is_refused] : refusals()) {
      if (!is_refused) keys.insert(key);
    }
    return keys;
  }
};
ON_ONE_LOOP_AND_ON_TWO(PrivateAuthorization);

const std::set<ApiKey> reading = {ApiKey::describe_site, ApiKey::site_record, ApiKey::epoch_history,
                                  ApiKey::durable_ends, ApiKey::read_access};
const std::set<ApiKey> moving = {ApiKey::switchover_wish, ApiKey::promote,
                                 ApiKey::finish_switchover};
const std::set<ApiKey> mirroring = {ApiKey::attach_link,   ApiKey::ensure_mirror_topics,
                                    ApiKey::mirror_append, ApiKey::mirror_offsets,
                                    ApiKey::report_mirror, ApiKey::fence,
                                    ApiKey::hand_over,     ApiKey::step_down,
                                    ApiKey::read_members};
const std::set<ApiKey> operating = {ApiKey::become_mirror, ApiKey::forget_link, ApiKey::pause_link,
                                    ApiKey::follow_access, ApiKey::drain_broker};

// What a broker asks of another.
const std::set<ApiKey> following = {ApiKey::epoch_history, ApiKey::broker_view,
                                    ApiKey::take_way_back_step, ApiKey::hold_partitions,
                                    ApiKey::ask_groups};

std::set<ApiKey> together(std::initializer_list<std::set<ApiKey>> sets) {
  std::set<ApiKey> all;
  for (const auto& set : sets) all.insert(set.begin(), set.end());
  return all;
}

TEST_P(PrivateAuthorization, EveryPrivateApiIsAskedHere) {
  start();
  const auto all = refusals();
  for (const auto& api : kafka::all_apis()) {
    if (!api.is_private) continue;
    ASSERT_TRUE(all.contains(api.key)) << api.name;
    EXPECT_FALSE(all.at(api.key)) << api.name << ": without an authorizer nothing is refused";
  }
}

TEST_P(PrivateAuthorization, NobodyIsServedWithoutAPermission) {
  start_with({may(Op::all, Type::topic, any_resource), may(Op::all, Type::group, any_resource)});
  EXPECT_EQ(served(), std::set<ApiKey>{});
}

// The router's set: it watches what clusters have written down.
TEST_P(PrivateAuthorization, DescribeLetsReadAndNothingElse) {
  start_with({on_cluster(Op::describe)});
  EXPECT_EQ(served(), reading);
}

// The mirror's set is this and DESCRIBE: each alone leaves a part out.
TEST_P(PrivateAuthorization, ClusterActionLetsMirrorAndFollowAndNothingElse) {
  start_with({on_cluster(Op::cluster_action)});
  EXPECT_EQ(served(), together({mirroring, moving, following}));
}

// He reads what is not safe yet, and says what he has.
TEST_P(PrivateAuthorization, OnlyWhoActsForTheClusterFetchesAsAFollower) {
  Uuid id;
  const auto fetched = [&] {
    kafka::FetchRequest request = fetch_request("orders", {});
    request.topics.at(0).topic_id = id;
    request.replica_state = {702, 1};
    return ask_peers(std::move(request)).responses.at(0).partitions.at(0).error_code;
  };
  start_with({may(Op::read, Type::topic, "orders")}, [&] { id = create("orders"); });
  EXPECT_EQ(fetched(), ErrorCode::topic_authorization_failed);
  start_with({on_cluster(Op::cluster_action)});
  EXPECT_EQ(fetched(), ErrorCode::unknown_leader_epoch) << "a follower names its epoch";
  // A mirror acts for the cluster, too. Where it comes, no broker does.
  config.listeners[1].peers = {process::Peer::mirrors};
  start_with({on_cluster(Op::cluster_action)});
  EXPECT_EQ(fetched(), ErrorCode::topic_authorization_failed);
}

TEST_P(PrivateAuthorization, AlterLetsOperateAndRead) {
  start_with({on_cluster(Op::alter)});
  EXPECT_EQ(served(), together({operating, moving, reading}));
}

TEST_P(PrivateAuthorization, NothingFollowsToWhereWhatHasNoAclIsOpen) {
  config.broker.allow_everyone_if_no_acl_found = true;
  start_with({on_cluster(Op::alter)});
  const auto answer = ask_peers(kafka::FollowAccessRequest{});
  EXPECT_EQ(answer.error_code, ErrorCode::policy_violation);
}

// What a mirror asks of the cluster that it copies from, beside the private APIs.
TEST_P(PrivateAuthorization, AMirrorsSetSufficesAndEachOfItIsNeeded) {
  const std::vector<Acl> set = {
      on_cluster(Op::describe), on_cluster(Op::cluster_action), on_cluster(Op::describe_configs),
      may(Op::read, Type::topic, any_resource), may(Op::describe, Type::group, any_resource)};
  const auto set_up = [this] {
    create("t");
    create("__consumer_offsets", 2);
    kafka::OffsetCommitRequest request;
    request.group_id = "g";
    request.topics.push_back({"t", {{0, 5, -1, ""}}});
    EXPECT_EQ(ask(request).topics.at(0).partitions.at(0).error_code, ErrorCode::none);
  };
  start_with(set, set_up);
  EXPECT_EQ(denied_to_a_mirror(), std::set<std::string>{});
  const std::vector<std::set<std::string>> missing = {
      {"DescribeSite"},
      {"MirrorAppend", "Fence"},
      {"DescribeConfigs"},
      {"Fetch", "Metadata", "ListOffsets", "offsets of the topic"},
      {"OffsetFetch"}};
  for (size_t i = 0; i < set.size(); ++i) {
    auto others = set;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    start_with(others);
    EXPECT_EQ(denied_to_a_mirror(), missing[i]) << "without the one at " << i;
  }
}

// What a mirror with `acls: follow` asks of its source beside: each permission lets read its part,
// and one user that is hidden hides all, or it would look like gone.
TEST_P(PrivateAuthorization, WhoMayDoWhatIsToldInPartsAndAlterLetsReadAll) {
  const auto told = [this] {
    const auto answer = ask_peers(kafka::ReadAccessRequest{});
    std::set<std::string> parts;
    if (answer.error_code == ErrorCode::none) parts.insert("acls");
    if (parts.contains("acls") && answer.users_error == ErrorCode::none) parts.insert("users");
    if (parts.contains("acls") && answer.quotas_error == ErrorCode::none) parts.insert("quotas");
    return parts;
  };
  using Parts = std::set<std::string>;
  const Acl describes = on_cluster(Op::describe);
  const Acl users = may(Op::describe_tokens, Type::user, any_resource);
  const Acl quotas = on_cluster(Op::describe_configs);
  start_with({describes, users, quotas}, [this] {
    kafka::AlterUserScramCredentialsRequest bob;
    bob.upsertions.push_back({"bob", kafka::ScramMechanism::scram_sha_256, 4096,
                              Slice::copy_of(std::string("salt")),
                              Slice::copy_of(std::string(32, 'p'))});
    EXPECT_EQ(ask(bob).results.at(0).error_code, ErrorCode::none);
  });
  EXPECT_EQ(told(), (Parts{"acls", "users", "quotas"}));
  start_with({users, quotas});
  EXPECT_EQ(told(), Parts{});
  start_with({describes, quotas});
  EXPECT_EQ(told(), (Parts{"acls", "quotas"}));
  start_with({describes, users});
  EXPECT_EQ(told(), (Parts{"acls", "users"}));
  start_with({describes, users, deny(Op::describe_tokens, Type::user, "User:bob", me)});
  EXPECT_EQ(told(), Parts{"acls"});
  start_with({on_cluster(Op::alter)});
  EXPECT_EQ(told(), (Parts{"acls", "users", "quotas"}));
}

TEST_P(PrivateAuthorization, OtherOperationsOnTheClusterLetNothing) {
  start_with({on_cluster(Op::create), on_cluster(Op::alter_configs),
              on_cluster(Op::describe_configs), on_cluster(Op::idempotent_write)});
  EXPECT_EQ(served(), std::set<ApiKey>{});
}

}  // namespace
}  // namespace isthmus::broker
