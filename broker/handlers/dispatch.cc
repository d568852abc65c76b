#include "broker/handlers/dispatch.h"

#include "broker/handlers/handlers.h"
#include "broker/log_ins.h"

namespace isthmus::broker {

using kafka::ApiKey;

namespace {

Handler find_public(ApiKey key) {
  switch (key) {
    case ApiKey::produce: return produce;
    case ApiKey::fetch: return fetch;
    case ApiKey::list_offsets: return list_offsets;
    case ApiKey::metadata: return metadata;
    case ApiKey::offset_commit: return offset_commit;
    case ApiKey::offset_fetch: return offset_fetch;
    case ApiKey::find_coordinator: return find_coordinator;
    case ApiKey::join_group: return join_group;
    case ApiKey::heartbeat: return heartbeat;
    case ApiKey::leave_group: return leave_group;
    case ApiKey::sync_group: return sync_group;
    case ApiKey::describe_groups: return describe_groups;
    case ApiKey::list_groups: return list_groups;
    case ApiKey::api_versions: return api_versions;
    case ApiKey::sasl_handshake: return sasl_handshake;
    case ApiKey::sasl_authenticate: return sasl_authenticate;
    case ApiKey::describe_user_scram_credentials: return describe_user_scram_credentials;
    case ApiKey::alter_user_scram_credentials: return alter_user_scram_credentials;
    case ApiKey::create_topics: return create_topics;
    case ApiKey::delete_topics: return delete_topics;
    case ApiKey::delete_records: return delete_records;
    case ApiKey::init_producer_id: return init_producer_id;
    case ApiKey::offset_for_leader_epoch: return offset_for_leader_epoch;
    case ApiKey::describe_acls: return describe_acls;
    case ApiKey::create_acls: return create_acls;
    case ApiKey::delete_acls: return delete_acls;
    case ApiKey::describe_configs: return describe_configs;
    case ApiKey::alter_configs: return alter_configs;
    case ApiKey::create_partitions: return create_partitions;
    case ApiKey::delete_groups: return delete_groups;
    case ApiKey::incremental_alter_configs: return incremental_alter_configs;
    case ApiKey::offset_delete: return offset_delete;
    case ApiKey::describe_client_quotas: return describe_client_quotas;
    case ApiKey::alter_client_quotas: return alter_client_quotas;
    case ApiKey::describe_cluster: return describe_cluster;
    case ApiKey::elect_leaders: return elect_leaders;
    case ApiKey::alter_partition_reassignments: return alter_partition_reassignments;
    case ApiKey::list_partition_reassignments: return list_partition_reassignments;
    case ApiKey::unregister_broker: return unregister_broker;
    default: return nullptr;
  }
}

Handler find_private(ApiKey key) {
  switch (key) {
    case ApiKey::describe_site: return describe_site;
    case ApiKey::attach_link: return attach_link;
    case ApiKey::broker_view: return broker_view;
    case ApiKey::ensure_mirror_topics: return ensure_mirror_topics;
    case ApiKey::mirror_append: return mirror_append;
    case ApiKey::mirror_offsets: return mirror_offsets;
    case ApiKey::report_mirror: return report_mirror;
    case ApiKey::fence: return fence;
    case ApiKey::hand_over: return hand_over;
    case ApiKey::promote: return promote;
    case ApiKey::switchover_wish: return switchover_wish;
    case ApiKey::finish_switchover: return finish_switchover;
    case ApiKey::become_mirror: return become_mirror;
    case ApiKey::epoch_history: return epoch_history;
    case ApiKey::step_down: return step_down;
    case ApiKey::take_way_back_step: return take_way_back_step;
    case ApiKey::forget_link: return forget_link;
    case ApiKey::pause_link: return pause_link;
    case ApiKey::read_access: return read_access;
    case ApiKey::follow_access: return follow_access;
    case ApiKey::read_members: return read_members;
    case ApiKey::hold_partitions: return hold_partitions;
    case ApiKey::ask_groups: return ask_groups;
    case ApiKey::site_record: return site_record;
    case ApiKey::durable_ends: return durable_ends;
    case ApiKey::impersonate: return impersonate;
    case ApiKey::drain_broker: return drain_broker;
    default: return nullptr;
  }
}

}  // namespace

Handler find_handler(ApiKey key) {
  if (Handler handler = find_public(key)) return handler;
  return find_private(key);
}

std::optional<server::VersionRange> announced(const kafka::ApiInfo& api, bool on_private_listener) {
  if (find_handler(api.key) == nullptr) return std::nullopt;
  return on_private_listener ? server::public_and_private_apis(api) : server::public_apis(api);
}

io::Task<server::Reply> Dispatch::dispatch(server::Request request) {
  const kafka::ApiInfo* api = kafka::find_api(request.header.api_key);
  Handler handler = api == nullptr ? nullptr : find_handler(api->key);
  auto& connection = *request.connection;
  if (handler == nullptr || !announced(*api, connection.private_api)) {
    connection.end("API " + std::to_string(request.header.api_key) + " is not served on listener " +
                   connection.listener);
    co_return server::no_reply();
  }
  if (auto why = connection.log_in.refusal(api->key, connection.loop->now())) {
    connection.end(std::string(api->name) + " refused: " + *why);
    note_outcome(context_, connection, request.header, {}, kafka::ErrorCode::illegal_sasl_state);
    co_return server::no_reply();
  }
  if (!context_.log_ins.still_may(connection.log_in)) {
    connection.end("user " + connection.log_in.user + " may log in no more");
    note_outcome(context_, connection, request.header, {},
                 kafka::ErrorCode::sasl_authentication_failed);
    co_return server::no_reply();
  }
  bool negotiating = api->key == ApiKey::api_versions;
  if (!negotiating && !api->supports(request.header.api_version)) {
    connection.end(std::string(api->name) + " version " +
                   std::to_string(request.header.api_version) + " is not supported");
    co_return server::no_reply();
  }
  auto reply = co_await handler(context_, std::move(request));
  co_return reply;
}

}  // namespace isthmus::broker
