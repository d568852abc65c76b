#!/usr/bin/env python3
"""Replication of one partition within a cluster as a model: every order of every step, checked exhaustively.

Two or three brokers with logs of which a part is on the disk; a record in the metadata store (leader, epoch, ISR, ELR)
that a controller changes and that each broker hears of late; leaders that append, followers that fetch; brokers that
die, lose what was not synced, come back, or come back without their disk; replicas that come, and others that go. Any leader may be replaced while it lives
and serve on for ever, as who has lost its session and does not know. Records are known by the epoch that they were
written in. As soon as a leader's high watermark has passed a record, it counts as acknowledged and as seen.

    replication.py            explores small clusters: no state breaks an invariant, and what should happen can
    replication.py --larger   the same in larger bounds; takes three minutes
    replication.py --mutants  drops each guard: an invariant must break, else the guard (or this model) is idle

What must hold in every state: whoever may lead, now or later (ISR and ELR), has all that is acknowledged on its disk;
no two records are acknowledged at one offset; no epoch has two records at one offset, or two leaders, or goes back; the
end that consumers are told never falls; and if no disk was lost, somebody may lead once it is up, and what is
acknowledged is on as many replicas' disks as min.insync.replicas says.

The rules that this comes from, with durability fsync. What is marked with a name is a guard below.

The record
 1. A partition has: leader (or none), leader epoch, ISR, ELR, and a version of its own that each change raises. Every
    change is one commit, conditional on the version that it was decided from [commit_is_conditional]. The epoch rises
    with every change of the leader, also to none, and not with a change of the ISR alone.
 2. Brokers take the record, and min.insync.replicas, from the store only, in the order of the commits, never from the
    answer to a request [min_is_heard_first]. They may hear as late as they like.
 3. ELR: whom a commit takes out of the ISR so that fewer than min.insync.replicas are left in it goes to the ELR. The
    commit that leaves min.insync.replicas or more in the ISR empties the ELR; also the one that lowers
    min.insync.replicas does so itself [elr_below_min]. So the ISR may become empty: its last member is then in the
    ELR. Why it is safe: while the ISR of the record is below the minimum, nothing is acknowledged (7), so they all
    have it.
 4. The controller elects out of the ISR; if that is empty, out of the ELR, and the ISR is then that one alone. Nobody
    else, but by an operator's command, or in a topic that says so, and then it may lose what it lacks [clean_election]. When all are down, also after a
    power loss of all: the first of ISR and ELR to come back leads. It need not be the last leader, and nobody is
    waited for.
 5. It may fence whom it likes, dead or not, at any time: the fenced one leaves the ISR (rule 3) and leads nothing, in
    one commit. No rule here needs that a broker knows of the end of its session: a leader that goes on without
    knowing can acknowledge only what every leader to come has. (That it stops when it knows is for its clients: they
    would read an old end, and wait in vain.)

A leader
 6. Begins when it hears its epoch: notes where the epoch begins (its log end; of a mirror topic in memory, not as an
    entry of its epochs, which are the source's), knows nothing of any follower [ends_are_learnt_anew], and takes its
    own high watermark to be what it knew before, or less.
 7. High watermark: the lowest synced end of itself [own_end_is_synced], of the ISR that it has heard, and of those
    that it has proposed [proposed_count]; it stands still while the ISR that it has *heard* [min_isr_counts_heard] is
    smaller than min.insync.replicas [min_isr_holds]. acks=all answers when it has passed the record. It never falls.
 8. Proposals: a new ISR, made from a version of the record, with the number of the start of each that it adds. One at
    a time. Until it hears a later version, it is not known what became of it: no answer, an error or a time-out is no
    refusal, and all it may send is the same again. Meanwhile it goes on: it appends, answers fetches, acknowledges,
    by rule 7. Whom the proposal leaves out counts until the record without it is heard [smaller_isr_is_heard]; whom
    it adds counts from the moment of sending. A later version that is heard ends it, whatever it says.
 9. A follower is proposed when a fetch in this epoch has said that it is synced up to the high watermark
    [joins_above_hw] and to the beginning of the epoch [joins_above_start]: above a new leader's watermark there may
    be acknowledged records.
10. Answers, and learns from, only fetches that name its epoch exactly [fetch_names_epoch], and a start of the
    follower that is not earlier than the latest it has heard of, in a record or a fetch [fetch_of_latest_start]: what
    an old connection still brings would count for a log that is gone.
11. Consumers read below the high watermark at once. The end of the partition (ListOffsets) it tells when its high
    watermark has reached the beginning of its epoch; until then OFFSET_NOT_AVAILABLE [end_is_told_late]. A fetch
    between watermark and log end waits; it is not out of range.
24. What ends a client (a sequence that is out of order, a member that is fenced, a reader that is out of range) it says
    only if it has heard, since it was asked, all that was committed by then, and leads still [judges_in_force]: who
    was replaced has not what the client speaks of. Else it answers as who does not lead.

A follower
12. Syncs what it has before it fetches on: the offset of its fetch is the end of its log and says that all below it
    is synced [fetch_is_synced]. With it go the epoch, its last record's epoch, and the number of its start.
13. Where its log and the leader's part by (owner, epoch), it cuts, and fetches nothing before [cut_by_epoch]. Nothing
    else cuts: no high watermark, no start but for its torn tail (16), no change of the leader [never_cut_at_hw].
14. An answer counts only in the epoch in which it was asked [answer_of_its_epoch], and no batch in it is of a later
    one.

The controller, of a proposal
15. Commits it if leader, epoch and version are those of the record [proposal_is_of_now] and each that it adds is in
    its named start [broker_epochs]. (And if it is not fenced: not for safety, but acks=all would wait for a dead
    one.)

A start
16. First the logs: recovery cuts a torn tail, *syncs what it keeps*, finds damage. Then one commit: the number of the
    start rises, and with it the epoch of each partition that it leads [start_is_election]; what is damaged (below
    what was synced; a disk that is new) leaves ISR and ELR, and the lead, in the same commit [damage_leaves]. Nothing
    is served, fetched or written before it has heard that commit.
17. Else it keeps what it had: ISR, ELR and the lead. It had synced all that it had reported, so nobody loses anything
    by that. (Not so with durability page_cache: there a start that follows no clean stop is a damaged one for 16,
    unless it is the last of ISR and ELR, which then leads with what it has, loudly. That is not modelled.)
18. A partition whose disk fails under a running broker is fenced (5) for that partition and cannot be elected; what
    is left of it the next start finds out (16). Where it is the last of ISR and ELR it stays and leads what can be read,
    until the operator's command (4) gives another the lead.
19. Where damage leaves ISR and ELR empty, the partition is offline until the operator's command (4).

Replicas that come and go (a reassignment)
20. A commit names who is added and who is to be removed; both are replicas until another commit completes it, or takes
    it back. Who is added is in the ISR by no more than rule 9 [added_by_proposal], and counts in no majority that
    min.insync.replicas follows from: that stays the one of the replicas before, and is the one of those after from the
    commit that completes it on (which may so empty the ELR, by rule 3).
21. It is completed when all that are added are in the ISR (not for safety: that is what it is for); taken back at any
    time, those who are added being the ones that go. Either needs that min.insync.replicas or more of the ISR stay, or
    that of ISR and ELR nobody goes [enough_stay]. Who goes leaves ISR and ELR in that commit; if the leader goes, it elects one of the
    ISR that is left [removed_leads_nothing].
22. A commit that takes a replica away raises the epoch, also where the leader stays [removal_is_election]: who comes
    again has deleted what he had, and no leader may count that for him.
23. Who hears that he is no replica deletes what he has: then, and not while he is only to be removed
    [deletes_when_gone].

Some steps are one here although they are two: a commit and its decision, a fetch and its answer. A decision that comes
late is prevented by rule 1, an answer by rule 14, or it does what the step would have done had it come late as a whole.
What a leader has proposed before it died may be committed after: that is as if it had been committed before. Whoever
hears of a record hears of the latest: between two that it hears at once it does nothing, or has done so before.
"""
import sys
from collections import deque
from typing import NamedTuple

GUARDS = {
    'smaller_isr_is_heard':  'a leader counts without a member only when the record without it has been heard',
    'proposed_count':        'whom a leader has proposed counts for the high watermark until the record says otherwise',
    'min_isr_holds':         'the high watermark stands still while the ISR is below min.insync.replicas',
    'min_isr_counts_heard':  'for min.insync.replicas the ISR of the record counts, not the proposed one',
    'joins_above_hw':        'a follower is proposed only from the leader\'s high watermark on',
    'joins_above_start':     'a follower is proposed only from where the leader\'s epoch began',
    'own_end_is_synced':     'a leader counts of its own log what is synced',
    'fetch_is_synced':       'a fetch offset says that all below it is synced',
    'ends_are_learnt_anew':  'what a leader knew of followers in an earlier epoch of its own is forgotten',
    'fetch_names_epoch':     'a leader answers only a fetch that names its epoch',
    'fetch_of_latest_start': 'a fetch of an earlier start of the follower than the leader knows of changes nothing',
    'answer_of_its_epoch':   'the answer to a fetch counts only in the epoch in which it was asked',
    'never_cut_at_hw':       'no start and no new epoch cuts a log at what the broker knows as high watermark',
    'cut_by_epoch':          'a follower cuts its log where it and the leader\'s part by epoch, before it fetches',
    'commit_is_conditional': 'the controller\'s commit is conditional on the version that it has decided from',
    'proposal_is_of_now':    'a proposal counts only for the version of the record that it was made from',
    'broker_epochs':         'a proposal names the starts of those it adds; of another start by now, it is refused',
    'start_is_election':     'a start raises the epoch of what the broker leads',
    'damage_leaves':         'a start that finds damage leaves ISR and ELR, and leads nothing, in the record of the start',
    'clean_election':        'who is neither in the ISR nor in the ELR is not elected',
    'min_is_heard_first':    'a leader hears of min.insync.replicas no later than of the ISR that came after it',
    'elr_below_min':         'the ELR takes whom the ISR loses below min.insync.replicas, and ends where it has that many',
    'added_by_proposal':     'who is added to the replicas is not in the ISR before a leader has proposed him',
    'enough_stay':           'nobody of ISR and ELR goes unless min.insync.replicas of the ISR stay',
    'removed_leads_nothing': 'where the leader goes, another is elected out of the ISR that is left',
    'removal_is_election':   'a commit that takes a replica away raises the epoch',
    'deletes_when_gone':     'a replica deletes what it has when it is none any more, not before',
    'judges_in_force':       'a leader ends a client only when it has heard all that was committed, and leads still',
    'end_is_told_late':      'a new leader tells consumers an end only when it has what it was elected with',
}

class Broker(NamedTuple):
    """What one broker is, and what others know of it."""
    up: int                # 1; 0 = down; -1 = down, and its disk was lost
    seen: int              # epoch of the latest record that it has heard
    led: int               # bit e: it was elected in epoch e
    log: tuple             # the epoch of each record
    synced: int            # so many of them are on its disk
    isr: bool              # in the record
    elr: bool
    hw: int = 0            # as leader of the epoch that it has seen: the high watermark
    start: int = 0         # and where that epoch began
    min: int = 0           # min.insync.replicas that it has heard
    asks: int = 0          # 1: its proposal is under way; 2: overtaken, which it has not heard
    of: tuple = ()         # what the acting leaders know of it: (epoch, Known)
    late: tuple = ()       # an answer that is late: 0 = cut at, 1 = append at; only without a guard
    part: int = 1          # in the record: 0 = no replica, 1 = replica, 2 = is added, 3 = is to be removed

class Known(NamedTuple):
    """What a leader knows of a follower."""
    end: int = 0           # that it has synced
    heard: bool = False    # in the ISR that the leader has heard last
    asked: int = 0         # in the ISR that it has proposed; 2: as of a start that is not the latest any more
    fresh: bool = True     # `end` is of its latest start

class Cluster(NamedTuple):
    epoch: int             # of the record
    acked: tuple           # the records that some leader has acknowledged or shown
    stained: bool          # who wrote in this epoch has died since
    wipes: int             # disks that may be lost yet
    min: int               # min.insync.replicas
    plan: int              # the epoch of an election that a controller has decided on; only without a guard
    brokers: tuple         # sorted: brokers are alike
    moves: int = 0         # reassignments that may be begun yet

class Broken(Exception):
    pass

def known(b, epoch):
    for e, k in b.of:
        if e == epoch: return k
    return Known()

def knows(b, epoch, k):
    """`b`, where the leader of `epoch` knows `k` of it; None: that leader is none any more."""
    of = [entry for entry in b.of if entry[0] != epoch]
    if k is not None: of.append((epoch, k))
    return b._replace(of=tuple(sorted(of)))

def common(a, b):
    n = 0
    for x, y in zip(a, b):
        if x != y: break
        n += 1
    return n

def at_hw(b, after): return after._replace(log=b.log[:b.hw], synced=min(b.synced, b.hw))

def leads(b): return b.up == 1 and b.led >> b.seen & 1

class Model:
    """The steps of a cluster: each takes the brokers as a list of its own and changes it."""

    STEPS = ('writes', 'fetches', 'hears', 'proposals', 'commits', 'configs', 'fences', 'deaths', 'starts', 'reassigns',
             'deletes', 'mistakes')

    def __init__(self, brokers, mins, records, epochs, wipes=0, syncs_alone=True, leave_out=(), dropped=(),
                 outside=0, moves=0):
        self.count, self.mins, self.records, self.epochs, self.wipes = brokers, mins, records, epochs, wipes
        self.outside, self.moves = outside, moves    # brokers that are no replicas at first
        self.syncs_alone = syncs_alone    # a follower's append and its sync are two steps
        self.kinds = [getattr(self, name) for name in self.STEPS if name not in leave_out]
        for guard in GUARDS: setattr(self, guard, guard not in dropped)
        # Of a leader that was replaced, no proposal can become anything but a larger set that it counts.
        self.forgets = not {'proposal_is_of_now', 'proposed_count', 'smaller_isr_is_heard', 'min_isr_counts_heard',
                            'ends_are_learnt_anew', 'fetch_names_epoch'} & set(dropped)

    def initial(self):
        bs = [Broker(1, 1, 0, (), 0, True, False) for _ in range(self.count)]
        bs[0] = bs[0]._replace(led=2)
        for j in range(self.count - self.outside, self.count): bs[j] = bs[j]._replace(isr=False, part=0)
        self.takes_over(bs, 0, self.mins[0])
        return Cluster(1, (), False, self.wipes, self.mins[0], 0, tuple(bs), self.moves)

    # ── a leader ──
    def takes_over(self, bs, i, min_isr):
        """Broker i has heard that it leads the epoch that it sees, and who is in the ISR."""
        epoch = bs[i].seen
        bs[i] = bs[i]._replace(hw=0, start=len(bs[i].log), min=min_isr, asks=0)
        before = [e for e in range(epoch) if bs[i].led >> e & 1]
        for j, b in enumerate(bs):
            if j == i: continue
            end = 0 if self.ends_are_learnt_anew or not before else known(b, before[-1]).end
            bs[j] = knows(b, epoch, Known(end=end, heard=b.isr))

    def steps_down(self, bs, i, dies=False):
        if not leads(bs[i]): return
        for j, b in enumerate(bs):
            gone = [e for e, _ in b.of if bs[i].led >> e & 1 and (dies or self.ends_are_learnt_anew)]
            for e in gone: bs[j] = knows(bs[j], e, None)
        bs[i] = bs[i]._replace(hw=0 if self.never_cut_at_hw else bs[i].hw, start=0, min=0, asks=0)

    def advance(self, bs, i, acked):
        """Moves the high watermark of leader i as far as it may go: what it passes is acknowledged."""
        leader, epoch = bs[i], bs[i].seen
        low = leader.synced if self.own_end_is_synced else len(leader.log)
        members = 1
        for j, b in enumerate(bs):
            if j == i: continue
            k = known(b, epoch)
            if k.heard or k.asked and not self.min_isr_counts_heard: members += 1
            if k.heard or k.asked and self.proposed_count: low = min(low, k.end)
        if low <= leader.hw or members < leader.min and self.min_isr_holds: return acked
        bs[i] = leader._replace(hw=low)
        n = min(low, len(acked))
        if leader.log[:n] != acked[:n]: raise Broken('two records are acknowledged at one offset')
        return leader.log[:low] if low > n else acked

    # ── the record ──
    def set_isr(self, bs, isr, min_isr):
        enough = len(isr) >= min_isr
        for j, b in enumerate(bs):
            elr = not j in isr and (b.elr or b.isr) and not (enough and self.elr_below_min)
            if b.isr != (j in isr) or b.elr != elr: bs[j] = b._replace(isr=j in isr, elr=elr)

    def overtakes(self, bs):
        for j, b in enumerate(bs):
            if b.asks == 1: bs[j] = b._replace(asks=2)

    def elect(self, c, bs, i):
        """i leads from now on, in a new epoch; None: nobody does. Says so to nobody."""
        if c.epoch == self.epochs: return None
        self.overtakes(bs)
        if i is not None:
            bs[i] = bs[i]._replace(led=bs[i].led | 1 << c.epoch + 1)
            if not bs[i].isr: self.set_isr(bs, {i}, c.min)
        return c._replace(epoch=c.epoch + 1, stained=False)

    def candidates(self, bs):
        if not self.clean_election: return [j for j, b in enumerate(bs) if b.up == 1]
        isr = [j for j, b in enumerate(bs) if b.isr]
        return isr or [j for j, b in enumerate(bs) if b.elr and b.up == 1]

    def without(self, c, bs, i, leader):
        """i leaves the ISR; if it led, another does: yields each outcome."""
        isr = {j for j, b in enumerate(bs) if b.isr}
        self.set_isr(bs, isr - {i}, c.min)
        self.overtakes(bs)
        if leader != i:
            yield c, bs, None
            return
        heirs = [j for j in self.candidates(bs) if j != i]
        for heir in heirs or [None]:
            after = list(bs)
            elected = self.elect(c, after, heir)
            if elected: yield elected, after, heir

    # ── all steps ──
    def steps(self, c):
        for kind in self.kinds: yield from kind(c)

    def writes(self, c):
        for i, b in enumerate(c.brokers):
            if leads(b) and len(b.log) < self.records:
                if b.seen == c.epoch and c.stained:
                    yield ('{} appends', i), 'one epoch has two records at one offset'
                    continue
                bs = list(c.brokers)
                bs[i] = b._replace(log=b.log + (b.seen,))
                yield ('{} appends', i), self.moved(c, bs, i)
            if b.up == 1 and b.synced < len(b.log):
                bs = list(c.brokers)
                bs[i] = b._replace(synced=len(b.log))
                yield ('{} syncs', i), self.moved(c, bs, i)

    def moved(self, c, bs, i):
        if not leads(bs[i]): return c._replace(brokers=tuple(bs))
        try:
            acked = self.advance(bs, i, c.acked)
        except Broken as broken:
            return str(broken)
        return c._replace(acked=acked, brokers=tuple(bs))

    def fetches(self, c):
        for i, leader in enumerate(c.brokers):
            if not leads(leader): continue
            for j, b in enumerate(c.brokers):
                if j == i or b.up != 1 or leads(b) or b.part == 0 and b.seen == c.epoch: continue
                if b.seen != leader.seen and (self.fetch_names_epoch or not leader.led >> b.seen & 1): continue
                if b.synced < len(b.log) and self.fetch_is_synced: continue
                yield from self.fetch(c, i, j)

    def fetch(self, c, i, j):
        leader, b = c.brokers[i], c.brokers[j]
        bs, why, cut = list(c.brokers), ('{} fetches from {}', j, i), common(b.log, leader.log)
        if cut < len(b.log) and self.cut_by_epoch:
            bs[j] = b._replace(log=b.log[:cut], synced=min(b.synced, cut))
            yield ('{} cuts its log after {}', j, i), c._replace(brokers=tuple(bs))
            late = (0, cut)
        else:
            end = b.synced if self.fetch_is_synced else len(b.log)
            k = known(b, leader.seen)
            if not self.fetch_of_latest_start: end = max(end, k.end)    # an old one comes behind this
            bs[j] = b = knows(b, leader.seen, k._replace(end=end, fresh=True))
            late = (1, len(b.log)) + leader.log[len(b.log):len(b.log) + 1]
            told = self.moved(c, list(bs), i)
            if isinstance(told, str):
                yield why, told
                return
            bs = list(told.brokers)
            without = tuple(bs)
            log = b.log + late[2:]
            if not self.syncs_alone: bs[j] = bs[j]._replace(synced=len(log))
            hw = 0 if self.never_cut_at_hw else min(bs[i].hw, len(log))
            bs[j] = bs[j]._replace(log=log, hw=hw)
            c = told
            yield why, c._replace(brokers=tuple(bs))
            bs = list(without)
        if not self.answer_of_its_epoch and not b.late:
            bs[j] = c.brokers[j]._replace(late=late)
            yield ('{} asks {}, whose answer is late', j, i), c._replace(brokers=tuple(bs))

    def hears(self, c):
        for i, b in enumerate(c.brokers):
            if b.up != 1: continue
            bs = list(c.brokers)
            for epoch in range(b.seen + 1, c.epoch + 1):
                if epoch < c.epoch and (b.led >> epoch & 1 or not any(leads(o) and o.seen == epoch for o in bs)): continue
                after = list(bs)
                self.steps_down(after, i)
                after[i] = after[i]._replace(seen=epoch)
                if leads(after[i]): self.takes_over(after, i, c.min)
                elif not self.never_cut_at_hw: after[i] = at_hw(b, after[i])
                yield (f'{{}} hears of epoch {epoch}', i), self.moved(c, after, i)
            if b.seen != c.epoch: continue
            if not leads(b): continue
            if b.asks == 2 or b.min != c.min or any(known(o, b.seen).heard != o.isr for o in bs if o is not b):
                for j, o in enumerate(bs):
                    if j == i or b.asks == 1: continue    # under way still: only the minimum has changed
                    bs[j] = knows(o, b.seen, known(o, b.seen)._replace(heard=o.isr, asked=0))
                for min_isr in {c.min} | ({b.min} if not self.min_is_heard_first else set()):
                    heard = list(bs)
                    heard[i] = b._replace(min=min_isr, asks=b.asks % 2)
                    yield ('{} hears of the ISR', i), self.moved(c, heard, i)

    def proposals(self, c):
        for i, b in enumerate(c.brokers):
            if not leads(b) or b.asks or b.seen < c.epoch and self.forgets: continue
            of = {j: known(o, b.seen) for j, o in enumerate(c.brokers) if j != i}
            isr = {j for j, k in of.items() if k.heard}
            floor = max(b.hw * self.joins_above_hw, b.start * self.joins_above_start)
            wanted = [isr | {j} for j, k in of.items() if not k.heard and k.fresh and k.end >= floor
                       and c.brokers[j].part]
            wanted += [isr - {j} for j in isr] + ([set()] if len(isr) == 2 else [])
            for members in wanted:
                bs = list(c.brokers)
                for j, k in of.items():
                    k = k._replace(asked=int(j in members))
                    if not self.smaller_isr_is_heard and j not in members: k = k._replace(heard=False)
                    bs[j] = knows(bs[j], b.seen, k)
                bs[i] = b._replace(asks=1 if b.seen == c.epoch and all(of[j].heard == c.brokers[j].isr for j in of) else 2)
                yield ('{} proposes the ISR {}' + ' {}' * len(members), i, i, *sorted(members)), self.moved(c, bs, i)

    def commits(self, c):
        for i, b in enumerate(c.brokers):
            if not leads(b) or not b.asks or b.asks == 2 and self.proposal_is_of_now: continue
            asked = {j: known(o, b.seen).asked for j, o in enumerate(c.brokers) if j != i}
            added = [j for j, a in asked.items() if a == 2 and not c.brokers[j].isr]
            if added and self.broker_epochs: continue
            bs = list(c.brokers)
            self.set_isr(bs, {i} | {j for j, a in asked.items() if a}, c.min)
            self.overtakes(bs)
            yield ('the controller commits what {} has proposed', i), c._replace(brokers=tuple(bs))

    def configs(self, c):
        for min_isr in self.mins:
            if min_isr == c.min: continue
            bs = list(c.brokers)
            self.set_isr(bs, {j for j, b in enumerate(bs) if b.isr}, min_isr)
            yield (f'min.insync.replicas is {min_isr} from now on',), c._replace(min=min_isr, brokers=tuple(bs))

    def leader(self, c):
        return next((j for j, b in enumerate(c.brokers) if b.led >> c.epoch & 1), None)

    def fences(self, c):
        leader = self.leader(c)
        for i, b in enumerate(c.brokers):
            if b.isr:
                for after, bs, heir in self.without(c, list(c.brokers), i, leader):
                    why = 'the controller fences {}' + (' and elects {}' if heir is not None else '')
                    yield (why, i, heir), after._replace(brokers=tuple(bs))
        for i in self.candidates(c.brokers):
            bs = list(c.brokers)
            after = i != leader and self.elect(c, bs, i)
            if after: yield ('the controller elects {}', i), after._replace(brokers=tuple(bs))

    def deaths(self, c):
        for i, b in enumerate(c.brokers):
            if b.up == 0 and c.wipes:
                bs = list(c.brokers)
                bs[i] = b._replace(up=-1, log=(), synced=0)
                yield ('{} loses its disk', i), c._replace(wipes=c.wipes - 1, brokers=tuple(bs))
            if b.up != 1: continue
            stained = c.stained or bool(leads(b)) and b.seen == c.epoch in b.log
            for end in range(b.synced, len(b.log) + 1):
                bs = list(c.brokers)
                self.steps_down(bs, i, dies=True)
                bs[i] = bs[i]._replace(up=0, seen=0, log=b.log[:end], synced=end, late=())
                yield ('{} dies' + (' and loses what is not synced' if end < len(b.log) else ''), i), \
                    c._replace(stained=stained, brokers=tuple(bs))

    def starts(self, c):
        leader = self.leader(c)
        for i, b in enumerate(c.brokers):
            if b.up == 1: continue
            bs = list(c.brokers)
            of = tuple((e, k._replace(fresh=False, asked=2 if k.asked else 0)) for e, k in b.of)
            bs[i] = b._replace(up=1, synced=len(b.log), of=of)
            if not self.never_cut_at_hw: bs[i] = at_hw(b, bs[i])
            outcomes = [(c, bs, None)]
            if b.up == -1 and self.damage_leaves:
                bs[i] = bs[i]._replace(elr=False)
                outcomes = self.without(c, bs, i, leader) if b.isr or leader == i else outcomes
            elif leader == i and self.start_is_election:
                after = self.elect(c, bs, i)
                outcomes = [(after, bs, i)] if after else []
            for after, bs, heir in outcomes:
                if b.up == -1 and self.damage_leaves: bs[i] = bs[i]._replace(elr=False)
                bs[i] = bs[i]._replace(seen=after.epoch)
                if leads(bs[i]): self.takes_over(bs, i, after.min)
                yield ('{} starts', i), self.moved(after, bs, i)

    def reassigns(self, c):
        parts = [b.part for b in c.brokers]
        under_way = any(part > 1 for part in parts)
        if not under_way and c.moves:
            for add in [None] + [j for j, part in enumerate(parts) if part == 0]:
                for remove in [None] + [j for j, part in enumerate(parts) if part == 1]:
                    if add is None and (remove is None or parts.count(1) == 1): continue
                    bs = list(c.brokers)
                    if add is not None: bs[add] = bs[add]._replace(part=2, isr=not self.added_by_proposal)
                    if remove is not None: bs[remove] = bs[remove]._replace(part=3)
                    self.overtakes(bs)
                    why = (' adds {}' if add is not None else '') + (' removes {}' if remove is not None else '')
                    yield ('a reassignment' + why, add, remove), c._replace(moves=c.moves - 1, brokers=tuple(bs))
        if not under_way: return
        added = [j for j, part in enumerate(parts) if part == 2]
        if all(c.brokers[j].isr for j in added):
            yield from self.gone(c, 3, 'the reassignment is completed')
        yield from self.gone(c, 2, 'the reassignment is taken back')

    def gone(self, c, part, why):
        """Those of this part are no replicas any more, and the others are."""
        gone = [j for j, b in enumerate(c.brokers) if b.part == part]
        isr = {j for j, b in enumerate(c.brokers) if b.isr and j not in gone}
        in_use = any(c.brokers[j].isr or c.brokers[j].elr for j in gone)
        if in_use and len(isr) < c.min and self.enough_stay or in_use and not isr and self.removed_leads_nothing: return
        bs, leader = list(c.brokers), self.leader(c)
        self.set_isr(bs, isr, c.min)
        self.overtakes(bs)
        for j, b in enumerate(bs):
            bs[j] = b._replace(part=0, elr=False) if j in gone else b._replace(part=int(b.part > 0))
        heirs = [leader]
        if leader in gone and self.removed_leads_nothing: heirs = sorted(isr) or [None]
        for heir in heirs:
            after = list(bs)
            raises = heir != leader or gone and self.removal_is_election
            elected = self.elect(c, after, heir) if raises else c
            if elected: yield (why,), elected._replace(brokers=tuple(after))

    def deletes(self, c):
        for i, b in enumerate(c.brokers):
            gone = b.part == 0 or b.part == 3 and not self.deletes_when_gone
            if b.up != 1 or b.seen != c.epoch or not gone or not b.log: continue
            bs = list(c.brokers)
            bs[i] = b._replace(log=(), synced=0)
            yield ('{} deletes what it has', i), c._replace(brokers=tuple(bs))

    def mistakes(self, c):
        """What only happens without a guard."""
        if not self.commit_is_conditional:
            if not c.plan: yield ('a controller decides on an election',), c._replace(plan=c.epoch + 1)
            elif c.plan <= c.epoch: yield ('it writes that down',), 'an epoch goes back, or has two leaders'
        for i, b in enumerate(c.brokers):
            if not b.late: continue
            kind, at, *more = b.late
            log = b.log[:at] if kind == 0 else b.log + tuple(more) if at == len(b.log) else b.log
            bs = list(c.brokers)
            bs[i] = b._replace(log=log, synced=min(b.synced, len(log)), late=())
            yield ('{} takes the late answer', i), c._replace(brokers=tuple(bs))

    def canonical(self, c):
        """Brokers are alike, and what nobody can tell apart any more is one state."""
        bs = c.brokers
        if self.forgets:
            live = {b.seen for b in bs if leads(b)} | {c.epoch}
            mask, first = sum(1 << e for e in live), min(live)
            bs = [b if b.seen >= first and b.led & mask == b.led else
                  b._replace(seen=b.seen if b.seen >= first else 0, led=b.led & mask) for b in bs]
            if first < c.epoch: bs = [self.as_zombies_see(c, b) for b in bs]
        return c._replace(brokers=tuple(sorted(bs)))

    def as_zombies_see(self, c, b):
        if b.of and b.of[0][0] < c.epoch:
            of = [(e, k if e == c.epoch else k._replace(asked=min(k.asked, 1), fresh=True)) for e, k in b.of]
            b = b._replace(of=tuple((e, k) for e, k in of if e == c.epoch or k.heard or k.asked))
        return b._replace(start=0, asks=0) if b.start + b.asks and b.seen < c.epoch else b

    # ── what must hold ──
    def fault(self, c):
        n = len(c.acked)
        may_lead = False
        for b in c.brokers:
            may_lead = may_lead or b.isr or b.elr
            if (b.isr or b.elr) and b.up != -1 and b.log[:min(b.synced, n)] != c.acked:
                return 'who may lead has not all that is acknowledged on its disk'
            if leads(b) and b.seen == c.epoch:
                if b.log[:n] != c.acked: return 'a leader has not all that is acknowledged'
                if b.hw < n and (b.hw >= b.start or not self.end_is_told_late):
                    return 'consumers are told of an end below an earlier one'
            if leads(b) and not self.judges_in_force and b.log[:n] != c.acked:
                return 'a client is ended by who has not all that is acknowledged'
        if n and c.wipes == self.wipes and len(self.mins) == 1 and \
                sum(b.part > 0 and b.log[:min(b.synced, n)] == c.acked for b in c.brokers) < c.min:
            return 'what is acknowledged is on fewer disks than min.insync.replicas says'
        if not may_lead and c.wipes == self.wipes: return 'nobody may ever lead again, and no disk was lost'
        return None


def explore(model, limit=None, watch=()):
    """All that can be reached: (what is broken, the way there, states seen, which of `watch` were met)."""
    start = model.canonical(model.initial())
    seen, todo, met = {start: None}, deque([start]), set()
    while todo:
        c = todo.popleft()
        for name, holds in watch:
            if name not in met and holds(c): met.add(name)
        for why, after in model.steps(c):
            if isinstance(after, str): return after, path(model, c, seen, after), seen, met
            after = model.canonical(after)
            if after in seen: continue
            seen[after] = c
            fault = model.fault(after)
            if fault: return fault, path(model, after, seen), seen, met
            todo.append(after)
        if limit and len(seen) > limit: return None, None, seen, met
    return None, [], seen, met

def told(why): return why[0].format(*('ABC'[i] for i in why[1:] if i is not None))

def path(model, c, seen, fault=None):
    """The steps to c, and the faulty one after it, with names that stay: a state that was seen names no broker."""
    chain = [c]
    while seen[chain[-1]]: chain.append(seen[chain[-1]])
    at, steps = model.initial(), []
    for wanted in reversed(chain[:-1]):
        why, at = next((w, a) for w, a in model.steps(at) if not isinstance(a, str) and model.canonical(a) == wanted)
        steps.append(told(why))
    return steps + [told(next(w for w, a in model.steps(at) if a == fault))] if fault else steps

QUIET = ('deaths', 'starts')
TWO = dict(brokers=2, records=1, epochs=3, wipes=1)
THREE = dict(brokers=3, mins=(2,), records=1, epochs=2, syncs_alone=False)
RUNS = {
    'two brokers, min 2':                   TWO | dict(mins=(2,)),
    'two brokers, min 1':                   TWO | dict(mins=(1,)),
    'two brokers, min goes down and up':    TWO | dict(mins=(2, 1), epochs=2, wipes=0),
    'two brokers, two records':             TWO | dict(mins=(2,), records=2, epochs=2),
    'three brokers, nobody dies':           THREE | dict(leave_out=QUIET),
    'three brokers, elections':             THREE | dict(epochs=3, leave_out=(*QUIET, 'proposals')),
    'three brokers, deaths':                THREE | dict(leave_out=('proposals',)),
    'three brokers, one for another':       THREE | dict(mins=(2,), epochs=3, outside=1, moves=1,
                                                         leave_out=(*QUIET, 'fences')),
    'two brokers, one comes and goes':      TWO | dict(mins=(1,), wipes=0, outside=1, moves=3),
}
LARGER = {
    'two brokers, min 2, larger':           TWO | dict(mins=(2,), records=2),
    'two brokers, min 1, larger':           TWO | dict(mins=(1,), records=2),
    'two brokers, min changes, larger':     TWO | dict(mins=(2, 1)),
    'three brokers, all':                   THREE | dict(wipes=1),
    'three brokers, min 1, all but a lost disk': THREE | dict(mins=(1,)),
    'three brokers, deaths, larger':        THREE | dict(epochs=3, leave_out=('proposals',)),
    'three brokers, deaths, two records':   THREE | dict(records=2, leave_out=('proposals',)),
    'three brokers, elections, larger':     THREE | dict(records=2, epochs=3, leave_out=(*QUIET, 'proposals')),
}

def zombie_acknowledges(c):
    return any(leads(b) and b.seen < c.epoch and b.hw and b.hw == len(c.acked) for b in c.brokers)

REACHED = (
    ('a record of a second epoch is acknowledged', lambda c: c.acked and c.acked[-1] > 1),
    ('a leader that was replaced has acknowledged', zombie_acknowledges),
    ('all are down, with an acknowledged record', lambda c: c.acked and not any(b.up == 1 for b in c.brokers)),
    ('the ISR is empty, with an acknowledged record', lambda c: c.acked and not any(b.isr for b in c.brokers)),
    ('who may lead has lost its disk', lambda c: any(b.up == -1 and (b.isr or b.elr) for b in c.brokers)),
    ('who was no replica has all that is acknowledged, and another is none',
     lambda c: c.acked and not c.moves and all(b.part < 2 for b in c.brokers) and any(b.part == 0 for b in c.brokers)),
    ('three in the ISR after one had left', lambda c: len(c.acked) and c.epoch > 1 and sum(b.isr for b in c.brokers) == 3),
)

def check(runs):
    met = set()
    for name, bounds in runs.items():
        fault, steps, seen, reached = explore(Model(**bounds), watch=REACHED)
        if fault:
            print(f'BROKEN: {name}: {fault}\n    ' + ' → '.join(steps))
            sys.exit(1)
        met |= reached
        print(f'{name}: {len(seen)} states, no invariant broken', flush=True)
    missing = [name for name, _ in REACHED if name not in met]
    if missing: sys.exit(f'never reached: {missing}')

# Guards that only a reassignment needs.
MOVING = {'added_by_proposal', 'enough_stay', 'removed_leads_nothing', 'removal_is_election', 'deletes_when_gone'}

def breaks(dropped):
    # Where it is most likely to break first.
    needed = not MOVING.isdisjoint(dropped)
    for name, bounds in sorted(RUNS.items(), key=lambda run: ('moves' in run[1]) != needed):
        fault, steps, _, _ = explore(Model(**bounds, dropped=dropped))
        if fault: return name, fault, steps
    return None

def mutants():
    idle = 0
    for guard, meaning in GUARDS.items():
        found = breaks((guard,))
        where, fault, steps = found or ('', 'NOTHING BREAKS', [])
        print(f'without "{meaning}": {where}: {fault}\n    ' + ' → '.join(steps), flush=True)
        idle += not found
    return idle

if __name__ == '__main__':
    check(RUNS | LARGER if '--larger' in sys.argv else RUNS)
    if '--mutants' in sys.argv: sys.exit(bool(mutants()))
