#!/usr/bin/env python3
"""A planned switchover between clusters of several brokers: what docs/model/switchover.py leaves out.

There a site is one broker. Here the partition at the source S has leaders that replace one another at any time,
and so have the groups (whose coordinator leads a partition, too); the target T's leaders replace one another as well;
each site has controllers that may decide on what is not so any more. What replication.py shows of a cluster is taken
for granted: what S has acknowledged is in the log of every leader to come; what is above may be lost with a leader.

    switchover_cluster.py            explores: no state breaks an invariant, and all outcomes are reachable
    switchover_cluster.py --larger   the same with two switchovers, one after or over the other
    switchover_cluster.py --mutants  drops each guard, alone, or with the one that backs it up: an invariant
                                     must break, else the guard (or this model) is idle

S: open | closed(id, to T) | done(id), in its metadata.   A leader of S: open | fenced(id) | held(id) | closed, in memory.
T: mirror | promoted, and which ids it has abandoned, in its metadata.

What an implementation must do, beside what switchover.py says (who asks, whom; ids; the other end's name):

Fence
 1. It is in the memory of each leader, and of each coordinator of groups, and dies with it; the next one is open.
 2. Each answers with its *fence*: (leader epoch, a number that it draws for each fence that finds it open), and the
    end of its log, not of its high watermark: what was appended may be acknowledged later, by this leader or the next
    [end_is_the_log_end]. (It may as well wait until both are equal before it answers, which saves a failed attempt.)
    The same id again, while it is in force, is the same fence; after a hole it is another [fence_has_no_hole].
 3. A partition is drained when T's high watermark, not its leader's log end, is at that end [drained_is_safe].
 4. The last round of groups says which fence each coordinator had when it was read; T keeps that with the groups.

Hand-over
 5. Names the fences and the ends. S's controller reads the records of all partitions, and their versions; then asks
    every leader and coordinator to hold: each checks that the named fence is in force without a hole since
    [names_the_fence], drops its deadline [held_before_looked], then compares the end with that of its log
    [end_is_compared].
 6. Then it commits closed(id) for all of them at once, with the fences and the ends in it (the high watermark of a
    leader to come may lag behind its end), conditional on the leader epoch of each answer and on the versions that
    were read before anybody was asked [hand_over_is_of_leader]. An election anywhere in between, also of the same
    broker by its restart, is a conflict: the hand-over fails, and the fences are lifted. So no leader that has been
    replaced can hand anything over, whatever it says.
 7. A leader that holds does not know what became of it until it reads a record. It does not open by a clock, as a
    fence does: it asks for a new epoch of its own, and opens when it reads that, or closes when it reads closed(id);
    each of the two commits excludes the other [opens_in_new_epoch]. A take-back is a record that opens, too. It may
    open in the same epoch on the word of who asked it to hold, and whose record was refused: then nobody else may have
    been told that it holds, nor be told while that word is on its way [one_attempt_holds].
 8. A new leader has read everything up to its own election before it takes writes: if closed(id) is there, it is
    closed from the first moment [leader_reads_in_order]. Elections after the hand-over need no other care.

Promotion
 9. T decides to promote only where its leader's log end and its high watermark are the end that was handed over
    [promotes_what_is_safe]. Then a leader that is elected at T meanwhile has all of it: no leader epoch of T is
    named.
10. And only if the round of groups that it has is of the fence that is in the hand-over; else it takes one again,
    from coordinators of S that have read closed(id) [round_is_of_the_fence]. For a second driver, led to a
    coordinator that was replaced, may have overwritten the round of the first; and a hand-over may come late, between
    two fences' rounds.
11. The commit of the promotion is conditional on all that it was decided from: the id is not abandoned, the round is
    still that one (from its decision on T takes none) [promotion_is_conditional]; that of an abandonment, on no
    promotion [abandon_is_conditional].
12. Leaders and controllers of T may be replaced at any point: the next reads closed(id) at S, and goes on at 9.

One partition with one coordinator stands here for all: each is fenced by its own leader, and one commit closes them.
"""
import sys
from collections import deque
from typing import NamedTuple

MAX_RECORDS, IDS = 2, (1,)
GUARDS = {
    'end_is_the_log_end':   'the end of a fence, and of a hand-over, is the end of the leader\'s log, not its high watermark',
    'end_is_compared':      'the leader compares the end that was drained to with its own',
    'drained_is_safe':      'drained is what is below T\'s high watermark, not what T\'s leader has',
    'names_the_fence':      'the hand-over names the fence that it was drained under, and the leader compares it with the one in force',
    'fence_has_no_hole':    'a fence that ended and began again is another one',
    'held_before_looked':   'the leader fences without a deadline before it looks at its end',
    'hand_over_is_of_leader': 'the record of the hand-over is conditional on the leader epoch of the answer',
    'opens_in_new_epoch':   'a leader that has answered a hand-over opens, without a record, only in a new epoch',
    'one_attempt_holds':    'who asks while another one\'s hand-over is being written is refused, and lifts nothing of it',
    'leader_reads_in_order': 'a new leader has read all records up to the one of its election before it takes writes',
    'promotes_what_is_safe': 'T promotes when its high watermark is at the end that was handed over',
    'round_is_of_the_fence': 'T promotes when the last round of groups that it has is of the fence that was handed over',
    'promotion_is_conditional': 'the record of the promotion is conditional on what was looked at: id not abandoned, that round',
    'abandon_is_conditional': 'so is that of an abandonment: nobody has promoted',
}

# Pairs of which either is enough.
BACKED_BY = {'end_is_compared': 'names_the_fence', 'drained_is_safe': 'promotes_what_is_safe'}
BACKED_BY |= {other: guard for guard, other in BACKED_BY.items()}

class Leader(NamedTuple):
    """A broker of S that leads the partition, and the groups; or believes so."""
    end: int = 0           # of its log
    gate: str = 'open'     # fenced: until a deadline; held: without one; closed: it has heard the record
    id: int = 0            # of the switchover that it is fenced or held for
    groups: int = 0        # commits of the group

class State(NamedTuple):
    record: str            # at S: open, closed, done
    id: int
    leader: Leader         # the one in the record
    zombie: Leader | None  # the one before it, which has not heard
    acked: int             # records that S has acknowledged, each below the log end of every leader to come
    target: str            # at T: mirror, promoted
    copied: int            # records that T's leader has
    safe: int              # those below T's high watermark
    groups: int            # commits of the group that T has
    round: str             # under which fence they were read
    gone: frozenset        # ids that T has abandoned
    said: frozenset        # answers and records that anybody may act upon, at any time:
                           # (what, id, end, fence): the leader's fence in force, the zombie's, or an old one

class Model:
    def __init__(self, dropped=()):
        for guard in GUARDS: setattr(self, guard, guard not in dropped)

    def initial(self):
        return State('open', 0, Leader(), None, 0, 'mirror', 0, 0, 0, '', frozenset(), frozenset())

    def steps(self, s):
        for name in ('clients', 'elections', 'fences', 'drains', 'hand_overs', 'promotions', 'ends'):
            yield from getattr(self, name)(s)

    def relabel(self, s, names):
        """The fences that answers and T's round of groups name are others from now on."""
        said = frozenset((what, i, end, names.get(fence, fence)) for what, i, end, fence in s.said)
        # Nobody acts upon what names an old fence, but without these guards.
        kept = {'synced': not self.names_the_fence, 'held': not self.hand_over_is_of_leader}
        said = frozenset(m for m in said if m[3] != 'old' or kept.get(m[0]))
        return s._replace(said=said, round=names.get(s.round, s.round))

    def say(self, s, *message): return s._replace(said=s.said | {message})

    def leaders(self, s):
        """Those who answer as the leader: (how its fence is named, who, what S is when it has changed)."""
        yield 'leader', s.leader, lambda x: s._replace(leader=x)
        if s.zombie: yield 'zombie', s.zombie, lambda x: s._replace(zombie=x)

    def refused(self, s, name, opened):
        """Who asked acts upon the answer no more; another one that had it, too, still may."""
        held = {m for m in s.said if m[0] == 'held' and m[3] == name}
        after = self.relabel(opened._replace(said=opened.said - held), {name: 'old'})
        return after if self.one_attempt_holds else after._replace(said=after.said | held)

    # ── S ──
    def end_of(self, s, x): return x.end if self.end_is_the_log_end else min(s.acked, x.end)

    def clients(self, s):
        for name, x, put in self.leaders(s):
            if x.gate == 'open' and x.end < MAX_RECORDS: yield f'the {name} appends', put(x._replace(end=x.end + 1))
        if s.leader.gate == 'open' and s.leader.groups < 1:
            yield 'a group commits', s._replace(leader=s.leader._replace(groups=s.leader.groups + 1))
        if s.acked < s.leader.end: yield 'S acknowledges', s._replace(acked=s.acked + 1)
        if s.record != 'open' and s.leader.gate != 'closed':
            yield 'the leader hears the record', s._replace(leader=s.leader._replace(gate='closed', id=0))

    def elections(self, s):
        """The fence is in the memory of the leader, and dies with it; what is not acknowledged may be lost."""
        gate = 'open' if s.record == 'open' or not self.leader_reads_in_order else 'closed'
        for end in range(s.acked, s.leader.end + 1):
            heir = Leader(end=end, gate=gate, groups=s.leader.groups)
            yield f'S elects another leader, whose log ends at {end}', \
                self.relabel(s, {'leader': 'zombie', 'zombie': 'old'})._replace(leader=heir, zombie=s.leader)

    def fences(self, s):
        for name, x, put in self.leaders(s):
            for i in IDS:
                if x.gate == 'open' or x.gate == 'fenced' and x.id == i:
                    fenced = put(x._replace(gate='fenced', id=i))
                    yield f'the {name} fences {i}', self.say(fenced, 'fenced', i, self.end_of(s, x), name)
            if x.gate == 'fenced':
                lifted = put(x._replace(gate='open', id=0))
                yield f'the {name}\'s fence ends', self.relabel(lifted, {name: 'old'}) if self.fence_has_no_hole else lifted
            if x.gate == 'held' and s.record == 'open':
                yield f'the {name} is told that its hand-over was refused', self.refused(s, name, put(x._replace(gate='open', id=0)))
            if x.gate != 'held' or name == 'leader' and s.record != 'open' and self.opens_in_new_epoch: continue
            # It has not heard what became of the hand-over. A new epoch ends what was said in the last one.
            opened = put(x._replace(gate='open', id=0))
            if self.opens_in_new_epoch: opened = self.relabel(opened, {name: 'old'})
            yield f'the {name} gives the hand-over up', opened

    def drains(self, s):
        if s.target == 'mirror' and s.copied < s.acked: yield 'T copies', s._replace(copied=s.copied + 1)
        if s.safe < s.copied:
            yield 'T\'s high watermark moves', s._replace(safe=s.copied)
            yield 'T elects another leader', s._replace(copied=s.safe)
        at = {name: x for name, x, _ in self.leaders(s)}
        for what, i, end, fence in s.said:
            if what == 'fenced' and s.target == 'mirror' and fence in at and at[fence].id == i:
                yield f'T takes the last round of groups of {i} from the {fence}', \
                    self.say(s._replace(groups=at[fence].groups, round=fence), 'synced', i, end, fence)
            closed = s.record == 'closed' and s.id == i
            if what == 'handed' and closed and s.target == 'mirror' and s.round != 'handed':
                yield f'T takes the groups of {i} again', s._replace(groups=s.leader.groups, round='handed')

    def hand_overs(self, s):
        for what, i, end, fence in s.said:
            if what == 'synced' and end <= (s.safe if self.drained_is_safe else s.copied):
                for name, x, put in self.leaders(s):
                    in_force = x.gate in ('fenced', 'held') and x.id == i
                    as_drained = self.end_of(s, x) == end or not self.end_is_compared
                    if as_drained and in_force and (fence == name or not self.names_the_fence):
                        held = put(x._replace(gate='held')) if self.held_before_looked else s
                        yield f'the {name} finds its end as {i} names it', self.say(held, 'held', i, end, name)
            if what == 'held' and s.record == 'open' and (fence == 'leader' or not self.hand_over_is_of_leader):
                after = s._replace(record='closed', id=i, said=s.said | {('handed', i, end, '')})
                yield f'S records the hand-over of {i}', after._replace(round='handed' if s.round == fence else 'old')

    # ── T ──
    def promotions(self, s):
        for what, i, end, _ in s.said:
            if what == 'handed' and s.target == 'mirror' and i not in s.gone:
                safe = s.safe if self.promotes_what_is_safe else s.copied
                if s.copied == end == safe and (s.round == 'handed' or not self.round_is_of_the_fence):
                    yield f'T decides to promote {i}', self.say(s, 'looked', i, end, '')
            as_decided = i not in s.gone and (s.round == 'handed' or not self.round_is_of_the_fence)
            if what == 'looked' and s.target == 'mirror' and (as_decided or not self.promotion_is_conditional):
                yield f'T records the promotion of {i}', self.say(s._replace(target='promoted'), 'promoted', i, end, '')
        for i in IDS:
            if s.target == 'promoted' and self.abandon_is_conditional: continue
            if i not in s.gone and any(m[1] == i for m in s.said):
                yield f'T abandons {i}', self.say(s._replace(gone=s.gone | {i}), 'abandoned', i, 0, '')

    def ends(self, s):
        if s.record != 'closed': return
        if any(m[:2] == ('promoted', s.id) for m in s.said): yield f'S finishes {s.id}', s._replace(record='done')
        if any(m[:2] == ('abandoned', s.id) for m in s.said):
            # A record like any other: what was said about the hand-over before it is void.
            opened = s._replace(record='open', id=0, leader=s.leader._replace(gate='open', id=0))
            yield f'S takes {s.id} back', self.relabel(opened, {'leader': 'old', 'handed': 'old'})

    # ── what must hold ──
    def fault(self, s):
        if s.target != 'promoted': return None
        if s.record == 'open': return 'two writable sites'
        if s.copied < s.acked: return 'an acknowledged record is missing after the promotion'
        if s.groups < s.leader.groups: return 'a commit of a group is missing after the promotion'
        return None

def explore(model, limit=None):
    start = model.initial()
    seen, todo = {start: None}, deque([start])
    while todo:
        s = todo.popleft()
        for why, after in model.steps(s):
            if after in seen: continue
            seen[after] = (s, why)
            fault = model.fault(after)
            if fault: return fault, path(after, seen), seen
            todo.append(after)
        if limit and len(seen) > limit: return None, None, seen
    return None, [], seen

def path(s, seen):
    steps = []
    while seen[s]: s, why = seen[s]; steps.append(why)
    return steps[::-1]

REACHED = {
    'done':                            lambda s: s.record == 'done',
    'done, after S has elected again': lambda s: s.record == 'done' and s.zombie and s.acked,
    'taken back, and written again':   lambda s: s.gone and s.record == 'open' and s.acked > s.copied,
    'promoted, S does not know':       lambda s: s.target == 'promoted' and s.record == 'closed',
    'handed over, nobody promoted':    lambda s: s.record == 'closed' and s.target == 'mirror' and s.gone,
}

def mutants():
    idle = 0
    for guard, meaning in GUARDS.items():
        fault, steps, _ = explore(Model((guard,)))
        other = BACKED_BY.get(guard)
        if other and not fault:
            meaning += f'"\n    and without "{GUARDS[other]}'
            fault, steps, _ = explore(Model((guard, other)))
        elif other: print(f'"{GUARDS[other]}" does not back it up:')
        print(f'without "{meaning}": {fault or "NOTHING BREAKS"}\n    ' + ' → '.join(steps), flush=True)
        idle += not fault
    return idle

if __name__ == '__main__':
    if '--larger' in sys.argv: IDS = (1, 2)
    fault, steps, seen = explore(Model())
    if fault: print(f'BROKEN: {fault}\n    ' + ' → '.join(steps)); sys.exit(1)
    for name, holds in REACHED.items(): assert any(holds(s) for s in seen), name
    print(f'{len(seen)} states, no invariant broken; reachable: {", ".join(REACHED)}', flush=True)
    if '--mutants' in sys.argv: sys.exit(bool(mutants()))
