"""The two clusters that are asked the same: a real Kafka and a site, each with users that log in by
PLAIN, and the raw client between."""

import base64
import hashlib
import json
import subprocess
from contextlib import ExitStack
from pathlib import Path

import requests
from answers import errors
from situations import SUPER_USER, Situation
from support import kafka
from support.processes import Failed, free_port, wait_for
from support.site import Site
from support.testing import PEERS, need

PASSWORD, NODE = "tr0ub4dor&3", 101
SASL, KAFKA = "SASL", "Kafka"
EVERY_ACL = {"resourceTypeFilter": 1, "resourceNameFilter": None, "patternTypeFilter": 1,
             "principalFilter": None, "hostFilter": None, "operation": 1, "permissionType": 1}


class RawClient:
    """The Java program: one question at a time."""

    def __init__(self):
        classes = need(PEERS / "java", "./dev test compiles it")
        self.child = subprocess.Popen(kafka.java("RawClient", classes=classes),
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **told) -> dict:
        self.child.stdin.write(json.dumps(told) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            raise Failed(f"the raw client ended at {told}")
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.wait(60)
        self.child.stdout.close()


class Cluster:
    """One of the two, reached by the raw client."""

    def __init__(self, name: str, client: RawClient, port: int):
        self.name = name
        self.client = client
        self.port = port

    def ask(self, ask: requests.Ask, world: requests.World, user: str, host: str) -> dict:
        said = self.client.ask(port=self.port, user=user, password=PASSWORD, api=ask.api,
                               version=ask.version, request=ask.body(world), **{"from": host})
        if "answer" in said:
            ask.then(world, said["answer"])
        return said

    def admin(self, api: str, version: int, request: dict) -> dict:
        """By the super user, who must be answered."""
        said = self.client.ask(port=self.port, user=SUPER_USER, password=PASSWORD, api=api,
                               version=version, request=request, **{"from": "127.0.0.1"})
        if "answer" not in said:
            raise Failed(f"{self.name}: {api}: {said}")
        return said["answer"]

    # --- what a situation finds -----------------------------------------------------------------

    def prepare(self, situation: Situation, world: requests.World, user: str) -> None:
        """Topics with a record each, groups with an offset each, and the situation's ACLs."""
        self._create(world)
        for name in ("own", "other"):
            self._until_done("PRODUCE", 11, requests.produce(names=(name,))(world))
            self._until_done("OFFSET_COMMIT", 9, requests.offset_commit(
                world, world.name(name), (name,)))
        self._acls(situation, world, user)

    def warm_up(self) -> None:
        """What a cluster makes only when it is first asked for."""
        for kind in (0, 1) if self.name == KAFKA else (0,):
            self._until_done("FIND_COORDINATOR", 5, {"keyType": kind, "coordinatorKeys": ["warm"]})
        ids = (None, "warm") if self.name == KAFKA else (None,)
        for transactional_id in ids:
            self._until_done("INIT_PRODUCER_ID", 4, {
                **requests.init_producer_id()(requests.World("")),
                "transactionalId": transactional_id})

    def _create(self, world: requests.World) -> None:
        made = self.admin("CREATE_TOPICS", 7, {
            "timeoutMs": 10000, "validateOnly": False,
            "topics": [{"name": t, "numPartitions": 2, "replicationFactor": 1, "assignments": [],
                        "configs": []} for t in world.existing]})
        for topic in made["topics"]:
            if topic["errorCode"]:
                raise Failed(f"{self.name}: {topic}")
            world.topic_ids[topic["name"]] = topic["topicId"]

    def _until_done(self, api: str, version: int, request: dict) -> None:
        """A coordinator, or the leader of a new partition, may not be there at once."""
        wait_for(lambda: not any(errors(self.admin(api, version, request))),
                 f"{self.name}: {api}", 60)

    def _acls(self, situation: Situation, world: requests.World, user: str) -> None:
        entries = [entry for acl in situation.acls for entry in acl.entries(world.prefix, user)]
        if not entries:
            return
        made = self.admin("CREATE_ACLS", 3, {"creations": entries})
        if any(result["errorCode"] for result in made["results"]):
            raise Failed(f"{self.name}: {made}")
        wait_for(lambda: self._acl_count() == len(entries), f"{self.name}: its ACLs are in force",
                 60)

    def _acl_count(self) -> int:
        found = self.admin("DESCRIBE_ACLS", 3, EVERY_ACL)
        return sum(len(resource["acls"]) for resource in found["resources"])

    def clear(self) -> None:
        """So that one situation's ACLs are not another's."""
        self.admin("DELETE_ACLS", 3, {"filters": [EVERY_ACL]})
        wait_for(lambda: self._acl_count() == 0, f"{self.name}: no ACL is left", 60)


def settings(everyone: bool) -> dict:
    return {"allow.everyone.if.no.acl.found": everyone, "auto.create.topics.enable": True,
            "num.partitions": 1}


def a_kafka(tmp: Path, everyone: bool, users: list[str]) -> kafka.Kafka:
    return kafka.Kafka(
        tmp / "kafka", NODE, listeners=("PLAINTEXT", SASL),
        authorizer_class_name="org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        **{"super.users": f"User:ANONYMOUS;User:{SUPER_USER}",
           "sasl.enabled.mechanisms": "PLAIN",
           "offsets.topic.num.partitions": 1, "transaction.state.log.num.partitions": 1,
           "listener.security.protocol.map":
               f"PLAINTEXT:PLAINTEXT,{SASL}:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
           "listener.name.sasl.plain.sasl.jaas.config": plain_module(users)},
        **settings(everyone))


def plain_module(users: list[str]) -> str:
    told = " ".join(f'user_{user}="{PASSWORD}"' for user in users)
    return f"org.apache.kafka.common.security.plain.PlainLoginModule required {told};"


def a_site(tmp: Path, everyone: bool) -> Site:
    made = Site(tmp, "seoul", 1, node_id=NODE)
    made.config["broker"] |= {
        "authorizer": "acls", "super.users": ["User:ANONYMOUS", f"User:{SUPER_USER}"],
        **settings(everyone)}
    for listener in made.config["listeners"]:
        if listener["name"] == "CLIENT":
            listener |= {"security.protocol": "SASL_PLAINTEXT", "sasl.enabled.mechanisms": "PLAIN"}
    return made


def upsertions(users: list[str]) -> dict:
    salt = b"of this test only"
    salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, 4096)
    return {"deletions": [], "upsertions": [
        {"name": user, "mechanism": 1, "iterations": 4096,
         "salt": base64.b64encode(salt).decode(),
         "saltedPassword": base64.b64encode(salted).decode()} for user in users]}


class Pair:
    """Both clusters, running."""

    def __init__(self, tmp: Path, everyone: bool, users: list[str]):
        self.tmp, self.everyone, self.users = tmp, everyone, users
        self.stack = ExitStack()

    def __enter__(self) -> tuple[Cluster, Cluster]:
        with ExitStack() as stack:
            client = stack.enter_context(RawClient())
            broker = stack.enter_context(a_kafka(self.tmp, self.everyone, self.users))
            site = stack.enter_context(a_site(self.tmp, self.everyone))
            made = client.ask(port=site.ports["ROUTED"], user=None, password="",
                              api="ALTER_USER_SCRAM_CREDENTIALS", version=0,
                              request=upsertions(self.users), **{"from": "127.0.0.1"})
            if any(result["errorCode"] for result in made["answer"]["results"]):
                raise Failed(f"users: {made}")
            clusters = (Cluster(KAFKA, client, broker.ports[SASL]),
                        Cluster("Isthmus", client, site.ports["CLIENT"]))
            for cluster in clusters:
                cluster.warm_up()
            self.stack = stack.pop_all()
            return clusters

    def __exit__(self, *_):
        self.stack.close()
