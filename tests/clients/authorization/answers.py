"""What of an answer counts for authorization: errors, and who and what is named. Pure."""

import json
from typing import Any, Iterator, NamedTuple

NAMES = {"name", "topicName", "topic", "groupId", "group", "key", "resourceName", "resourceType",
         "partitionIndex", "partition", "partitionId", "index", "user", "principal", "host",
         "patternType", "operation", "permissionType", "entityType", "entityName", "isInternal",
         "groupState", "protocolType", "numPartitions", "replicationFactor"}
POSITIONS = {"committedOffset", "highWatermark", "baseOffset", "offset", "endOffset",
             "lowWatermark"}
# Told or not: what each cluster fills in by itself.
NOTHING = {None, "", -1, "AAAAAAAAAAAAAAAAAAAAAA"}
TOLD = {"topicId", "memberId", "producerId", "nodeId", "leaderId", "leader"}
LISTS_OF_THEIR_OWN = {"configs", "brokers", "replicaNodes", "isrNodes", "offlineReplicas",
                      "replicas", "isr", "nodeEndpoints", "abortedTransactions"}
KEPT = NAMES | POSITIONS


def essence(answer: Any) -> Any:
    """The answer without what differs from run to run; lists in an order of their own."""
    if isinstance(answer, dict):
        kept = {}
        for key, value in answer.items():
            if key in LISTS_OF_THEIR_OWN:
                kept[key] = "some" if value else "none"
            elif key in TOLD:
                kept[key] = "none" if value in NOTHING else "told"
            elif isinstance(value, (dict, list)):
                kept[key] = essence(value)
            elif key in KEPT or key.lower().endswith(("errorcode", "authorizedoperations")):
                kept[key] = value
        return kept
    if isinstance(answer, list):
        return sorted((essence(each) for each in answer if not of_cluster(each)),
                      key=lambda each: json.dumps(each, sort_keys=True))
    return answer


def errors(answer: Any) -> Iterator[int]:
    """All codes of an answer, 0 among them."""
    if isinstance(answer, dict):
        for key, value in answer.items():
            if key.lower().endswith("errorcode"):
                yield value
    for each in answer.values() if isinstance(answer, dict) else answer:
        if isinstance(each, (dict, list)):
            yield from errors(each)


def of_cluster(entry: Any) -> bool:
    """A topic that the cluster keeps for itself: which there are is its own affair."""
    return isinstance(entry, dict) and str(entry.get("name")).startswith("__")


class Difference(NamedTuple):
    path: str
    kafka: Any
    ours: Any

    def __str__(self):
        return f"{self.path}: Kafka {self.kafka!r}, Isthmus {self.ours!r}"


def differences(kafka: Any, ours: Any, path: str = "") -> Iterator[Difference]:
    """Where two essences differ: the deepest values that do. Lists are compared name by name."""
    if isinstance(kafka, dict) and isinstance(ours, dict):
        for key in sorted(kafka.keys() | ours.keys()):
            yield from differences(kafka.get(key), ours.get(key), f"{path}.{key}")
    elif isinstance(kafka, list) and isinstance(ours, list):
        by_name = [{identity(each, at): each for at, each in enumerate(side)}
                   for side in (kafka, ours)]
        for name in sorted(by_name[0].keys() | by_name[1].keys()):
            yield from differences(by_name[0].get(name), by_name[1].get(name), f"{path}[{name}]")
    elif kafka != ours:
        yield Difference(path.lstrip("."), kafka, ours)


def identity(entry: Any, at: int) -> str:
    if isinstance(entry, dict):
        for key in ("name", "topic", "topicName", "groupId", "key", "resourceName", "user",
                    "partitionIndex", "partition", "partitionId", "index"):
            if entry.get(key) is not None:
                return str(entry[key])
    return str(at)
