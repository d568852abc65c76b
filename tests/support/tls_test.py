"""Good certificates make a mutual handshake; each bad one is refused by OpenSSL, for its reason."""

import ssl
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import testing
from support.tls import BAD, Certificates


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext,
                host: str = "localhost") -> ssl.SSLObject:
    """Both sides in memory; returns the server's, which has seen the client's certificate."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [client.wrap_bio(to_client, to_server, server_hostname=host),
             server.wrap_bio(to_server, to_client, server_side=True)]
    waiting = list(sides)
    for _ in range(20):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
        if not waiting:
            return sides[1]
    raise AssertionError("no handshake after 20 rounds")


class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tls = Certificates.of_class(cls, "seoul", "client", hosts=("k1.seoul", "10.0.0.1"))

    def refused(self, reason: str, server, client) -> None:
        with self.assertRaises(ssl.SSLError) as refusal:
            shake_hands(server, client)
        self.assertIn(reason, str(refusal.exception))

    def test_good_ones_show_who_they_are(self):
        for host in ("localhost", "127.0.0.1", "::1", "seoul", "k1.seoul", "10.0.0.1"):
            server = shake_hands(self.tls.server("seoul"), self.tls.client("client"), host)
            self.assertEqual(server.getpeercert()["subject"], ((("commonName", "client"),),))

    def test_another_host_is_refused(self):
        with self.assertRaisesRegex(ssl.SSLError, "Hostname mismatch"):
            shake_hands(self.tls.server("seoul"), self.tls.client("client"), "tokyo")

    def test_a_client_without_a_certificate_is_refused(self):
        self.refused("PEER_DID_NOT_RETURN_A_CERTIFICATE", self.tls.server("seoul"),
                     self.tls.client())

    def test_more_are_added_to_the_same_authority(self):
        self.tls.add("late")
        shake_hands(self.tls.server("late"), self.tls.client("client"))

    # What OpenSSL says of each as a server's and as a client's; None: it is good for that.
    REASONS = {
        "expired": ("certificate has expired", "certificate has expired"),
        "not_yet_valid": ("certificate is not yet valid", "certificate is not yet valid"),
        "wrong_host": ("Hostname mismatch", None),
        "foreign_ca": ("certificate signature failure", "certificate signature failure"),
        "no_client_use": (None, "unsuitable certificate purpose"),
        "no_server_use": ("unsuitable certificate purpose", None),
        "self_signed": ("self-signed certificate", "self-signed certificate"),
    }

    def test_each_bad_one_is_bad_for_its_own_reason_only(self):
        self.assertEqual(set(self.REASONS) | {"wrong_key"}, set(BAD))
        for kind, (of_server, of_client) in self.REASONS.items():
            bad = self.tls.bad(kind)
            for reason, server, client in (
                    (of_server, self.tls.server(bad), self.tls.client("client")),
                    (of_client, self.tls.server("seoul"), self.tls.client(bad))):
                with self.subTest(kind, reason=reason):
                    if reason is None:
                        shake_hands(server, client)
                    else:
                        self.refused(reason, server, client)

    def test_a_key_that_is_anothers_does_not_load(self):
        with self.assertRaisesRegex(ssl.SSLError, "KEY_VALUES_MISMATCH"):
            self.tls.server(self.tls.bad("wrong_key"))

    def test_keys_are_their_owners_alone(self):
        keys = [self.tls["seoul"].key, self.tls.bad("expired").key, self.tls.folder / "ca.key"]
        self.assertEqual([key.stat().st_mode & 0o777 for key in keys], [0o600] * 3)


if __name__ == "__main__":
    testing.main()
