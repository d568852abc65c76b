"""Stock kcat as a reader that is watched record by record."""

import subprocess
import threading
import time


class Tail:
    """A reader without a group, from the end on: how long each record took from its producer
    (CreateTime, the same machine's clock) to here."""

    def __init__(self, bootstrap: str, topic: str, *options: str):
        self.lags_s: list[float] = []
        command = ["kcat", "-C", "-b", bootstrap, "-t", topic, "-o", "end", "-q", "-u", "-f",
                   "%T\n", "-X", "fetch.wait.max.ms=100", *options]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.child.stdout:
            self.lags_s.append(time.time() - int(line) / 1000)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
