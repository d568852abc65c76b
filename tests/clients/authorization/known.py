"""Where our answers are others than Kafka's on purpose, each with its reason. A run fails where it
finds more, and where it meets one of these no more."""

import re
from dataclasses import dataclass
from typing import Iterable

from answers import Difference
from requests import Ask

ANYTHING = "anything"


@dataclass(frozen=True)
class Known:
    mark: str     # in the table
    asks: str     # regular expressions: of the API and what is asked of it,
    path: str     # and of the place in its answer
    kafka: object
    ours: object
    why: str

    def meets(self, ask: Ask, it: Difference) -> bool:
        return (re.fullmatch(self.asks, f"{ask.api} {ask.what}".rstrip()) is not None
                and re.fullmatch(self.path, it.path) is not None
                and self.kafka in (ANYTHING, it.kafka) and self.ours in (ANYTHING, it.ours))


UNSUPPORTED_VERSION, INVALID_REQUEST, UNKNOWN_TOPIC = 35, 42, 3
TRANSACTIONS = ("t", "transactions are not served: who is authorized for the transactional id is "
                "told so (UNSUPPORTED_VERSION), who is not is refused as in Kafka")
GROUP_CONFIGS = ("g", "groups have no configurations here: who is authorized is told so "
                 "(INVALID_REQUEST), who is not is refused as in Kafka")
BROKER_CONFIGS = ("b", "a broker's configuration is its file: who is authorized to alter it is "
                  "told so (INVALID_REQUEST), who is not is refused as in Kafka")
AUTO_CREATED = ("c", "a topic that Metadata creates is there with the answer; Kafka creates it "
                "behind the answer, which says UNKNOWN_TOPIC_OR_PARTITION")
VALIDATED = ("v", "what is only validated gets no topic id; Kafka names one that it throws away")
NAMELESS = ("n", "beside the error of the whole Kafka answers one of each user without its name; "
            "we leave that out")

MOVES = ("m", "beside the error of the whole Kafka names what was asked for, as moves to nowhere; "
         "we leave that out")


def known(about: tuple[str, str], asks: str, path: str, kafka, ours) -> Known:
    return Known(about[0], asks, path, kafka, ours, about[1])


KNOWN = [
    known(TRANSACTIONS, "FIND_COORDINATOR of transactional ids", r"answer\.coordinators\[.*\]"
          r"\.errorCode", 0, UNSUPPORTED_VERSION),
    known(TRANSACTIONS, "FIND_COORDINATOR of transactional ids", r"answer\.coordinators\[.*\]"
          r"\.host", "127.0.0.1", ""),
    known(TRANSACTIONS, "FIND_COORDINATOR of transactional ids", r"answer\.coordinators\[.*\]"
          r"\.nodeId", "told", "none"),
    known(TRANSACTIONS, "INIT_PRODUCER_ID of .* transactional id", r"answer\.errorCode", 0,
          UNSUPPORTED_VERSION),
    known(TRANSACTIONS, "INIT_PRODUCER_ID of .* transactional id", r"answer\.producerId", "told",
          "none"),
    known(GROUP_CONFIGS, "DESCRIBE_CONFIGS of groups", r"answer\.results\[.*\]\.errorCode", 0,
          INVALID_REQUEST),
    known(GROUP_CONFIGS, "DESCRIBE_CONFIGS of groups", r"answer\.results\[.*\]\.configs", "some",
          "none"),
    known(GROUP_CONFIGS, "INCREMENTAL_ALTER_CONFIGS of groups", r"answer\.responses\[.*\]"
          r"\.errorCode", 0, INVALID_REQUEST),
    known(BROKER_CONFIGS, "INCREMENTAL_ALTER_CONFIGS of the broker", r"answer\.responses\[101\]"
          r"\.errorCode", 0, INVALID_REQUEST),
    known(AUTO_CREATED, "METADATA with auto-creation", r"answer\.topics\[.*-auto\]\.errorCode",
          UNKNOWN_TOPIC, 0),
    known(AUTO_CREATED, "METADATA with auto-creation", r"answer\.topics\[.*-auto\]\.topicId",
          "none", "told"),
    known(AUTO_CREATED, "METADATA with auto-creation", r"answer\.topics\[.*-auto\]"
          r"\.partitions\[0\]", None, ANYTHING),
    known(VALIDATED, "CREATE_TOPICS validated only", r"answer\.topics\[.*-new\]\.topicId", "told",
          "none"),
    known(NAMELESS, "DESCRIBE_USER_SCRAM_CREDENTIALS", r"answer\.results\[\]",
          {"user": "", "errorCode": 31, "credentialInfos": []}, None),
    known(MOVES, "LIST_PARTITION_REASSIGNMENTS", r"answer\.topics\[.*\]", ANYTHING, None),
]


def reason(ask: Ask, it: Difference) -> int | None:
    """Which of KNOWN it is."""
    return next((at for at, each in enumerate(KNOWN) if each.meets(ask, it)), None)


def never_met(met: Iterable[int]) -> list[str]:
    return [f"{each.asks}, {each.path}: {each.why}"
            for at, each in enumerate(KNOWN) if at not in met]
