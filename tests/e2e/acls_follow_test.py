"""`acls: follow`: ACLs, SCRAM users and quotas go where the topics of a link go, as the tools of
Kafka make and show them; what a site has of its own stays, and after a switchover the other link
goes on."""

import json

import world
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from support import kafka, site, testing
from support.kafka import Kafka
from support.processes import wait_for
from support.site import Mirror, Router, Site, cluster, link
from world import World, marked

PASSWORD = "planted-Passw0rd-of-alice"
FOLLOW = {"acls": "follow", "delete_delay": "2s"}


class Following(World):
    def guarded(self, name: str, number: int) -> Site:
        """Clients log in and may what ACLs say; who comes by another listener may everything."""
        made = Site(self.tmp, name, number)
        made.config["broker"] |= {"authorizer": "acls", "super.users": ["User:ANONYMOUS"]}
        for each in made.config["listeners"]:
            if each["name"] == "CLIENT":
                each |= {"security.protocol": "SASL_PLAINTEXT",
                         "sasl.enabled.mechanisms": "SCRAM-SHA-512"}
        return self.started(made)

    @staticmethod
    def inside(each: Site) -> str:
        return f"127.0.0.1:{each.ports['ROUTED']}"

    def create_topic(self, at: Site, topic: str) -> None:
        admin = AdminClient({"bootstrap.servers": self.inside(at)})
        admin.create_topics([NewTopic(topic, 1)])[topic].result(60)

    def acl(self, at: str, verb: str, *words: str) -> None:
        kafka.run_tool(kafka.ACL_COMMAND, "--bootstrap-server", at, f"--{verb}", *words,
                       *(["--force"] if verb == "remove" else []))

    def acls(self, at: Site) -> str:
        """As Kafka's tool lists them, in an order of ours: its own is that of a hash table."""
        done = kafka.run_tool(kafka.ACL_COMMAND, "--bootstrap-server", self.inside(at), "--list")
        resources = done.stdout.decode().split("\n\n")
        return "\n".join(sorted("\n".join(sorted(each.splitlines())) for each in resources))

    def quota(self, at: str, *change: str, user: str = "alice") -> str:
        done = kafka.run_tool(kafka.CONFIG_COMMAND, "--bootstrap-server", at, "--entity-type",
                              "users", "--entity-name", user, *change)
        return done.stdout.decode()


class TwoSites(Following):
    def setUp(self):
        super().setUp()
        self.seoul, self.tokyo = self.guarded("seoul", 1), self.guarded("tokyo", 2)
        self.clusters = self.tmp / "clusters.yaml"
        self.clusters.write_text(json.dumps(Router(
            self.tmp, "corp", {each.name: cluster(each) for each in (self.seoul, self.tokyo)}
        ).config))

    def start_mirrors(self, **options) -> None:
        self.mirrors = {}
        for source, target in ((self.seoul, self.tokyo), (self.tokyo, self.seoul)):
            name = f"{source.name}-{target.name}"
            self.mirrors[name] = self.started(Mirror(
                self.tmp, f"mirror-{name}", {name: link(source, target, **options)}))

    def command(self, *args: str, allowed=(0,)) -> dict:
        done = site.run(*args, "-o", "json", "--config", self.clusters, check=False)
        self.assertIn(done.returncode, allowed, f"{args}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout else {}

    def describe(self, name: str = "seoul-tokyo") -> dict:
        return self.command("link", "describe", name, allowed=(0, 2))

    def wait_topic(self, topic: str = "orders") -> None:
        wait_for(lambda: topic in {t["topic"] for t in self.describe()["topics"]},
                 f"{topic} is mirrored", 60)

    def wait_follows(self, name: str = "seoul-tokyo", **counts) -> None:
        """So many are at the target, by that link."""
        def there():
            access = self.describe(name)["access"]
            return access and {key: access[key] for key in counts} == counts
        wait_for(there, f"{name}: {counts} follow", 60)

    def make_user(self, name: str, at: Site, password: str = PASSWORD) -> None:
        secret = self.tmp / f"{name}.secret"
        secret.write_text(password + "\n")
        secret.chmod(0o600)
        self.command("user", "set", name, "--password-file", str(secret), "--cluster", at.name)

    def users(self, at: Site) -> set[str]:
        return {user["user"] for user in self.command("user", "list", "--cluster", at.name)}

    def client(self, user: str = "alice", password: str = PASSWORD) -> dict:
        return {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_username": user, "sasl_password": password}

    def can_log_in(self, at: Site, **client) -> bool:
        admin = AdminClient({"bootstrap.servers": at.bootstrap, "log_level": 0,
                             **{key.replace("_", "."): value for key, value in client.items()}})
        try:
            admin.list_topics(timeout=2)
            return True
        except KafkaException:
            return False

    def produce(self, at: Site, count: int = 100) -> None:
        with world.Producer(at.bootstrap, "orders", **self.client()) as producer:
            producer.send(marked("p", 0, count))
            producer.flush_and_close()

    def grant(self, at: Site, user: str = "alice") -> None:
        """Two ACLs that allow, and one that denies."""
        self.acl(self.inside(at), "add", "--allow-principal", f"User:{user}", "--operation",
                 "Write", "--operation", "Read", "--topic", "orders")
        self.acl(self.inside(at), "add", "--deny-principal", f"User:{user}", "--operation",
                 "Read", "--topic", "secrets")

    def test_they_follow_and_go_on_the_other_way_after_a_switchover(self):
        self.start_mirrors(**FOLLOW)
        self.make_user("local", self.tokyo)
        self.create_topic(self.seoul, "orders")
        self.wait_topic()
        self.make_user("alice", self.seoul)
        self.grant(self.seoul)
        self.quota(self.inside(self.seoul), "--alter", "--add-config",
                   "producer_byte_rate=500000")
        self.produce(self.seoul)
        self.wait_follows(acls=3, users=1, quotas=1)
        self.assertEqual(self.acls(self.tokyo), self.acls(self.seoul))
        self.assertIn("producer_byte_rate=500000",
                      self.quota(self.inside(self.tokyo), "--describe"))
        self.assertEqual(self.users(self.seoul), {"alice"}, "nothing comes the other way")
        self.assertFalse(self.can_log_in(self.tokyo, **self.client(password="another")))

        def status() -> dict:
            return self.mirrors["seoul-tokyo"].status()["links"]["seoul-tokyo"].get("access", {})
        # Its page is written once a second.
        wait_for(lambda: status() == {"acls": 3, "users": 1, "quotas": 1, "waiting": 0,
                                      "problems": []}, "the mirror's status says so, too")
        # What has followed is noted where it was made, for the way back.
        self.wait_follows("tokyo-seoul", acls=3, users=1, quotas=1)

        self.switch_over("seoul", "tokyo")
        self.produce(self.tokyo)
        # Tokyo leads: what it had of its own follows, and what is removed there goes at seoul too.
        self.wait_follows("tokyo-seoul", acls=3, users=2, quotas=1)
        self.acl(self.inside(self.tokyo), "remove", "--allow-principal", "User:alice",
                 "--operation", "Read", "--topic", "orders")
        self.quota(self.inside(self.tokyo), "--alter", "--delete-config", "producer_byte_rate")
        self.wait_follows("tokyo-seoul", acls=2, users=2, quotas=0, waiting=0)
        self.assertEqual(self.acls(self.tokyo), self.acls(self.seoul))
        self.make_user("alice", self.tokyo, "an0ther-Passw0rd")
        wait_for(lambda: self.can_log_in(self.seoul, **self.client(password="an0ther-Passw0rd")),
                 "a new password follows, too", 60)
        for each in (*self.mirrors.values(), self.seoul, self.tokyo):
            log = (each.directory / f"{each.role}.log").read_text()
            self.assertNotIn(PASSWORD, log)

    def switch_over(self, source: str, target: str) -> None:
        self.started(Router(self.tmp, "router", {each.name: cluster(each)
                                                 for each in (self.seoul, self.tokyo)}))
        move = ("switchover", "--from", source, "--to", target)
        wait_for(lambda: self.command(*move, "--dry-run", allowed=(0, 3))["ready"], "ready", 60)
        findings = self.command(*move, "--dry-run")["findings"]
        said = [f["text"] for f in findings if f["text"].startswith("ACLs, users and quotas")]
        self.assertEqual(said, ["ACLs, users and quotas differ: 1 at tokyo only: user local"])
        self.command(*move)

    def test_what_is_removed_goes_after_the_delay_and_what_is_the_targets_own_stays(self):
        self.start_mirrors(**FOLLOW)
        self.create_topic(self.seoul, "orders")
        self.wait_topic()
        for at in (self.seoul, self.tokyo):
            self.make_user("both", at)
            self.grant(at, "both")
        for user in ("alice", "bob"):
            self.make_user(user, self.seoul)
        self.grant(self.seoul)
        self.wait_follows(acls=3, users=2)
        for user in ("alice", "both"):
            self.command("user", "delete", user, "--cluster", "seoul")
            self.acl(self.inside(self.seoul), "remove", "--allow-principal", f"User:{user}",
                     "--operation", "Write", "--operation", "Read", "--topic", "orders")
        self.wait_follows(acls=1, users=1, waiting=0)
        self.assertEqual(self.users(self.tokyo), {"bob", "both"})
        there = self.acls(self.tokyo)
        self.assertIn("principal=User:both, host=*, operation=WRITE, permissionType=ALLOW", there)
        self.assertNotIn("principal=User:alice, host=*, operation=WRITE", there)
        self.assertIn("principal=User:alice, host=*, operation=READ, permissionType=DENY", there)

    def test_whom_the_promoted_site_locks_out_the_lost_one_does_not_let_in_again(self):
        self.start_mirrors(**FOLLOW)
        self.create_topic(self.seoul, "orders")
        self.wait_topic()
        for user in ("alice", "bob"):
            self.make_user(user, self.seoul)
        self.wait_follows(users=2)
        self.wait_follows("tokyo-seoul", users=2)
        self.seoul.kill()
        self.command("failover", "--from", "seoul", "--to", "tokyo")
        self.command("user", "delete", "alice", "--cluster", "tokyo")
        self.seoul.start()
        self.command("link", "reverse", "tokyo-seoul")
        self.wait_follows("tokyo-seoul", users=1, waiting=0)
        self.assertEqual(self.users(self.seoul), {"bob"})
        self.assertEqual(self.users(self.tokyo), {"bob"})

    def test_nothing_follows_unless_it_is_asked_for(self):
        self.start_mirrors()
        self.make_user("alice", self.seoul)
        self.grant(self.seoul)
        self.create_topic(self.seoul, "orders")
        self.wait_topic()
        self.produce(self.seoul)
        wait_for(lambda: self.describe()["lag_records"] == 0, "the records are there", 60)
        self.assertIsNone(self.describe()["access"])
        self.assertEqual(self.users(self.tokyo), set())
        self.assertNotIn("User:", self.acls(self.tokyo))

    def test_a_mirror_that_may_not_says_what_it_wants(self):
        """It has the set that copying needs, at both ends."""
        for each in (self.seoul, self.tokyo):
            for words in (("--cluster", "--operation", "Describe", "--operation", "ClusterAction",
                           "--operation", "DescribeConfigs"),
                          ("--operation", "Read", "--topic", "*"),
                          ("--operation", "Describe", "--group", "*")):
                self.acl(self.inside(each), "add", "--allow-principal", "User:ANONYMOUS", *words)
        self.create_topic(self.seoul, "orders")
        self.make_user("alice", self.seoul)
        for each in (self.seoul, self.tokyo):
            each.stop()
            each.config["broker"]["super.users"] = ["User:root"]
            each.start()
        mirror = self.started(Mirror(self.tmp, "mirror", {
            "seoul-tokyo": link(self.seoul, self.tokyo, **FOLLOW)}))

        def problems() -> list[str]:
            return mirror.status()["links"]["seoul-tokyo"].get("access", {}).get("problems", [])
        wait_for(lambda: len(problems()) == 2, "it says both", 60)
        self.assertEqual(problems(), [
            "tokyo: it wants ALTER on the cluster",
            "users of seoul are not told: CLUSTER_AUTHORIZATION_FAILED"])
        self.assertGreater(mirror.metric("isthmus_link_access_problems"), 0)


class FromKafka(Following):
    """Of a source that is Kafka all follows but users."""

    def test_acls_and_quotas_follow_and_users_are_said_not_to(self):
        testing.need(testing.PEERS / "kafka.stamp", "./dev test fetches Apache Kafka")
        source = Kafka(self.tmp / "kafka", **{
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS"})
        self.addCleanup(source.__exit__)
        source.start()
        tokyo = self.guarded("tokyo", 2)
        admin = AdminClient({"bootstrap.servers": source.bootstrap})
        admin.create_topics([NewTopic("orders", 1)])["orders"].result(30)
        self.acl(source.bootstrap, "add", "--allow-principal", "User:alice", "--operation", "Write",
                 "--topic", "orders")
        self.acl(source.bootstrap, "add", "--allow-principal", "User:alice", "--operation",
                 "Describe", "--cluster")
        self.quota(source.bootstrap, "--alter", "--add-config", "consumer_byte_rate=70000")
        mirror = self.started(Mirror(self.tmp, "mirror", {"kafka-tokyo": {
            "mode": "preserve", "source": {"bootstrap.servers": source.bootstrap},
            "target": {"bootstrap.servers": tokyo.inside}, "topics": ".*", **FOLLOW}}))

        def access() -> dict:
            return mirror.status()["links"]["kafka-tokyo"].get("access", {})
        wait_for(lambda: (access().get("acls"), access().get("quotas")) == (1, 1),
                 "the ACL of the topic and the quota follow", 60)
        self.assertIn("consumer_byte_rate=70000", self.quota(self.inside(tokyo), "--describe"))
        self.assertEqual(len(access()["problems"]), 1)
        self.assertIn("users of kafka are not told: Kafka tells nobody", access()["problems"][0])
        self.quota(source.bootstrap, "--alter", "--delete-config", "consumer_byte_rate")
        wait_for(lambda: access().get("quotas") == 0, "what is removed goes, too", 60)


if __name__ == "__main__":
    world.main()
