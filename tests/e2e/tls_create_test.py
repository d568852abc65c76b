"""isthmus tls create, as the openssl command sees what it made; and what it refuses."""

import json
import shutil
import subprocess
import unittest

import world
from support import site


def openssl(*args, check: bool = True) -> str:
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True, timeout=30)
    said = done.stdout + done.stderr
    if check and done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(map(str, args))}: {said}")
    return said


class TlsCreate(world.World):
    def setUp(self):
        super().setUp()
        if not shutil.which("openssl"):
            raise unittest.SkipTest("openssl is missing: ./dev test installs it")
        self.out = self.tmp / "tls"

    def create(self, names: str, *args, check: bool = True) -> subprocess.CompletedProcess:
        return site.run("tls", "create", "--for", names, "--out", self.out, *args, check=check)

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.out.iterdir()}

    def refused(self, names: str, *args) -> str:
        done = self.create(names, *args, check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_openssl_takes_what_was_made(self):
        self.create("seoul,tokyo", "--host", "k1.seoul,10.1.2.3", "--host", "fd00::1")
        ca = self.out / "ca.crt"
        self.assertIn("CA:TRUE, pathlen:0", openssl("x509", "-in", ca, "-noout", "-text"))
        for name in ("seoul", "tokyo"):
            certificate, key = self.out / f"{name}.crt", self.out / f"{name}.key"
            for purpose in ("sslserver", "sslclient"):
                for host in (name, "localhost", "k1.seoul"):
                    self.assertIn("OK", openssl("verify", "-x509_strict", "-purpose", purpose,
                                                "-verify_hostname", host, "-CAfile", ca,
                                                certificate))
                for address in ("127.0.0.1", "::1", "10.1.2.3", "fd00::1"):
                    self.assertIn("OK", openssl("verify", "-verify_ip", address, "-CAfile", ca,
                                                certificate))
            said = openssl("x509", "-in", certificate, "-noout", "-subject", "-nameopt", "RFC2253")
            self.assertEqual(said.strip(), f"subject=CN={name}")
            self.assertEqual(openssl("x509", "-in", certificate, "-noout", "-pubkey"),
                             openssl("pkey", "-in", key, "-pubout"))
            self.assertIn("prime256v1", openssl("pkey", "-in", key, "-noout", "-text"))
            self.assertIn("-----BEGIN PRIVATE KEY-----", key.read_text())
        self.assertIn("hostname mismatch", openssl("verify", "-verify_hostname", "k2.seoul",
                                                   "-CAfile", ca, self.out / "seoul.crt",
                                                   check=False))

    def test_what_it_signs_signs_nothing(self):
        self.create("seoul")
        text = openssl("x509", "-in", self.out / "seoul.crt", "-noout", "-text")
        self.assertIn("CA:FALSE", text)
        self.assertNotIn("Certificate Sign", text)

    def test_keys_are_their_owners_and_the_warning_is_said(self):
        done = self.create("seoul")
        self.assertIn("For trying things out only", done.stdout)
        modes = {path.name: path.stat().st_mode & 0o777 for path in self.out.iterdir()}
        self.assertEqual((modes["ca.key"], modes["seoul.key"]), (0o600, 0o600))
        self.assertEqual(self.out.stat().st_mode & 0o777, 0o700)
        self.assertEqual(set(modes), {"ca.crt", "ca.key", "seoul.crt", "seoul.key"})

    def test_json_names_the_files_and_their_end(self):
        told = json.loads(self.create("seoul", "--days", "3", "-o", "json").stdout)
        self.assertTrue(told["ca"]["new"])
        self.assertEqual(told["certificates"][0]["key"], str(self.out / "seoul.key"))
        self.assertIn("trying things out only", told["warning"])
        for file in (told["ca"], told["certificates"][0]):
            end = openssl("x509", "-in", file["certificate"], "-noout", "-enddate", "-dateopt",
                          "iso_8601").strip().removeprefix("notAfter=").replace(" ", "T")
            self.assertEqual(file["valid_until"], end)
            soon = openssl("x509", "-in", file["certificate"], "-noout", "-checkend",
                           str(3 * 86400 - 600))
            self.assertIn("will not expire", soon)

    def test_a_second_run_adds_and_overwrites_nothing(self):
        self.create("seoul")
        before = self.files()
        told = json.loads(self.create("tokyo", "-o", "json").stdout)
        self.assertFalse(told["ca"]["new"])
        self.assertEqual({name: self.files()[name] for name in before}, before)
        self.assertIn("OK", openssl("verify", "-CAfile", self.out / "ca.crt",
                                    self.out / "tokyo.crt"))
        whole = self.files()
        self.assertIn("tokyo.crt is there already", self.refused("router,tokyo"))
        self.assertEqual(self.files(), whole)

    def test_what_is_wrong_is_one_line_and_leaves_nothing(self):
        for names in ("../seoul", "", "seoul,", "a b", "seoul,seoul", "ca", "-x.y/z"):
            self.refused(f"{names}")
        self.assertIn("neither a host's name nor an address",
                      self.refused("seoul", "--host", "a:b"))
        done = self.create("seoul", "--days", "0", check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("--days", done.stderr.splitlines()[0])
        self.assertFalse(self.out.exists())
        self.out.write_text("a file")
        self.assertIn("cannot make the folder", self.refused("seoul"))

    def test_another_authority_is_not_used(self):
        self.out.mkdir()
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", "/CN=Our real CA", "-keyout", self.out / "ca.key", "-out",
                self.out / "ca.crt")
        before = self.files()
        self.assertIn("this is not a throw-away CA", self.refused("seoul"))
        self.assertEqual(self.files(), before)


if __name__ == "__main__":
    world.main()
