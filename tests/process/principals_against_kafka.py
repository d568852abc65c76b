"""The table of principals that principal_mapping_test.cc holds ours to, held to Kafka's own mapper;
and that this would be noticed: one line of it planted wrong."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import kafka, testing

HERE = Path(__file__).resolve().parent
TABLE = HERE / "principals.txt"


class PrincipalsTest(unittest.TestCase):
    def judge(self, table: Path) -> subprocess.CompletedProcess:
        # Java runs a single source as it is.
        command = kafka.java(str(HERE / "Principals.java"), table)
        return subprocess.run(command, capture_output=True, text=True, timeout=50)

    def test_kafka_agrees(self):
        done = self.judge(TABLE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_wrong_line_is_noticed(self):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as planted:
            planted.write(TABLE.read_text().replace("OU=Admin,O=Unknown", "OU=admin1,O=Unknown"))
            planted.flush()
            done = self.judge(Path(planted.name))
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn(" 1 wrong", done.stdout)


if __name__ == "__main__":
    testing.main()
