"""What is done to a cluster while clients work: kills, naps and cut lines, by a plan from a seed.

    plan = make_plan(seed, seconds=90)            # printed by Nemesis as it goes
    nemesis = Nemesis(cluster)
    nemesis.run(plan)                             # blocks until the last fault has ended
    nemesis.settle(60)                            # and until all is whole
    nemesis.unexpected                            # brokers that ended otherwise than they may

A supervisor belongs to it, as to any real installation: a broker that ends because its session with
ZooKeeper is lost is started again.
"""

import heapq
import random
import time
from typing import Callable, NamedTuple

from .cluster import Cluster
from .network import Host
from .processes import Failed
from .site import Broker

SESSION_S = 2.0
SHORT, LONG = (0.3, 1.2), (SESSION_S * 1.6, SESSION_S * 2.5)
EITHER = (0.5, 5.0)
# What it is, and how long it lasts.
KINDS: dict[str, tuple[float, float]] = {
    "kill a broker": (0.2, 4.0),
    "kill the controller": (0.2, 4.0),
    "kill two brokers": (0.2, 2.0),
    "kill all brokers": (0.1, 0.5),
    "kill zookeeper": (0.2, 4.0),
    "a broker sleeps short": SHORT,
    "a broker sleeps long": LONG,
    "the controller sleeps long": LONG,
    "zookeeper sleeps short": SHORT,
    "zookeeper sleeps long": LONG,
    "cut two brokers": EITHER,
    "cut one broker to another": EITHER,
    "cut a broker and zookeeper": EITHER,
    "cut a broker to zookeeper": EITHER,
    "cut zookeeper to a broker": EITHER,
    "cut a broker off all others": EITHER,
    "cut a broker off everything": EITHER,
    "cut a client and a broker": EITHER,
    "cut a broker to a client": EITHER,
}


class Fault(NamedTuple):
    at: float
    kind: str
    first: int   # of whom, where it says "a broker" and "another": indices, taken modulo
    second: int
    lasts: float


def make_plan(seed: int, seconds: float, every: tuple[float, float] = (1.5, 3.5)) -> list[Fault]:
    """Each kind in turn, in an order drawn anew for each round; they overlap."""
    rng = random.Random(seed)
    plan: list[Fault] = []
    at = rng.uniform(*every)
    while at < seconds:
        for kind in rng.sample(list(KINDS), len(KINDS)):
            if at >= seconds:
                break
            plan.append(Fault(at, kind, rng.randrange(3), rng.randrange(1, 3),
                              rng.uniform(*KINDS[kind])))
            at += rng.uniform(*every)
    return plan


class Nemesis:
    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.brokers, self.zookeeper = cluster.brokers, cluster.zookeeper
        self.down: set = set()     # brokers, or the zookeeper, that a fault keeps from running
        self.lines: dict[tuple[Host, Host], int] = {}  # how many faults cut it
        self.unexpected: list[str] = []
        self.sessions_lost = 0
        self.done = 0

    def run(self, plan: list[Fault]) -> None:
        """Faults and their ends in the order of time. A fault whose victim is down already passes
        to the next one that is not; where there is none, nothing happens."""
        began = time.monotonic()
        events: list[tuple[float, int, Callable]] = []
        for number, fault in enumerate(plan):
            heapq.heappush(events, (fault.at, number, fault))
        number = len(plan)
        while events:
            at, _, what = heapq.heappop(events)
            while (left := began + at - time.monotonic()) > 0:
                self._supervise()
                time.sleep(min(left, 0.1))
            if not isinstance(what, Fault):
                what()
                continue
            undo, whom = self._do(what)
            now = time.monotonic() - began
            print(f"    {now:6.2f} s  {what.kind}: {whom or 'nobody is left'}, {what.lasts:.2f} s",
                  flush=True)
            if undo:
                self.done += 1
                number += 1
                heapq.heappush(events, (now + what.lasts, number, undo))
        self._supervise()

    def settle(self, deadline_s: float) -> None:
        """Goes on supervising until all is whole again; Failed after the deadline."""
        end = time.monotonic() + deadline_s
        while not self.cluster.is_whole():
            if time.monotonic() > end:
                raise Failed(f"not whole again within {deadline_s:g} s")
            self._supervise()
            time.sleep(0.2)

    def _supervise(self) -> None:
        for broker in self.brokers:
            if broker in self.down or broker.alive:
                continue
            code, tail = broker.process.child.returncode, broker.process.tail(40)
            self.sessions_lost += 1
            if code != 1 or "session with ZooKeeper is lost" not in tail:
                self.unexpected.append(f"{broker.name} ended with {code}:\n{tail}")
            broker.launch()

    def _do(self, fault: Fault) -> tuple[Callable | None, str]:
        """Does it; how to undo it, and whom it met."""
        act, what = fault.kind.split(" ", 1)[0], fault.kind
        if act == "cut":
            return self._cut(self._lines_of(fault))
        victims = self._victims(fault)
        if not victims:
            return None, ""
        self.down.update(victims)
        for victim in victims:
            if "sleeps" in what:
                victim.process.pause()
            else:
                victim.process.kill()
        names = ", ".join(victim.process.name for victim in victims)
        return lambda: self._bring_back(victims, "sleeps" in what), names

    def _bring_back(self, victims: list, sleep: bool) -> None:
        for victim in victims:
            self.down.discard(victim)
            if sleep:
                victim.process.resume()
            elif isinstance(victim, Broker):
                victim.launch()
            else:
                victim.process.start()

    def _victims(self, fault: Fault) -> list:
        if "zookeeper" in fault.kind:
            return [] if self.zookeeper in self.down else [self.zookeeper]
        turned = self.brokers[fault.first:] + self.brokers[:fault.first]
        there = [each for each in turned if each not in self.down and each.alive]
        if "controller" in fault.kind:
            there.sort(key=lambda each: not self._is_controller(each))
        count = {"kill two brokers": 2, "kill all brokers": 3}.get(fault.kind, 1)
        return there[:count]

    def _is_controller(self, broker: Broker) -> bool:
        try:
            return broker.metric("kafka_controller_kafkacontroller_activecontrollercount") == 1
        except OSError:
            return False

    def _lines_of(self, fault: Fault) -> list[tuple[Host, Host]]:
        hosts = [broker.host for broker in self.brokers]
        one = hosts[fault.first]
        other = hosts[(fault.first + fault.second) % len(hosts)]
        clients = self.cluster.clients
        keeper, client = self.cluster.zookeeper_host, clients[fault.second % len(clients)]
        others = [host for host in hosts if host is not one]
        match fault.kind:
            case "cut two brokers":
                return [(one, other), (other, one)]
            case "cut one broker to another":
                return [(one, other)]
            case "cut a broker and zookeeper":
                return [(one, keeper), (keeper, one)]
            case "cut a broker to zookeeper":
                return [(one, keeper)]
            case "cut zookeeper to a broker":
                return [(keeper, one)]
            case "cut a broker off all others":
                return [line for each in others for line in ((one, each), (each, one))]
            case "cut a broker off everything":
                everyone = [*others, keeper, *clients]
                return [line for each in everyone for line in ((one, each), (each, one))]
            case "cut a client and a broker":
                return [(one, client), (client, one)]
            case "cut a broker to a client":
                return [(one, client)]
        raise Failed(f"no fault is called {fault.kind}")

    def _cut(self, lines: list[tuple[Host, Host]]) -> tuple[Callable, str]:
        for line in lines:
            self.lines[line] = self.lines.get(line, 0) + 1
            if self.lines[line] == 1:
                self.cluster.network.cut(*line)
        return lambda: self._mend(lines), ", ".join(f"{a.name}>{b.name}" for a, b in lines)

    def _mend(self, lines: list[tuple[Host, Host]]) -> None:
        for line in lines:
            self.lines[line] -= 1
            if self.lines[line] == 0:
                self.cluster.network.mend(*line)
