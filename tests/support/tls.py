"""Certificates for tests that speak TLS: good ones by `isthmus tls create`, bad ones by Debian's
python3-cryptography, signed by the same authority unless that is what is bad about them.

    class Secure(World):
        @classmethod
        def setUpClass(cls):
            cls.tls = Certificates.of_class(cls, "seoul", "tokyo", "client")

        def test_x(self):
            pair = self.tls["seoul"]               # pair.certificate, pair.key: paths
            context = self.tls.client("client")    # of Python's ssl, trusting self.tls.ca
            bad = self.tls.bad("expired")          # see BAD
"""

import datetime
import ssl
import tempfile
import unittest
from pathlib import Path
from typing import NamedTuple

from . import site


class Pair(NamedTuple):
    certificate: Path
    key: Path


DAY = datetime.timedelta(days=1)
# What is bad about each, as what Certificates._sign() takes. All but wrong_host hold for localhost.
BAD = {
    "expired": {"begin": -30 * DAY, "end": -DAY},
    "not_yet_valid": {"begin": 10 * DAY, "end": 30 * DAY},
    "wrong_host": {"hosts": ["elsewhere.example"]},
    "foreign_ca": {"foreign": True},
    "no_client_use": {"uses": ["server"]},
    "no_server_use": {"uses": ["client"]},
    "self_signed": {"self_signed": True},
    "wrong_key": {"other_key": True},  # the key beside the certificate is another's
}


def _cryptography():
    """python3-cryptography's parts; a skip where it is not there."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise unittest.SkipTest("python3-cryptography is missing: ./dev test installs it") from None
    return x509, hashes, serialization, ec


class Certificates:
    """One throw-away authority and what it signed, in a folder."""

    def __init__(self, folder: Path, *names: str, hosts: tuple[str, ...] = ()):
        self.folder = Path(folder)
        self.add(*names, hosts=hosts)

    @classmethod
    def of_class(cls, test_class, *names: str, hosts: tuple[str, ...] = ()) -> "Certificates":
        """Made once for all tests of a class, and gone with it."""
        folder = tempfile.TemporaryDirectory(prefix="isthmus-tls-")
        test_class.addClassCleanup(folder.cleanup)
        return cls(Path(folder.name) / "tls", *names, hosts=hosts)

    def add(self, *names: str, hosts: tuple[str, ...] = ()) -> None:
        wanted = [word for host in hosts for word in ("--host", host)]
        site.run("tls", "create", "--for", ",".join(names), "--out", self.folder, *wanted)

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    def __getitem__(self, name: str) -> Pair:
        pair = Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        assert pair.certificate.exists(), f"no certificate was made for {name}"
        return pair

    def bad(self, kind: str, name: str = "bad") -> Pair:
        """One of BAD, made when it is first asked for. CN=<name>."""
        pair = Pair(self.folder / f"{name}-{kind}.crt", self.folder / f"{name}-{kind}.key")
        if not pair.certificate.exists():
            self._sign(pair, name, **BAD[kind])
        return pair

    def server(self, pair: Pair | str, clients: int = ssl.CERT_REQUIRED) -> ssl.SSLContext:
        """A context of Python's own ssl that serves with the pair and asks clients for theirs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_verify_locations(self.ca)
        context.verify_mode = clients
        context.load_cert_chain(*self._pair(pair))
        return context

    def client(self, pair: Pair | str | None = None) -> ssl.SSLContext:
        """One that checks the server's name, and shows the pair if there is one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.ca)
        if pair is not None:
            context.load_cert_chain(*self._pair(pair))
        return context

    def _pair(self, pair: Pair | str) -> Pair:
        return self[pair] if isinstance(pair, str) else pair

    def _sign(self, pair: Pair, name: str, begin=-DAY, end=30 * DAY, hosts=("localhost",),
              uses=("server", "client"), foreign=False, self_signed=False,
              other_key=False) -> None:
        x509, hashes, serialization, ec = _cryptography()
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
        oids = {"server": ExtendedKeyUsageOID.SERVER_AUTH,
                "client": ExtendedKeyUsageOID.CLIENT_AUTH}
        new_key = lambda: ec.generate_private_key(ec.SECP256R1())
        key, subject = new_key(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        ca = x509.load_pem_x509_certificate(self.ca.read_bytes())
        issuer = subject if self_signed else ca.subject
        # A foreign authority has the name of ours, and another key.
        ca_key = serialization.load_pem_private_key((self.folder / "ca.key").read_bytes(), None)
        signer = key if self_signed else new_key() if foreign else ca_key
        now = datetime.datetime.utcnow()
        certificate = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now + begin).not_valid_after(now + end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([oids[use] for use in uses]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]),
                           critical=False)
            .sign(signer, hashes.SHA256()))
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        shown = new_key() if other_key else key
        pair.key.touch(mode=0o600)
        pair.key.write_bytes(shown.private_bytes(serialization.Encoding.PEM,
                                                 serialization.PrivateFormat.PKCS8,
                                                 serialization.NoEncryption()))
