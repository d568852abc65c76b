"""Clients that make a history (history.py): a script that runs on a host of network.py.

    with Workload(host, bootstrap, folder, "c1", topics={"orders": 6}, plain=1) as workload:
        ...
        workload.end()         # producers flush, then consumers stop
    history.read([workload.history])

All producers have acks=all. Idempotent ones send again what was not acknowledged; plain ones never
do, and so are told of every refusal. Assigned consumers read everything, and assign themselves
something else now and then; members of a group commit every second, and when they must give up
partitions.
"""

import json
import random
import signal
import sys
import threading
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.history import FAIL, INFO, OK, Assigned, Commit, Poll, Recorder, Send, now
from support.processes import Process, wait_for
from support.testing import PEERS

# What comes before anything is appended, so that it never will be. NOT_ENOUGH_REPLICAS is not of
# them: what a leader has appended and then answered NOT_LEADER_OR_FOLLOWER, as it was replaced,
# librdkafka sends again also where no retries are allowed, and tells of the last answer.
REFUSED = {"MSG_SIZE_TOO_LARGE", "INVALID_RECORD", "_QUEUE_FULL"}
# librdkafka's, for whom brokers come and go.
PATIENCE = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 500, "log_level": 0,
            "topic.metadata.refresh.interval.ms": 5000, "socket.timeout.ms": 4000,
            "socket.connection.setup.timeout.ms": 2000}
# librdkafka's own fault, and of no later release: behind a request that gets no answer it takes
# the next sequence for due, whether it had arrived or not. Its last error then says so.
MENDED = (2, 3, 0)
OWN_FAULT = ("sequence desynchronization", "MsgPossiblyPersisted")
EXCUSED = "excused: "
ASSIGN_S = (6, 14)
FLUSH_S = 90


class Workload:
    """The script, as its starter sees it."""

    def __init__(self, host, bootstrap: str, folder: Path, name: str, **settings):
        self.history = Path(folder) / f"{name}.history"
        self.notes = Path(folder) / f"{name}.notes"
        settings |= {"bootstrap": bootstrap, "name": name, "history": str(self.history),
                     "notes": str(self.notes)}
        newer = PEERS / "python" / "bin" / "python"  # its librdkafka is later than Debian's
        python = newer if newer.exists() else sys.executable
        command = host.command([python, Path(__file__), json.dumps(settings)])
        self.process = Process(name, command, Path(folder) / f"{name}.log")

    def start(self) -> "Workload":
        self.process.start()
        wait_for(lambda: self.history.exists() and self.history.stat().st_size > 0,
                 f"{self.process.name} works", 60)
        return self

    def end(self) -> None:
        """All that was sent has an outcome; Failed if that takes too long."""
        code = self.process.stop(FLUSH_S + 30)
        assert code == 0, self.process.tail()

    def noted(self) -> list[str]:
        """Errors that no operation tells of: why producers were given up (see Producer.run). What
        begins with EXCUSED is the library's own."""
        return self.notes.read_text().splitlines()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.process.kill()


class Producer:
    def __init__(self, work: "Work", name: str, ordered: bool, options: dict):
        self.work, self.role, self.ordered, self.lives = work, name, ordered, 0
        self.rng = random.Random(name)
        kind = {"enable.idempotence": True} if ordered else {"message.send.max.retries": 0}
        self.options = {"bootstrap.servers": work.bootstrap, "acks": "all", "linger.ms": 5,
                        "retry.backoff.ms": 50, "message.timeout.ms": 60_000, **PATIENCE, **kind,
                        **options}

    def run(self, over: threading.Event) -> None:
        """librdkafka gives up an idempotent producer for good when a leader calls a batch out of
        order. No cluster may bring that about; an old library does by itself (OWN_FAULT), and who
        has such a client makes a new one."""
        while not over.is_set():
            self.lives += 1
            self.name = f"{self.role}.{self.lives}"
            self.number = 0
            self.began: dict[int, tuple[float, str]] = {}
            self.client = self.work.kafka.Producer(self.options)
            self.live(over)

    def live(self, over: threading.Event) -> None:
        every = 0.02
        while not over.is_set():
            until = now() + every
            try:
                for _ in range(max(1, round(self.work.rate * every))):
                    self.produce()
                while (left := until - now()) > 0:
                    self.client.poll(left)
            except self.work.kafka.KafkaException as fatal:
                self.given_up(fatal)
                break
        try:
            self.client.flush(FLUSH_S)
            self.client.purge()
            self.client.flush(1)
        except self.work.kafka.KafkaException as fatal:
            self.given_up(fatal)
        for number in list(self.began):
            self.told_of(number, INFO)

    def given_up(self, fatal: Exception) -> None:
        version = self.work.kafka.libversion()[1]
        own = excuse(str(fatal), (version >> 24, version >> 16 & 255, version >> 8 & 255))
        self.work.note(f"{own}{self.name} at {now():.3f}: {fatal}")

    def produce(self) -> None:
        number, self.number = self.number, self.number + 1
        chosen = self.rng.choice(self.work.partitions)
        topic, partition = split(chosen)
        self.began[number] = (now(), chosen)
        value = b"%s:%d:%s" % (self.name.encode(), number, b"x" * self.rng.randrange(200))
        try:
            self.client.produce(topic, value, partition=partition, on_delivery=self.told)
        except BufferError:
            self.told_of(number, FAIL)

    def told(self, error, message) -> None:
        number = int(message.value().split(b":", 2)[1])
        if error is None:
            at = message.offset()
            self.told_of(number, OK, at if at is not None and at >= 0 else None)
        else:
            refused = error.name() in REFUSED and not self.ordered
            self.told_of(number, FAIL if refused else INFO)

    def told_of(self, number: int, outcome: str, offset: int | None = None) -> None:
        began, partition = self.began.pop(number)
        self.work.recorder.add(Send(self.name, began, now(), partition, number, outcome, offset,
                                    self.ordered))


class Reader:
    """What assigned consumers and members have in common."""

    def __init__(self, work: "Work", name: str, options: dict):
        self.work, self.name = work, name
        self.rng = random.Random(name)
        self.read_to: dict[str, int] = {}
        self.client = work.kafka.Consumer({
            "bootstrap.servers": work.bootstrap, "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "fetch.wait.max.ms": 100, "fetch.error.backoff.ms": 50,
            "check.crcs": True, **PATIENCE, **options})

    def add(self, began: float, messages: list) -> None:
        records = []
        for message in messages:
            if message.error() is None:
                partition = f"{message.topic()}-{message.partition()}"
                value = message.value().rsplit(b":", 1)[0].decode()
                records.append([partition, message.offset(), value])
                self.read_to[partition] = message.offset() + 1
        if records:
            self.work.recorder.add(Poll(self.name, began, now(), records))


class Assigning(Reader):
    def __init__(self, work: "Work", name: str):
        super().__init__(work, name, {"group.id": name})

    def run(self, over: threading.Event) -> None:
        everything = self.work.partitions
        self.assign(everything, from_zero=True)
        again = now() + self.rng.uniform(*ASSIGN_S)
        while not over.is_set():
            if now() > again:
                again = now() + self.rng.uniform(*ASSIGN_S)
                count = self.rng.randint(1, len(everything))
                self.assign(self.rng.sample(everything, count), self.rng.random() < 0.2)
            began = now()
            self.add(began, self.client.consume(500, 0.2))
        self.client.close()

    def assign(self, partitions: list[str], from_zero: bool) -> None:
        positions = {each: 0 if from_zero else max(0, self.read_to.get(each, 0) - 10)
                     for each in partitions}
        self.client.unassign()
        while self.client.consume(500, 0):  # what was on its way is of before
            pass
        self.work.recorder.add(Assigned(self.name, now(), positions))
        self.client.assign([self.work.place(each, at) for each, at in positions.items()])


class Member(Reader):
    def __init__(self, work: "Work", name: str, group: str):
        super().__init__(work, name, {"group.id": group, "session.timeout.ms": 6000})
        self.group = group
        self.assigned: set[str] = set()
        self.began, self.gathered = now(), []

    def run(self, over: threading.Event) -> None:
        self.client.subscribe(list(self.work.topics), on_assign=self.given, on_revoke=self.taken)
        committed = now()
        while not over.is_set():
            message = self.client.poll(0.1)
            if message is not None:
                self.gathered.append(message)
            if len(self.gathered) >= 200 or now() > self.began + 0.3:
                self.enter()
            if now() > committed + 1:
                self.enter()
                self.commit()
                committed = now()
        self.enter()
        self.client.close()

    def enter(self) -> None:
        self.add(self.began, self.gathered)
        self.began, self.gathered = now(), []

    def given(self, _, partitions) -> None:
        self.enter()
        self.assigned = {f"{each.topic}-{each.partition}" for each in partitions}
        self.read_to = {}
        self.work.recorder.add(
            Assigned(self.name, now(), dict.fromkeys(sorted(self.assigned)), self.group))

    def taken(self, _, partitions) -> None:
        self.enter()
        self.commit()
        self.assigned, self.read_to = set(), {}
        self.work.recorder.add(Assigned(self.name, now(), {}, self.group))

    def commit(self) -> None:
        offsets = {each: at for each, at in self.read_to.items() if each in self.assigned}
        if not offsets:
            return
        began = now()
        try:
            told = self.client.commit(offsets=[self.work.place(*each) for each in offsets.items()],
                                      asynchronous=False)
            done = {f"{each.topic}-{each.partition}" for each in told if each.error is None}
        except self.work.kafka.KafkaException:
            done = set()
        for outcome, chosen in ((OK, done), (INFO, offsets.keys() - done)):
            if chosen:
                self.work.recorder.add(Commit(self.name, began, now(), self.group,
                                              {each: offsets[each] for each in chosen}, outcome))


class Work:
    """The script's inside."""

    def __init__(self, settings: dict):
        import confluent_kafka  # not needed by who only starts it
        self.kafka = confluent_kafka
        self.bootstrap: str = settings["bootstrap"]
        self.name: str = settings["name"]
        self.topics: dict[str, int] = settings["topics"]
        # Those that producers and assigned consumers use.
        self.partitions: list[str] = settings.get("partitions") or [
            f"{topic}-{i}" for topic, count in self.topics.items() for i in range(count)]
        self.rate: float = settings.get("rate", 300)  # of each producer, records a second
        self.recorder = Recorder(Path(settings["history"]))
        self.notes = open(settings["notes"], "w")
        options = settings.get("producer_options", {})
        idempotent, plain = settings.get("idempotent", 2), settings.get("plain", 1)
        self.producers = [Producer(self, f"{self.name}-p{i}", i < idempotent, options)
                          for i in range(idempotent + plain)]
        self.readers = [Assigning(self, f"{self.name}-a{i}")
                        for i in range(settings.get("assigned", 1))]
        self.readers += [Member(self, f"{self.name}-{group}", group)
                         for group in settings.get("groups", ())]

    def place(self, partition: str, offset: int):
        return self.kafka.TopicPartition(*split(partition), offset)

    def note(self, what: str) -> None:
        self.notes.write(what + "\n")
        self.notes.flush()

    def run(self) -> None:
        sending, reading = threading.Event(), threading.Event()
        senders = [threading.Thread(target=self.guarded, args=(p, sending))
                   for p in self.producers]
        readers = [threading.Thread(target=self.guarded, args=(r, reading)) for r in self.readers]
        for thread in senders + readers:
            thread.start()
        signal.sigwait({signal.SIGTERM})
        sending.set()
        for thread in senders:
            thread.join()
        time.sleep(3)  # readers get to the end
        reading.set()
        for thread in readers:
            thread.join()
        self.recorder.close()
        self.notes.close()

    def guarded(self, client, over: threading.Event) -> None:
        try:
            client.run(over)
        except Exception as error:  # a client that is gone must not look like one that is silent
            self.note(f"{client.name}: {type(error).__name__}: {error}")


def excuse(fatal: str, version: tuple[int, ...]) -> str:
    own = version < MENDED and all(part in fatal for part in OWN_FAULT)
    return EXCUSED if own else ""


def split(partition: str) -> tuple[str, int]:
    topic, index = partition.rsplit("-", 1)
    return topic, int(index)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    Work(json.loads(sys.argv[1])).run()
