"""Mirror and router log in at a cluster by tokens that they ask a token endpoint for, and stay
logged in while tokens come and go."""

import ssl

import world
from support import ledger
from support.processes import Failed, wait_for
from support.site import Mirror, Role, Router, Site, cluster, link
from support.tls import Certificates
from support.token_endpoint import AUDIENCE, ISSUER, TokenEndpoint, refuse
from world import World

SECRET = "planted-s3cret-of-the-mirror"
TOKEN_LIFE_S = 15  # a new one is asked for in its last fifth


class TokensOfAnEndpoint(World):
    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates.of_class(cls, "provider")

    def setUp(self):
        super().setUp()
        self.provider = self.enterContext(
            TokenEndpoint(self.tmp, self.certificates.server("provider", ssl.CERT_NONE)))
        self.provider.clients = {"mirror": SECRET, "router": SECRET}
        self.provider.life_s = TOKEN_LIFE_S
        (self.tmp / "secret").write_text(SECRET + "\n")
        self.seoul, self.tokyo = (self.started(self.taking_tokens(Site(self.tmp, name, number)))
                                  for number, name in enumerate(("seoul", "tokyo"), 1))

    def taking_tokens(self, site: Site) -> Site:
        """Inside, by tokens alone."""
        site.config["broker"] |= {
            "sasl.oauthbearer.jwks.endpoint.url": f"file://{self.provider.jwks}",
            "sasl.oauthbearer.expected.issuer": ISSUER,
            "sasl.oauthbearer.expected.audience": AUDIENCE,
            "sasl.oauthbearer.clock.skew.seconds": 0}
        for listener in site.config["listeners"]:
            if "for" in listener:
                listener |= {"security.protocol": "SASL_PLAINTEXT",
                             "sasl.enabled.mechanisms": "OAUTHBEARER"}
        return site

    def by_token(self, name: str) -> dict:
        """Of an end."""
        return {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER",
                "sasl.oauthbearer.token.endpoint.url": self.provider.url,
                "sasl.oauthbearer.client.credentials.client.id": name,
                "sasl.oauthbearer.client.credentials.client.secret":
                    {"file": str(self.tmp / "secret")},
                "sasl.oauthbearer.scope": "kafka"}

    def trusting(self, role: Role) -> Role:
        role.env["SSL_CERT_FILE"] = str(self.certificates.ca)
        return role

    def unstarted_mirror(self) -> Mirror:
        between = link(self.seoul, self.tokyo)
        for end in ("source", "target"):
            between[end] |= self.by_token("mirror")
        return Mirror(self.tmp, "mirror", {"seoul-tokyo": between})

    def mirror(self) -> Mirror:
        return self.started(self.trusting(self.unstarted_mirror()))

    def wait_issued(self, more: int) -> None:
        until = len(self.provider.issued) + more
        wait_for(lambda: len(self.provider.issued) >= until, f"{more} more tokens", 120)

    def log_of(self, role: Role) -> str:
        return (role.directory / f"{role.role}.log").read_text()

    def copied(self) -> int:
        try:
            return len(list(ledger.read(self.tokyo.bootstrap, "orders")))
        except Failed:  # the topic has not come yet
            return 0

    def test_a_mirror_goes_on_from_token_to_token(self):
        mirror = self.mirror()
        self.fill(self.seoul.bootstrap, "orders", 100, "before")
        self.wait_issued(4)  # two ends, each of which has had another one by then
        self.fill(self.seoul.bootstrap, "orders", 100, "after")
        wait_for(lambda: self.copied() == 200, "all is copied", 60)
        self.assertEqual(self.provider.scopes, {"kafka"})
        self.assertNotIn("log-in", self.log_of(mirror))
        self.assertNotIn(SECRET, self.log_of(mirror))

    def test_an_endpoint_that_refuses_or_hangs_is_told_of_and_asked_again(self):
        mirror = self.mirror()
        for answer, why in ((refuse, "refuses: invalid_client, the client is blocked"),
                            (self.provider.hang, f"{self.provider.url}: does not answer in time")):
            self.wait_issued(2)
            self.provider.answer = answer
            told = self.log_of(mirror).count(why)
            wait_for(lambda why=why, told=told: self.log_of(mirror).count(why) > told, why, 120)
            self.provider.answer = self.provider.issue
        self.fill(self.seoul.bootstrap, "orders", 100)
        wait_for(lambda: self.copied() == 100, "all is copied", 60)
        self.assertIn("the token of before is still good", self.log_of(mirror))
        self.assertNotIn(SECRET, self.log_of(mirror))

    def test_an_endpoint_that_no_authority_vouches_for_is_sent_nothing(self):
        mirror = self.unstarted_mirror()
        self.addCleanup(mirror.__exit__)
        mirror.launch()
        why = f"{self.provider.url}: its certificate is not for this host, or of no authority"
        wait_for(lambda: why in self.log_of(mirror), why, 60)
        self.assertEqual(self.provider.asked, 0)

    def test_a_router_logs_in_at_its_clusters(self):
        between = {each.name: cluster(each) | self.by_token("router")
                   | {"bootstrap.servers": f"127.0.0.1:{each.reached['ROUTER_INSIDE']}"}
                   for each in (self.seoul, self.tokyo)}
        router = self.started(self.trusting(Router(self.tmp, "corp", between)))
        self.fill(router.bootstrap, "orders", 100, "before")
        self.wait_issued(4)
        self.fill(router.bootstrap, "orders", 100, "after")
        self.assertEqual(len(list(ledger.read(self.seoul.bootstrap, "orders"))), 200)
        self.assertEqual(set(self.provider.issued), {"router"})


if __name__ == "__main__":
    world.main()
