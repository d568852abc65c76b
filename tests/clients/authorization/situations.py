"""What ACLs a principal meets: each situation with its entries, and the family by which the table
sums it up. Pure data."""

from dataclasses import dataclass
from typing import NamedTuple

TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID = 2, 3, 4, 5
LITERAL, PREFIXED = 3, 4
DENY, ALLOW = 2, 3
OPERATIONS = {"ALL": 2, "READ": 3, "WRITE": 4, "CREATE": 5, "DELETE": 6, "ALTER": 7, "DESCRIBE": 8,
              "CLUSTER_ACTION": 9, "DESCRIBE_CONFIGS": 10, "ALTER_CONFIGS": 11,
              "IDEMPOTENT_WRITE": 12}
ME, HERE, THERE = "User:{user}", "127.0.0.1", "127.0.0.2"
SUPER_USER = "admin"
# Names that are given rights end so; what stands beside them has "other" in its place.
OWN = {TOPIC: ("{p}own", "{p}own-absent", "{p}own-new", "{p}own-auto"), GROUP: ("{p}own",),
       TRANSACTIONAL_ID: ("{p}own",), CLUSTER: ("kafka-cluster",)}
KINDS = (TOPIC, GROUP, TRANSACTIONAL_ID)


class Acl(NamedTuple):
    permission: int
    operation: str
    kind: int
    name: str = ""  # empty: each of OWN
    pattern: int = LITERAL
    principal: str = ME
    host: str = "*"

    def entries(self, prefix: str, user: str) -> list[dict]:
        """As CreateAcls takes them."""
        return [{"resourceType": self.kind, "resourceName": name.format(p=prefix),
                 "resourcePatternType": self.pattern, "principal": self.principal.format(user=user),
                 "host": self.host, "operation": OPERATIONS[self.operation],
                 "permissionType": self.permission}
                for name in ([self.name] if self.name else OWN[self.kind])]


@dataclass(frozen=True)
class Situation:
    family: str
    name: str
    acls: tuple[Acl, ...] = ()
    user: str = ""  # empty: one of its own
    host: str = HERE


def on_all(permission: int, operation: str, name: str = "", pattern: int = LITERAL,
           **more) -> tuple[Acl, ...]:
    return tuple(Acl(permission, operation, kind, name, pattern, **more) for kind in KINDS)


def each(family: str, kind: int, *operations: str) -> list[Situation]:
    return [Situation(family, f"{operation} on {family}", (Acl(ALLOW, operation, kind),))
            for operation in operations]


EVERYTHING = on_all(ALLOW, "ALL", "{p}", PREFIXED)
SITUATIONS = [
    Situation("none", "no ACL"),
    *each("topics", TOPIC, "READ", "WRITE", "CREATE", "DELETE", "ALTER", "DESCRIBE",
          "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "ALL"),
    *each("groups", GROUP, "READ", "DELETE", "DESCRIBE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS",
          "ALL"),
    *each("cluster", CLUSTER, "CREATE", "DELETE", "ALTER", "DESCRIBE", "CLUSTER_ACTION",
          "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "IDEMPOTENT_WRITE", "ALL"),
    *each("transactional ids", TRANSACTIONAL_ID, "DESCRIBE", "WRITE", "ALL"),
    Situation("topics", "READ on topics and groups",
              (Acl(ALLOW, "READ", TOPIC), Acl(ALLOW, "READ", GROUP))),
    Situation("topics", "DESCRIBE on topics, READ on groups",
              (Acl(ALLOW, "DESCRIBE", TOPIC), Acl(ALLOW, "READ", GROUP))),
    Situation("topics", "READ on topics, DELETE on groups",
              (Acl(ALLOW, "READ", TOPIC), Acl(ALLOW, "DELETE", GROUP))),
    Situation("topics", "CREATE and DESCRIBE on topics",
              (Acl(ALLOW, "CREATE", TOPIC), Acl(ALLOW, "DESCRIBE", TOPIC))),
    Situation("topics", "CREATE and DESCRIBE_CONFIGS on topics",
              (Acl(ALLOW, "CREATE", TOPIC), Acl(ALLOW, "DESCRIBE_CONFIGS", TOPIC))),
    Situation("topics", "DESCRIBE on topics, CREATE on the cluster",
              (Acl(ALLOW, "DESCRIBE", TOPIC), Acl(ALLOW, "CREATE", CLUSTER))),
    Situation("topics", "DESCRIBE and DELETE on topics",
              (Acl(ALLOW, "DESCRIBE", TOPIC), Acl(ALLOW, "DELETE", TOPIC))),
    Situation("patterns", "literal, of all", on_all(ALLOW, "ALL")),
    Situation("patterns", "prefixed, of some", on_all(ALLOW, "ALL", "{p}own", PREFIXED)),
    Situation("patterns", "prefixed, of all", EVERYTHING),
    Situation("patterns", "*", on_all(ALLOW, "ALL", "*")),
    Situation("patterns", "READ of *", on_all(ALLOW, "READ", "*")),
    Situation("patterns", "prefixed *", on_all(ALLOW, "ALL", "*", PREFIXED)),
    Situation("patterns", "prefixed by more than the name",
              on_all(ALLOW, "ALL", "{p}own-and-more", PREFIXED)),
    Situation("patterns", "User:*", on_all(ALLOW, "ALL", principal="User:*")),
    Situation("patterns", "of somebody else", on_all(ALLOW, "ALL", principal="User:other")),
    Situation("deny", "literal over prefixed", EVERYTHING + on_all(DENY, "ALL")),
    Situation("deny", "literal over literal", on_all(ALLOW, "ALL") + on_all(DENY, "ALL")),
    Situation("deny", "prefixed over literal",
              on_all(ALLOW, "ALL") + on_all(DENY, "ALL", "{p}", PREFIXED)),
    Situation("deny", "* over literal", on_all(ALLOW, "ALL") + on_all(DENY, "ALL", "*")),
    Situation("deny", "of User:*", EVERYTHING + on_all(DENY, "ALL", principal="User:*")),
    Situation("deny", "DESCRIBE, with READ allowed",
              on_all(ALLOW, "READ", "{p}", PREFIXED) + on_all(DENY, "DESCRIBE")),
    Situation("deny", "READ, with ALL allowed", EVERYTHING + on_all(DENY, "READ")),
    Situation("deny", "WRITE, with ALL allowed", EVERYTHING + on_all(DENY, "WRITE")),
    Situation("deny", "WRITE of a prefix of all that may be written",
              (Acl(ALLOW, "WRITE", TOPIC, "{p}own"),
               Acl(DENY, "WRITE", TOPIC, "{p}", PREFIXED))),
    Situation("deny", "WRITE of some that may be written",
              (Acl(ALLOW, "WRITE", TOPIC, "{p}", PREFIXED),
               Acl(DENY, "WRITE", TOPIC, "{p}own", PREFIXED))),
    Situation("deny", "WRITE of *", (Acl(ALLOW, "WRITE", TOPIC, "{p}", PREFIXED),
                                     Acl(DENY, "WRITE", TOPIC, "*"))),
    Situation("deny", "CREATE of the cluster, allowed on topics",
              (Acl(ALLOW, "ALL", TOPIC), Acl(DENY, "CREATE", CLUSTER))),
    Situation("deny", "CREATE on topics, allowed of the cluster",
              (Acl(ALLOW, "CREATE", CLUSTER), Acl(DENY, "CREATE", TOPIC))),
    Situation("deny", "DESCRIBE of the cluster, ALL allowed",
              (Acl(ALLOW, "ALL", CLUSTER), Acl(DENY, "DESCRIBE", CLUSTER))),
    Situation("deny", "alone, of somebody else", on_all(DENY, "ALL", principal="User:other")),
    Situation("hosts", "allowed from here", on_all(ALLOW, "ALL", host=HERE)),
    Situation("hosts", "allowed from elsewhere", on_all(ALLOW, "ALL", host=THERE)),
    Situation("hosts", "allowed from there, and is there", on_all(ALLOW, "ALL", host=THERE),
              host=THERE),
    Situation("hosts", "denied from here", EVERYTHING + on_all(DENY, "ALL", host=HERE)),
    Situation("hosts", "denied from elsewhere", EVERYTHING + on_all(DENY, "ALL", host=THERE)),
    Situation("super user", "no ACL, super user", user=SUPER_USER),
    Situation("super user", "denied", on_all(DENY, "ALL"), user=SUPER_USER),
]
