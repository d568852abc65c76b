"""docs/kubernetes: Kubernetes' own schemas take the manifests, the roles their configurations, and
what names something else in them names what is there."""

import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import site, testing

FOLDER = testing.ROOT / "docs" / "kubernetes"


def manifests() -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(FOLDER.glob("*.yaml"))}


def configuration(text: str) -> str:
    """What a ConfigMap holds of a role."""
    found = re.search(r"^  \w+\.yaml: \|\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    return "".join(line[4:] + "\n" for line in found[1].splitlines())


class Manifests(unittest.TestCase):
    def test_the_schemas_take_them(self):
        tool = testing.need(testing.PEERS / "python" / "bin" / "kubernetes-validate",
                            "./dev test installs it")
        done = subprocess.run([tool, "--strict", *FOLDER.glob("*.yaml")], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_roles_take_their_configurations(self):
        self.assertEqual(list(manifests()),
                         ["mirror.yaml", "router.yaml", "seoul.yaml", "tokyo.yaml"])
        for name, text in manifests().items():
            config = configuration(text).replace("@NODE@", "101").replace("@HOST@", "seoul-0.seoul")
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(config)
                file.flush()
                site.run("config", "check", file.name)

    def test_ports_and_names_are_those_of_the_brokers(self):
        texts = manifests()
        for name in ("seoul", "tokyo"):
            listens = set(re.findall(r'bind: "0\.0\.0\.0:(\d+)"', texts[f"{name}.yaml"]))
            for other in ("mirror.yaml", "router.yaml"):
                named = re.findall(rf"\b({name}-\d)\.{name}:(\d+)", texts[other])
                self.assertEqual({pod for pod, _ in named}, {f"{name}-{i}" for i in range(3)})
                self.assertLessEqual({port for _, port in named}, listens)
        first, last = map(int, re.search(r"ports: (\d+)-(\d+)", texts["router.yaml"]).groups())
        served = list(map(int, re.findall(r"port: (\d+)\}", texts["router.yaml"])))
        self.assertEqual(served, list(range(first, last + 1)), "a port that no Service leads to")

    def test_they_are_looked_at_as_they_can_be(self):
        """Probes by what the image has."""
        for name, text in manifests().items():
            admin = re.search(r'admin: \{bind: "127\.0\.0\.1:(\d+)"', text)[1]
            self.assertEqual(set(re.findall(r"/dev/tcp/127\.0\.0\.1/(\d+)", text)), {admin}, name)
            self.assertIn("PodDisruptionBudget", text, name)
            self.assertIn("livenessProbe", text, name)

    def test_a_stop_waits_for_no_longer_than_kubernetes_does(self):
        drain = (testing.ROOT / "package" / "isthmus-broker@.service").read_text()
        drain = int(re.search(r"TimeoutStopSec=(\d+)s", drain)[1])
        for name in ("seoul.yaml", "tokyo.yaml"):
            text = manifests()[name]
            grace = int(re.search(r"terminationGracePeriodSeconds: (\d+)", text)[1])
            # One describe may take longer than the pause between two: all of them have a limit.
            waits = int(re.search(r"- timeout (\d+) bash -c 'until isthmus cluster", text)[1])
            self.assertLessEqual(waits + drain, grace, name)


if __name__ == "__main__":
    testing.main()
