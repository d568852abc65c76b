// The handlers, one file each (NN_name.cc; private ones in private/).
#pragma once

#include "broker/handlers/answer.h"
#include "broker/handlers/context.h"

namespace isthmus::broker {

io::Task<server::Reply> produce(Context& context, server::Request request);
io::Task<server::Reply> fetch(Context& context, server::Request request);
io::Task<server::Reply> list_offsets(Context& context, server::Request request);
io::Task<server::Reply> metadata(Context& context, server::Request request);
io::Task<server::Reply> find_coordinator(Context& context, server::Request request);
io::Task<server::Reply> api_versions(Context& context, server::Request request);
io::Task<server::Reply> sasl_handshake(Context& context, server::Request request);
io::Task<server::Reply> create_topics(Context& context, server::Request request);
io::Task<server::Reply> delete_topics(Context& context, server::Request request);
io::Task<server::Reply> delete_records(Context& context, server::Request request);
io::Task<server::Reply> init_producer_id(Context& context, server::Request request);
io::Task<server::Reply> offset_for_leader_epoch(Context& context, server::Request request);
io::Task<server::Reply> describe_acls(Context& context, server::Request request);
io::Task<server::Reply> create_acls(Context& context, server::Request request);
io::Task<server::Reply> delete_acls(Context& context, server::Request request);
io::Task<server::Reply> describe_configs(Context& context, server::Request request);
io::Task<server::Reply> alter_configs(Context& context, server::Request request);
io::Task<server::Reply> create_partitions(Context& context, server::Request request);
io::Task<server::Reply> sasl_authenticate(Context& context, server::Request request);
io::Task<server::Reply> describe_user_scram_credentials(Context& context, server::Request request);
io::Task<server::Reply> alter_user_scram_credentials(Context& context, server::Request request);
io::Task<server::Reply> incremental_alter_configs(Context& context, server::Request request);
io::Task<server::Reply> describe_client_quotas(Context& context, server::Request request);
io::Task<server::Reply> alter_client_quotas(Context& context, server::Request request);
io::Task<server::Reply> elect_leaders(Context& context, server::Request request);
io::Task<server::Reply> alter_partition_reassignments(Context& context, server::Request request);
io::Task<server::Reply> list_partition_reassignments(Context& context, server::Request request);
io::Task<server::Reply> unregister_broker(Context& context, server::Request request);
io::Task<server::Reply> describe_cluster(Context& context, server::Request request);

// Groups: group_apis.cc.
io::Task<server::Reply> offset_commit(Context& context, server::Request request);
io::Task<server::Reply> offset_fetch(Context& context, server::Request request);
io::Task<server::Reply> join_group(Context& context, server::Request request);
io::Task<server::Reply> heartbeat(Context& context, server::Request request);
io::Task<server::Reply> leave_group(Context& context, server::Request request);
io::Task<server::Reply> sync_group(Context& context, server::Request request);
io::Task<server::Reply> describe_groups(Context& context, server::Request request);
io::Task<server::Reply> list_groups(Context& context, server::Request request);
io::Task<server::Reply> delete_groups(Context& context, server::Request request);
io::Task<server::Reply> offset_delete(Context& context, server::Request request);

// Private: spoken among our own programs.
io::Task<server::Reply> describe_site(Context& context, server::Request request);
io::Task<server::Reply> broker_view(Context& context, server::Request request);
io::Task<server::Reply> attach_link(Context& context, server::Request request);
io::Task<server::Reply> ensure_mirror_topics(Context& context, server::Request request);
io::Task<server::Reply> mirror_append(Context& context, server::Request request);
io::Task<server::Reply> mirror_offsets(Context& context, server::Request request);
io::Task<server::Reply> report_mirror(Context& context, server::Request request);
io::Task<server::Reply> fence(Context& context, server::Request request);
io::Task<server::Reply> hand_over(Context& context, server::Request request);
io::Task<server::Reply> promote(Context& context, server::Request request);
io::Task<server::Reply> switchover_wish(Context& context, server::Request request);
io::Task<server::Reply> finish_switchover(Context& context, server::Request request);
io::Task<server::Reply> become_mirror(Context& context, server::Request request);
io::Task<server::Reply> epoch_history(Context& context, server::Request request);
io::Task<server::Reply> impersonate(Context& context, server::Request request);
io::Task<server::Reply> durable_ends(Context& context, server::Request request);
io::Task<server::Reply> site_record(Context& context, server::Request request);
io::Task<server::Reply> take_way_back_step(Context& context, server::Request request);
io::Task<server::Reply> step_down(Context& context, server::Request request);
io::Task<server::Reply> forget_link(Context& context, server::Request request);
io::Task<server::Reply> pause_link(Context& context, server::Request request);
io::Task<server::Reply> read_access(Context& context, server::Request request);
io::Task<server::Reply> follow_access(Context& context, server::Request request);
io::Task<server::Reply> drain_broker(Context& context, server::Request request);
io::Task<server::Reply> read_members(Context& context, server::Request request);
io::Task<server::Reply> hold_partitions(Context& context, server::Request request);
io::Task<server::Reply> ask_groups(Context& context, server::Request request);

}  // namespace isthmus::broker
