"""How the clients of the secure grid say who they are, and what a stock client makes of each way:
pure but for the files of a token."""

import base64
import json
import time
from pathlib import Path

from program import librdkafka_of
from support.tls import Certificates

CERTIFICATE = "certificate"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
WAYS = (*MECHANISMS, CERTIFICATE)
PASSWORD = "tr0ub4dor&3"
ISSUER, AUDIENCE = "https://issuer.example", "isthmus"
USER = {"OAUTHBEARER": "carol", CERTIFICATE: "duke"}  # all others: alice
PLACES = ("direct", "router", "switchover")
# What a client cannot do by itself, whatever we answer.
CANNOT = {("kcat", "OAUTHBEARER"): "takes no token"}


def user_of(way: str) -> str:
    return USER.get(way, "alice")


def encoded(data: bytes | dict) -> str:
    octets = json.dumps(data).encode() if isinstance(data, dict) else data
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class Provider:
    """Who issues tokens: a key, the JWKS that tells of it, and what it has signed."""

    def __init__(self, folder: Path):
        from cryptography.hazmat.primitives.asymmetric import ec
        folder.mkdir(parents=True, exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        at = self.key.public_key().public_numbers()
        x, y = (encoded(each.to_bytes(32, "big")) for each in (at.x, at.y))
        self.jwks, self.token_file = folder / "jwks.json", folder / "token"
        self.jwks.write_text(json.dumps({"keys": [
            {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "one",
             "x": x, "y": y}]}))
        self.token_file.write_text(self.token(user_of("OAUTHBEARER")))

    def token(self, subject: str, lives_s: int = 3600) -> str:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        now = int(time.time())
        said = ".".join(map(encoded, (
            {"alg": "ES256", "typ": "JWT", "kid": "one"},
            {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now,
             "exp": now + lives_s})))
        signed = self.key.sign(said.encode(), ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(signed)
        return f"{said}.{encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def security(way: str, certificates: Certificates, provider: Provider) -> dict:
    """What a program of the grid is told; see program.py."""
    told = {"protocol": "SASL_SSL", "ca": str(certificates.ca)}
    if way == CERTIFICATE:
        pair = certificates[user_of(way)]
        both = certificates.folder / "both.pem"
        both.write_text(pair.key.read_text() + pair.certificate.read_text())
        return {**told, "protocol": "SSL", "certificate": str(pair.certificate),
                "key": str(pair.key), "both": str(both)}
    if way == "OAUTHBEARER":
        return {**told, "mechanism": way, "token": provider.token_file.read_text(),
                "token_file": str(provider.token_file)}
    return {**told, "mechanism": way, "user": user_of(way), "password": PASSWORD}


def librdkafka(told: dict) -> dict:
    """The same for librdkafka in a test."""
    options = librdkafka_of(told)
    if "token" in told:
        options["oauth_cb"] = lambda _: (told["token"], time.time() + 3600)
    return options


def java_properties(told: dict) -> str:
    """The same as a file of properties for Kafka's tools."""
    lines = {"security.protocol": told["protocol"], "ssl.truststore.type": "PEM",
             "ssl.truststore.location": told["ca"]}
    if "both" in told:
        lines |= {"ssl.keystore.type": "PEM", "ssl.keystore.location": told["both"]}
    of = "org.apache.kafka.common.security"
    if "token" in told:
        lines |= {"sasl.oauthbearer.token.endpoint.url": f"file://{told['token_file']}",
                  "sasl.login.callback.handler.class":
                      f"{of}.oauthbearer.OAuthBearerLoginCallbackHandler",
                  "sasl.jaas.config": f"{of}.oauthbearer.OAuthBearerLoginModule required;"}
    elif "user" in told:
        module = "plain.Plain" if told["mechanism"] == "PLAIN" else "scram.Scram"
        lines["sasl.jaas.config"] = (f"{of}.{module}LoginModule required "
                                     f"username=\"{told['user']}\" "
                                     f"password=\"{told['password']}\";")
    if "mechanism" in told:
        lines["sasl.mechanism"] = told["mechanism"]
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def cell(name: str, way: str, faults: dict[str, list[str]]) -> str:
    """One of the table; faults of each place, none where all is well."""
    if (name, way) in CANNOT:
        return CANNOT[name, way]
    if not faults:
        return "not tried"
    good = [place for place in PLACES if faults.get(place) == []]
    return ", ".join(good) if good else "no"


def block(versions: dict[str, str], found: dict[str, dict[str, dict]]) -> str:
    """The table; library -> way -> place -> faults."""
    rows = ["| Client | Version | " + " | ".join((*MECHANISMS, "certificate, mutual TLS")) + " |",
            "|---" * (2 + len(WAYS)) + "|"]
    for name, ways in found.items():
        cells = [name, versions.get(name, "?"), *(cell(name, w, ways.get(w, {})) for w in WAYS)]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)
