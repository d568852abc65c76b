"""What each principal asks, API by API, in the form of Kafka's JSON converters. Requests that
change what others look at stand behind those."""

from dataclasses import dataclass, field
from typing import Callable

NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
NOBODY = "nobody"
TOPICS = ("own", "other", "own-absent", "other-absent")


@dataclass
class World:
    """The names of one situation at one cluster, and what answers have told."""
    prefix: str
    topic_ids: dict[str, str] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)

    def name(self, rest: str) -> str:
        return self.prefix + rest

    @property
    def topics(self) -> list[str]:
        """Both that exist, and one of either kind that does not."""
        return [self.name(rest) for rest in TOPICS]

    @property
    def existing(self) -> list[str]:
        return self.topics[:2]

    @property
    def groups(self) -> list[str]:
        return [self.name("own"), self.name("other")]


@dataclass(frozen=True)
class Ask:
    """One request; `then` looks at its answer."""
    api: str  # of ApiKeys
    version: int
    what: str
    body: Callable[[World], dict]
    then: Callable[[World, dict], None] = lambda world, answer: None

    @property
    def looks(self) -> bool:
        """Changes nothing, so it may be asked again."""
        return self.api.startswith(("DESCRIBE_", "FIND_", "LIST_")) or self == AFTER

    @property
    def title(self) -> str:
        return f"{self.api} v{self.version} {self.what}".rstrip()


def partitions_of(names: list[str], key: str, **partition) -> list[dict]:
    return [{key: name, "partitions": [dict(partition)]} for name in names]


# --- records ------------------------------------------------------------------------------------

def produce(transactional_id=None, names=TOPICS):
    return lambda w: {
        "transactionalId": transactional_id and w.name(transactional_id), "acks": -1,
        "timeoutMs": 10000,
        "topicData": [{"name": t, "partitionData": [{"index": 0, "records": "a record"}]}
                      for t in map(w.name, names)]}


def fetch(by_id: bool):
    def body(w: World) -> dict:
        partition = {"partition": 0, "currentLeaderEpoch": -1, "fetchOffset": 0,
                     "lastFetchedEpoch": -1, "logStartOffset": -1, "partitionMaxBytes": 10000}
        named = ([{"topicId": w.topic_ids[t]} for t in w.existing] if by_id
                 else [{"topic": t} for t in w.topics])
        replica = {} if by_id else {"replicaId": -1}
        return {**replica, "maxWaitMs": 0, "minBytes": 0, "maxBytes": 100000, "isolationLevel": 0,
                "sessionId": 0, "sessionEpoch": -1, "forgottenTopicsData": [], "rackId": "",
                "topics": [{**each, "partitions": [partition]} for each in named]}
    return body


def list_offsets(w: World) -> dict:
    return {"replicaId": -1, "isolationLevel": 0, "timeoutMs": 5000,
            "topics": partitions_of(w.topics, "name", partitionIndex=0, currentLeaderEpoch=-1,
                                    timestamp=-1)}


def offset_for_leader_epoch(w: World) -> dict:
    return {"replicaId": -2, "topics": partitions_of(w.topics, "topic", partition=0,
                                                     currentLeaderEpoch=-1, leaderEpoch=0)}


def delete_records(w: World) -> dict:
    return {"timeoutMs": 10000, "topics": partitions_of(w.topics, "name", partitionIndex=0,
                                                        offset=0)}


def init_producer_id(transactional_id=None):
    return lambda w: {"transactionalId": transactional_id and w.name(transactional_id),
                      "transactionTimeoutMs": 10000, "producerId": -1, "producerEpoch": -1}


# --- what there is ------------------------------------------------------------------------------

def metadata(names: tuple[str, ...] | None, version: int, create: bool = False, ids: bool = False):
    def body(w: World) -> dict:
        topics = None
        if names is not None:
            topics = [{"name": w.name(each)} for each in names]
            if version >= 10:
                topics = [{"topicId": NO_ID, **each} for each in topics]
        elif ids:
            topics = [{"topicId": w.topic_ids[each], "name": None} for each in w.existing]
        elif version == 0:
            topics = []
        said = {"topics": topics}
        if version >= 4:
            said["allowAutoTopicCreation"] = create
        if 8 <= version <= 10:
            said["includeClusterAuthorizedOperations"] = True
        if version >= 8:
            said["includeTopicAuthorizedOperations"] = True
        return said
    return body


LOOKS = [
    Ask("METADATA", 12, "by name", metadata(TOPICS, 12)),
    Ask("METADATA", 10, "by name, with the cluster's operations", metadata(TOPICS, 10)),
    Ask("METADATA", 12, "by id", metadata(None, 12, ids=True)),
    Ask("METADATA", 12, "all", metadata(None, 12)),
    Ask("METADATA", 0, "all", metadata(None, 0)),
    Ask("METADATA", 1, "by name", metadata(TOPICS[:2], 1)),
    Ask("METADATA", 1, "none", lambda w: {"topics": []}),
    Ask("DESCRIBE_CLUSTER", 1, "with operations",
        lambda w: {"includeClusterAuthorizedOperations": True, "endpointType": 1}),
    Ask("DESCRIBE_CLUSTER", 1, "",
        lambda w: {"includeClusterAuthorizedOperations": False, "endpointType": 1}),
    Ask("FETCH", 12, "by name", fetch(by_id=False)),
    Ask("FETCH", 16, "by id", fetch(by_id=True)),
    Ask("FETCH", 4, "by name", fetch(by_id=False)),
    Ask("LIST_OFFSETS", 9, "", list_offsets),
    Ask("LIST_OFFSETS", 1, "", list_offsets),
    Ask("OFFSET_FOR_LEADER_EPOCH", 4, "", offset_for_leader_epoch),
    Ask("PRODUCE", 11, "", produce()),
    Ask("PRODUCE", 8, "", produce()),
    Ask("PRODUCE", 11, "of an allowed transactional id", produce("own")),
    Ask("PRODUCE", 11, "of another's transactional id", produce("other")),
    Ask("INIT_PRODUCER_ID", 4, "", init_producer_id()),
    Ask("INIT_PRODUCER_ID", 4, "of an allowed transactional id", init_producer_id("own")),
    Ask("INIT_PRODUCER_ID", 4, "of another's transactional id", init_producer_id("other")),
]


# --- groups -------------------------------------------------------------------------------------

def of_group(name: str, api: str, version: int, body: Callable[[World, str], dict], **more) -> Ask:
    whose = "an allowed" if name == "own" else "another"
    return Ask(api, version, f"of {whose} group", lambda w: body(w, w.name(name)), **more)


def joined(name: str, **more) -> Ask:
    def body(w: World, group: str) -> dict:
        return {"groupId": group, "sessionTimeoutMs": 30000, "rebalanceTimeoutMs": 30000,
                "memberId": w.members.get(name, ""), "groupInstanceId": None,
                "protocolType": "consumer", "reason": None,
                "protocols": [{"name": "range", "metadata": ""}]}

    def then(w: World, answer: dict) -> None:
        w.members[name] = answer.get("memberId", "") or w.members.get(name, "")
    return of_group(name, "JOIN_GROUP", 9, body, then=then, **more)


def generation(w: World, name: str) -> dict:
    return {"generationId": 1, "memberId": w.members.get(name, "") or "unknown",
            "groupInstanceId": None}


def membership(name: str) -> list[Ask]:
    return [
        joined(name), joined(name),
        of_group(name, "SYNC_GROUP", 5, lambda w, g: {
            "groupId": g, **generation(w, name), "protocolType": "consumer",
            "protocolName": "range", "assignments": []}),
        of_group(name, "HEARTBEAT", 4, lambda w, g: {"groupId": g, **generation(w, name)}),
        of_group(name, "LEAVE_GROUP", 2, lambda w, g: {
            "groupId": g, "memberId": "unknown"}),
        of_group(name, "LEAVE_GROUP", 5, lambda w, g: {
            "groupId": g, "members": [{"memberId": w.members.get(name, "") or "unknown",
                                       "groupInstanceId": None, "reason": None}]}),
    ]


def offset_commit(w: World, group: str, names=TOPICS) -> dict:
    return {"groupId": group, "generationIdOrMemberEpoch": -1, "memberId": "",
            "groupInstanceId": None,
            "topics": partitions_of([*map(w.name, names)], "name", partitionIndex=0,
                                    committedOffset=1, committedLeaderEpoch=-1,
                                    committedMetadata="")}


def offset_fetch(of: Callable[[World], list[str] | None]):
    def body(w: World) -> dict:
        names = of(w)
        topics = None if names is None else [{"name": t, "partitionIndexes": [0]} for t in names]
        return {"requireStable": False,
                "groups": [{"groupId": g, "memberId": None, "memberEpoch": -1, "topics": topics}
                           for g in w.groups]}
    return body


def describe_groups(operations: bool):
    return lambda w: {"groups": [*w.groups, w.name("own-absent")],
                      "includeAuthorizedOperations": operations}


def find_coordinator(kind: int):
    return lambda w: {"keyType": kind, "coordinatorKeys": w.groups}


def offset_delete(w: World, group: str) -> dict:
    return {"groupId": group, "topics": partitions_of(w.topics, "name", partitionIndex=0)}


LOOKS += [
    Ask("FIND_COORDINATOR", 5, "of groups", find_coordinator(0)),
    Ask("FIND_COORDINATOR", 5, "of transactional ids", find_coordinator(1)),
    of_group("own", "FIND_COORDINATOR", 3, lambda w, g: {"key": g, "keyType": 0}),
    of_group("other", "FIND_COORDINATOR", 3, lambda w, g: {"key": g, "keyType": 0}),
    of_group("own", "FIND_COORDINATOR", 0, lambda w, g: {"key": g}),
    of_group("other", "FIND_COORDINATOR", 0, lambda w, g: {"key": g}),
    *(of_group(name, "OFFSET_FETCH", 1, lambda w, g: {
        "groupId": g, "topics": [{"name": t, "partitionIndexes": [0]} for t in w.topics]})
      for name in ("own", "other")),
    Ask("OFFSET_FETCH", 9, "", offset_fetch(lambda w: w.topics)),
    Ask("OFFSET_FETCH", 9, "of all topics", offset_fetch(lambda w: None)),
    of_group("own", "OFFSET_FETCH", 7, lambda w, g: {
        "groupId": g, "requireStable": False,
        "topics": [{"name": t, "partitionIndexes": [0]} for t in w.topics]}),
    of_group("other", "OFFSET_FETCH", 7, lambda w, g: {
        "groupId": g, "requireStable": False, "topics": None}),
    Ask("LIST_GROUPS", 5, "", lambda w: {"statesFilter": [], "typesFilter": []}),
    Ask("LIST_GROUPS", 0, "", lambda w: {}),
    Ask("DESCRIBE_GROUPS", 5, "with operations", describe_groups(operations=True)),
    Ask("DESCRIBE_GROUPS", 0, "", describe_groups(operations=False)),
    of_group("own", "OFFSET_COMMIT", 2, lambda w, g: {"retentionTimeMs": -1,
                                                      **offset_commit(w, g)}),
    of_group("own", "OFFSET_COMMIT", 9, offset_commit),
    of_group("other", "OFFSET_COMMIT", 9, offset_commit),
    *membership("own"), *membership("other"),
]


# --- administration -----------------------------------------------------------------------------

def create_topics(validate_only: bool):
    return lambda w: {
        "timeoutMs": 10000, "validateOnly": validate_only,
        "topics": [{"name": w.name(each), "numPartitions": 1, "replicationFactor": 1,
                    "assignments": [], "configs": []}
                   for each in ("own", "own-new", "other", "other-new")]}


def delete_topics(by_id: bool):
    def body(w: World) -> dict:
        named = ([{"name": None, "topicId": w.topic_ids[t]} for t in w.existing] if by_id
                 else [{"name": t, "topicId": NO_ID} for t in w.topics])
        return {"topics": named, "timeoutMs": 10000}
    return body


def create_partitions(w: World) -> dict:
    return {"topics": [{"name": t, "count": 3, "assignments": None} for t in w.topics],
            "timeoutMs": 10000, "validateOnly": False}


TOPIC_CONFIG, BROKER_CONFIG, GROUP_CONFIG = 2, 4, 32
THE_BROKER, NO_BROKER = 101, 999


def configured(w: World) -> list[dict]:
    return [{"resourceType": TOPIC_CONFIG, "resourceName": t} for t in w.topics]


def describe_configs(resources: Callable[[World], list[dict]]):
    return lambda w: {"includeSynonyms": False, "includeDocumentation": False,
                      "resources": [{**each, "configurationKeys": None} for each in resources(w)]}


def alter_configs(resources: Callable[[World], list[dict]], key: str, value: str,
                  incremental: bool):
    config = {"name": key, "value": value, **({"configOperation": 0} if incremental else {})}
    return lambda w: {"validateOnly": False,
                      "resources": [{**each, "configs": [config]} for each in resources(w)]}


def of_groups(w: World) -> list[dict]:
    return [{"resourceType": GROUP_CONFIG, "resourceName": g} for g in w.groups]


def of_broker(_: World) -> list[dict]:
    return [{"resourceType": BROKER_CONFIG, "resourceName": str(THE_BROKER)}]


def acl_of_nobody(w: World) -> dict:
    return {"resourceType": 2, "resourceName": w.name("of-nobody"), "resourcePatternType": 3,
            "principal": "User:" + NOBODY, "host": "*", "operation": 3, "permissionType": 3}


def filter_of_nobody(w: World) -> dict:
    return {"resourceTypeFilter": 2, "resourceNameFilter": w.name("of-nobody"),
            "patternTypeFilter": 3, "principalFilter": "User:" + NOBODY, "hostFilter": None}


def reassign(replicas: list[int] | None):
    return lambda w: {"timeoutMs": 10000, "topics": [
        {"name": t, "partitions": [{"partitionIndex": 0, "replicas": replicas}]}
        for t in w.topics]}


def list_reassignments(named: bool):
    return lambda w: {"timeoutMs": 10000, "topics": [
        {"name": t, "partitionIndexes": [0]} for t in w.topics] if named else None}


def elect_leaders(w: World) -> dict:
    return {"electionType": 0, "topicPartitions": [{"topic": t, "partitions": [0]}
                                                   for t in w.topics], "timeoutMs": 10000}


QUOTA = {"key": "producer_byte_rate", "value": 1e9, "remove": False}
LOOKS += [
    Ask("DESCRIBE_CONFIGS", 4, "of topics", describe_configs(configured)),
    Ask("DESCRIBE_CONFIGS", 4, "of the broker", describe_configs(of_broker)),
    Ask("DESCRIBE_CONFIGS", 4, "of groups", describe_configs(of_groups)),
    Ask("DESCRIBE_USER_SCRAM_CREDENTIALS", 0, "", lambda w: {"users": [{"name": NOBODY}]}),
    Ask("DESCRIBE_ACLS", 3, "", lambda w: {**filter_of_nobody(w), "operation": 1,
                                           "permissionType": 1}),
    Ask("CREATE_TOPICS", 7, "validated only", create_topics(validate_only=True)),
    Ask("LIST_PARTITION_REASSIGNMENTS", 0, "", list_reassignments(named=True)),
    Ask("LIST_PARTITION_REASSIGNMENTS", 0, "of all topics", list_reassignments(named=False)),
]
CHANGES = [
    Ask("ALTER_USER_SCRAM_CREDENTIALS", 0, "", lambda w: {
        "deletions": [{"name": NOBODY, "mechanism": 1}], "upsertions": []}),
    Ask("ALTER_CLIENT_QUOTAS", 1, "", lambda w: {
        "entries": [{"entity": [{"entityType": "user", "entityName": w.name(NOBODY)}],
                     "ops": [QUOTA]}], "validateOnly": False}),
    Ask("DESCRIBE_CLIENT_QUOTAS", 1, "", lambda w: {
        "components": [{"entityType": "user", "matchType": 0, "match": w.name(NOBODY)}],
        "strict": True}),
    Ask("CREATE_ACLS", 3, "", lambda w: {"creations": [acl_of_nobody(w)]}),
    Ask("DELETE_ACLS", 3, "", lambda w: {"filters": [
        {**filter_of_nobody(w), "operation": 1, "permissionType": 1}]}),
    Ask("ALTER_CONFIGS", 2, "of topics",
        alter_configs(configured, "retention.ms", "86400000", incremental=False)),
    Ask("INCREMENTAL_ALTER_CONFIGS", 1, "of topics",
        alter_configs(configured, "retention.ms", "86400001", incremental=True)),
    Ask("INCREMENTAL_ALTER_CONFIGS", 1, "of the broker",
        alter_configs(of_broker, "log.cleaner.threads", "1", incremental=True)),
    Ask("INCREMENTAL_ALTER_CONFIGS", 1, "of groups",
        alter_configs(of_groups, "consumer.session.timeout.ms", "45000", incremental=True)),
    Ask("METADATA", 12, "with auto-creation",
        metadata(("own-auto", "other-auto"), 12, create=True)),
    Ask("CREATE_TOPICS", 7, "", create_topics(validate_only=False)),
    Ask("CREATE_PARTITIONS", 3, "", create_partitions),
    Ask("ELECT_LEADERS", 2, "", elect_leaders),
    Ask("ALTER_PARTITION_REASSIGNMENTS", 0, "to where they are", reassign([THE_BROKER])),
    Ask("ALTER_PARTITION_REASSIGNMENTS", 0, "to a broker that is not there",
        reassign([NO_BROKER])),
    Ask("ALTER_PARTITION_REASSIGNMENTS", 0, "taken back", reassign(None)),
    Ask("UNREGISTER_BROKER", 0, "that is not there", lambda w: {"brokerId": NO_BROKER}),
    Ask("DELETE_RECORDS", 2, "", delete_records),
    of_group("own", "OFFSET_DELETE", 0, offset_delete),
    of_group("other", "OFFSET_DELETE", 0, offset_delete),
    Ask("DELETE_GROUPS", 2, "", lambda w: {"groupsNames": w.groups}),
    Ask("DELETE_TOPICS", 5, "by name", lambda w: {"topicNames": w.topics[2:], "timeoutMs": 10000}),
    Ask("DELETE_TOPICS", 6, "by id", delete_topics(by_id=True)),
    Ask("DELETE_TOPICS", 6, "by name", delete_topics(by_id=False)),
]
ASKED = LOOKS + CHANGES
# By the super user at the end: what has become of all this.
AFTER = Ask("METADATA", 12, "afterwards, by the super user",
            metadata((*TOPICS, "own-new", "other-new", "own-auto", "other-auto"), 12))
