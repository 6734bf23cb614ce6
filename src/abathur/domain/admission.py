"""What may be claimed now: holds, limits on concurrency, used-up pools and reserved paths.

Being refused is no status: a refused task stays ready, spends nothing, and is claimed as soon as
nothing refuses it any more. Others pass it by meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from abathur.domain.budgets import UNBUDGETED
from abathur.domain.concurrency import Limits
from abathur.domain.hosts import machine_of, pool_of
from abathur.domain.patterns import overlap
from abathur.domain.records import record
from abathur.domain.wording import short

if TYPE_CHECKING:
    from abathur.domain.budgets import SpendingRules
    from abathur.domain.closed_targets import Closure


class HoldScope(StrEnum):
    EVERYTHING = "everything"
    TARGET = "target"
    TASK = "task"
    AGENT_TYPE = "agent_type"
    HOST = "host"
    """What would run there; others may run it."""


class HoldCause(StrEnum):
    PERSON = "person"
    BUDGET = "budget"
    DISK = "disk"
    AUTHENTICATION = "authentication"


@record
class Hold:
    """Keeps tasks of its scope from being claimed. What runs goes on."""

    id: str
    scope: HoldScope
    name: str
    """Of the target, task, agent type or host; empty for everything."""
    cause: HoldCause
    reason: str
    hold_until: datetime | None
    """It ends by itself then; None when somebody has to end it."""
    created_by: str
    created_at: datetime

    def is_active(self, now: datetime) -> bool:
        return self.hold_until is None or self.hold_until > now

    def covers(self, task: Candidate) -> bool:
        """Whether the task is in its scope; one that names no target isn't in that of a target.

        Nor is any in that of a host before it runs there.
        """
        names = {
            HoldScope.TARGET: task.target,
            HoldScope.TASK: task.id,
            HoldScope.AGENT_TYPE: task.agent_type,
            HoldScope.HOST: task.host and machine_of(task.host),
        }
        return self.scope is HoldScope.EVERYTHING or names[self.scope] == self.place

    @property
    def place(self) -> str:
        """What is held, by the name that people use: that of a host may have marks behind it."""
        return machine_of(self.name) if self.scope is HoldScope.HOST else self.name

    @property
    def stops_landing(self) -> bool:
        """A person who pauses a target wants it left alone; the other causes are about agents."""
        return self.scope is HoldScope.TARGET and self.cause is HoldCause.PERSON


def _in_no_pool(agent_type: str) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRules:
    """What the swarm knows and the database doesn't: its configuration, and where it runs."""

    limits: Limits = field(default_factory=Limits)
    host: str = ""
    default_target: str | None = None
    """Where work lands that names no target."""
    may_overlap: bool = False
    """Whether tasks run at once although they declare the same paths."""
    pools_of: Callable[[str], Collection[str]] = _in_no_pool
    """Agent type -> the pools that its runs draw on, as `PROVIDER/ACCOUNT`."""
    spending: SpendingRules = UNBUDGETED
    closure: Callable[[str], Closure | None] | None = None
    """Target -> why nothing can land on it at the moment. None is for who doesn't know targets."""

    def closed(self, targets: Iterable[str | None]) -> frozenset[str]:
        """Those on which nothing can land at the moment."""
        return frozenset(self.closures(targets))

    def closures(self, targets: Iterable[str | None]) -> Mapping[str, Closure]:
        """The same, with what is wrong with each."""
        if self.closure is None:
            return {}
        found = {one: self.closure(one) for one in set(targets) if one is not None}
        return {one: closure for one, closure in found.items() if closure is not None}

    @property
    def host_pool(self) -> str:
        return pool_of(self.host)

    @property
    def restricts(self) -> bool:
        """Whether any task may be refused although the database holds nothing against it."""
        return bool(self.limits or self.spending.budgets)


UNLIMITED: Final = AdmissionRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrictions:
    """What the database holds against claiming at a moment."""

    holds: Sequence[Hold] = ()
    """The active ones."""
    exhausted: Mapping[str, datetime] = field(default_factory=dict)
    """Pools that are used up, as `PROVIDER/ACCOUNT` -> until when."""
    failing: frozenset[str] = frozenset()
    """Of those and the half-open ones, which gave no answer; the others counted too much."""
    half_open: frozenset[str] = frozenset()
    """Pools of which one run tries whether they are open again."""
    has_allowances: bool = False
    """Whether any task, target or day has a budget of its own."""
    has_reservations: bool = False
    """Whether any task at all declares paths."""

    def __bool__(self) -> bool:
        return bool(
            self.holds
            or self.exhausted
            or self.half_open
            or self.has_allowances
            or self.has_reservations
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A ready task, or a running one: as much of it as admission looks at."""

    id: str
    agent_type: str
    target: str | None
    """None when it names none: see `AdmissionRules.default_target`."""
    rank: int = 0
    touches: tuple[str, ...] = ()
    may_overlap: bool = False
    host: str | None = None
    """Where its agent is at work; None when it has none, as while its work is landing."""


@record
class Overlap:
    """What a task has changed although another one, still under way, declared or changed it too."""

    task_id: str
    attempt: int
    other_task_id: str
    paths: tuple[str, ...]
    """The first of them."""
    found_at: datetime


class RefusalKind(StrEnum):
    HOLD = "hold"
    LIMIT = "limit"
    POOL = "pool"
    RESERVATION = "reservation"
    BUDGET = "budget"
    TARGET = "target"
    """Nothing can land on it: it is protected, or isn't there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a ready task may not be claimed now."""

    kind: RefusalKind
    text: str
    """Ends the sentence `It is ready, but ...`; without a full stop."""
    until: datetime | None = None
    """When it ends by itself; None when it takes a person, or the end of another task."""
    hold: Hold | None = None
    task_id: str | None = None
    """The task that has reserved the paths."""
    scope: HoldScope | None = None
    """What is refused as a whole; None when only tasks that touch `name` are."""
    name: str = ""
    """Of the target, task or agent type; or the pattern that overlaps."""
    advice: str = ""
    """What a person can do about it, where that doesn't follow from the kind."""


class Gate(Protocol):
    """A further reason against claiming. What it refuses once, it goes on refusing."""

    def refuses(self, task: Candidate) -> Refusal | None: ...

    def take(self, task: Candidate) -> None: ...


class ProbeGate:
    """Lets one task through to a pool of which it isn't known whether it is open again."""

    def __init__(self, rules: AdmissionRules, half_open: Collection[str]) -> None:
        self._rules, self._half_open = rules, half_open
        self._taken: set[str] = set()

    def refuses(self, task: Candidate) -> Refusal | None:
        tried = [pool for pool in self._pools(task) if pool in self._taken]
        if not tried:
            return None
        return Refusal(
            kind=RefusalKind.POOL,
            text=f"another task tries first whether `{tried[0]}` answers again",
            scope=HoldScope.AGENT_TYPE,
            name=task.agent_type,
        )

    def refuses_all(self) -> Refusal | None:
        if self._rules.host_pool not in self._taken:
            return None
        return Refusal(
            kind=RefusalKind.POOL,
            text="another task tries first whether worktrees can be prepared again on host "
            f"`{machine_of(self._rules.host)}`",
            scope=HoldScope.EVERYTHING,
        )

    def take(self, task: Candidate) -> None:
        self._taken.update(self._pools(task))

    def _pools(self, task: Candidate) -> Collection[str]:
        if not self._half_open:
            return ()
        drawn = (self._rules.host_pool, *self._rules.pools_of(task.agent_type))
        return [pool for pool in drawn if pool in self._half_open]


class Admission:
    """Decides about one task after another; `take` counts in those that are claimed."""

    def __init__(
        self,
        rules: AdmissionRules,
        restrictions: Restrictions,
        running: Iterable[Candidate] = (),
        gates: Iterable[Gate] = (),
    ) -> None:
        self.rules, self.restrictions = rules, restrictions
        self._probes = ProbeGate(rules, restrictions.half_open)
        self._gates = (self._probes, *gates)
        self._holds = {
            (hold.scope, hold.place): hold for hold in _lasting_first(restrictions.holds)
        }
        self._agent_types: Counter[str] = Counter()
        self._targets: Counter[str | None] = Counter()
        self._closures: dict[str, Closure | None] = {}
        self._host = 0
        self._reserved: list[Candidate] = []
        for task in running:
            self._count(task, task.host)

    def target_of(self, task: Candidate) -> str | None:
        return task.target or self.rules.default_target

    def take(self, task: Candidate) -> None:
        """Count a task as running here from now on."""
        self._count(task, self.rules.host)
        for gate in self._gates:
            gate.take(task)

    def _count(self, task: Candidate, host: str | None) -> None:
        if host is not None:
            self._agent_types[task.agent_type] += 1
            self._targets[self.target_of(task)] += 1
            self._host += machine_of(host) == machine_of(self.rules.host)
        if task.touches:
            self._reserved.append(task)

    def refuses(self, task: Candidate) -> Refusal | None:
        """The first reason against claiming the task now, None when it may be claimed."""
        return (
            self.refuses_all()
            or self._held(HoldScope.TARGET, self.target_of(task) or "")
            or self._held(HoldScope.AGENT_TYPE, task.agent_type)
            or self._held(HoldScope.TASK, task.id)
            or self._closed(self.target_of(task))
            or self._exhausted(task.agent_type)
            or self._agent_type_full(task.agent_type)
            or self._target_full(self.target_of(task))
            or self._reserved_by_another(task)
            or next((no for gate in self._gates if (no := gate.refuses(task))), None)
        )

    def refuses_all(self) -> Refusal | None:
        """What is against claiming anything."""
        return (
            self._held(HoldScope.EVERYTHING, "")
            or self._held(HoldScope.HOST, machine_of(self.rules.host))
            or self._host_out()
            or self._probes.refuses_all()
            or self._host_full()
        )

    def _held(self, scope: HoldScope, name: str) -> Refusal | None:
        hold = self._holds.get((scope, name))
        if hold is None:
            return None
        return Refusal(
            kind=RefusalKind.HOLD,
            text=hold_text(hold),
            until=hold.hold_until,
            hold=hold,
            scope=scope,
            name=name,
        )

    def _closed(self, target: str | None) -> Refusal | None:
        if target is None or self.rules.closure is None:
            return None
        if target not in self._closures:
            self._closures[target] = self.rules.closure(target)
        closure = self._closures[target]
        if closure is None:
            return None
        return Refusal(
            kind=RefusalKind.TARGET,
            text=closure.text,
            scope=HoldScope.TARGET,
            name=target,
            advice=closure.step,
        )

    def _exhausted(self, agent_type: str) -> Refusal | None:
        if not self.restrictions.exhausted:
            return None
        used_up = [
            (until, pool)
            for pool in self.rules.pools_of(agent_type)
            if (until := self.restrictions.exhausted.get(pool)) is not None
        ]
        if not used_up:
            return None
        until, pool = max(used_up)
        what, how = ("the limit of", "is used up")
        if pool in self.restrictions.failing:
            what, how = ("the provider", "can't be reached or fails")
        return Refusal(
            kind=RefusalKind.POOL,
            text=f"{what} `{pool}`, which agents of type `{agent_type}` draw on, {how}",
            until=until,
            scope=HoldScope.AGENT_TYPE,
            name=agent_type,
        )

    def _host_out(self) -> Refusal | None:
        until = self.restrictions.exhausted.get(self.rules.host_pool)
        if until is None:
            return None
        return Refusal(
            kind=RefusalKind.POOL,
            text=f"worktrees can't be prepared on host `{machine_of(self.rules.host)}`: the "
            "network, a server or the disk that this needs has failed",
            until=until,
            scope=HoldScope.EVERYTHING,
        )

    def _agent_type_full(self, agent_type: str) -> Refusal | None:
        limit = self.rules.limits.agent_types.get(agent_type)
        if limit is None or self._agent_types[agent_type] < limit:
            return None
        return _full(limit, f"of type `{agent_type}`", HoldScope.AGENT_TYPE, agent_type)

    def _target_full(self, target: str | None) -> Refusal | None:
        limit = None if target is None else self.rules.limits.targets.get(target)
        if target is None or limit is None or self._targets[target] < limit:
            return None
        return _full(limit, f"for target `{target}`", HoldScope.TARGET, target)

    def _host_full(self) -> Refusal | None:
        limit = self.rules.limits.host
        if limit is None or self._host < limit:
            return None
        return _full(limit, "on this host", HoldScope.EVERYTHING, "")

    def _reserved_by_another(self, task: Candidate) -> Refusal | None:
        if self.rules.may_overlap or task.may_overlap:
            return None
        for mine in task.touches:
            for other in self._reserved:
                theirs = next((one for one in other.touches if overlap(mine, one)), None)
                if theirs is not None and other.id != task.id:
                    return _reserved(mine, theirs, other.id)
        return None


def hold_text(hold: Hold) -> str:
    """What is held, and why: `target `main` is paused by cli:eve: release week`."""
    name = f"`{hold.name}`"
    what = {
        HoldScope.EVERYTHING: "everything",
        HoldScope.TARGET: f"target {name}",
        HoldScope.AGENT_TYPE: f"agent type {name}",
        HoldScope.TASK: "it",
        HoldScope.HOST: f"host {name}",
    }[hold.scope]
    how = {
        HoldCause.PERSON: f"is paused by {hold.created_by}",
        HoldCause.BUDGET: "has used up its budget",
        HoldCause.DISK: "waits for room on the disk",
        HoldCause.AUTHENTICATION: "can't work",
    }[hold.cause]
    return f"{what} {how}: {hold.reason}" if hold.reason else f"{what} {how}"


def _lasting_first(holds: Iterable[Hold]) -> list[Hold]:
    """Those that end first come first, so that of several on one name the longest one is told."""
    timed = [hold for hold in holds if hold.hold_until is not None]
    timed.sort(key=lambda hold: hold.hold_until or hold.created_at)
    return [*timed, *(hold for hold in holds if hold.hold_until is None)]


def _full(limit: int, what: str, scope: HoldScope, name: str) -> Refusal:
    agents = "1 agent" if limit == 1 else f"{limit} agents"
    text = f"no more than {agents} {what} may be at work at once"
    return Refusal(kind=RefusalKind.LIMIT, text=text, scope=scope, name=name)


def _reserved(mine: str, theirs: str, task_id: str) -> Refusal:
    text = f"its `{mine}` overlaps with `{theirs}`, which task {short(task_id)} is working on"
    return Refusal(kind=RefusalKind.RESERVATION, text=text, task_id=task_id, name=mine)
