"""Rows to domain values and back, over named SQL. Written once for every engine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from abathur.infrastructure.database.signs import SignIndexes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from abathur.infrastructure.database.engines.base import Session
    from abathur.infrastructure.database.stores.admission import SqlAdmission
    from abathur.infrastructure.database.stores.agent_runs import SqlAgentRuns
    from abathur.infrastructure.database.stores.attempts import SqlAttempts
    from abathur.infrastructure.database.stores.audit import SqlAudit
    from abathur.infrastructure.database.stores.claims import SqlClaims
    from abathur.infrastructure.database.stores.costs import SqlCosts
    from abathur.infrastructure.database.stores.documents import SqlDocuments
    from abathur.infrastructure.database.stores.figures import SqlFigures
    from abathur.infrastructure.database.stores.gates import SqlGates
    from abathur.infrastructure.database.stores.graph import SqlGraph
    from abathur.infrastructure.database.stores.landings import SqlLandings
    from abathur.infrastructure.database.stores.legacy import SqlLegacy
    from abathur.infrastructure.database.stores.loops import SqlLoops
    from abathur.infrastructure.database.stores.many import SqlMany
    from abathur.infrastructure.database.stores.memories import SqlMemories
    from abathur.infrastructure.database.stores.overview import SqlOverview
    from abathur.infrastructure.database.stores.passages import SqlPassages
    from abathur.infrastructure.database.stores.pools import SqlPools
    from abathur.infrastructure.database.stores.reviews import SqlReviews
    from abathur.infrastructure.database.stores.schedules import SqlSchedules
    from abathur.infrastructure.database.stores.sessions import SqlSessions
    from abathur.infrastructure.database.stores.tasks import SqlTasks
    from abathur.infrastructure.database.stores.upkeep import SqlUpkeep
    from abathur.infrastructure.database.stores.vectors import SqlVectors
    from abathur.infrastructure.database.stores.workers import SqlWorkers

    MakeVectors: TypeAlias = Callable[[Session, SignIndexes], SqlVectors]

_CLASSES: Final = {
    "tasks": "SqlTasks",
    "claims": "SqlClaims",
    "admission": "SqlAdmission",
    "graph": "SqlGraph",
    "attempts": "SqlAttempts",
    "landings": "SqlLandings",
    "gates": "SqlGates",
    "reviews": "SqlReviews",
    "schedules": "SqlSchedules",
    "workers": "SqlWorkers",
    "audit": "SqlAudit",
    "upkeep": "SqlUpkeep",
    "legacy": "SqlLegacy",
    "costs": "SqlCosts",
    "pools": "SqlPools",
    "overview": "SqlOverview",
    "figures": "SqlFigures",
    "memories": "SqlMemories",
    "passages": "SqlPassages",
    "documents": "SqlDocuments",
    "sessions": "SqlSessions",
    "loops": "SqlLoops",
    "agent_runs": "SqlAgentRuns",
    "vectors": "SqlVectors",
    "many": "SqlMany",
}
"""Store, which is also the name of its module, and its class."""


class SqlStores:
    """One transaction's stores: meets `ports.stores.Stores`.

    Each is imported when it is first asked for: a command needs a few of them, and importing all of
    them takes longer than most commands work.
    """

    tasks: SqlTasks
    claims: SqlClaims
    admission: SqlAdmission
    graph: SqlGraph
    attempts: SqlAttempts
    landings: SqlLandings
    gates: SqlGates
    reviews: SqlReviews
    schedules: SqlSchedules
    workers: SqlWorkers
    audit: SqlAudit
    upkeep: SqlUpkeep
    legacy: SqlLegacy
    costs: SqlCosts
    pools: SqlPools
    overview: SqlOverview
    figures: SqlFigures
    memories: SqlMemories
    passages: SqlPassages
    documents: SqlDocuments
    sessions: SqlSessions
    loops: SqlLoops
    agent_runs: SqlAgentRuns
    vectors: SqlVectors
    many: SqlMany

    def __init__(
        self, session: Session, indexes: SignIndexes, make_vectors: MakeVectors | None
    ) -> None:
        self._session, self._indexes, self._make_vectors = session, indexes, make_vectors

    def __getattr__(self, name: str) -> Any:
        """Called for what isn't there yet."""
        if name not in _CLASSES:
            raise AttributeError(f"no store is named {name}")
        if name == "vectors" and self._make_vectors is not None:
            store: Any = self._make_vectors(self._session, self._indexes)
        else:
            kind = getattr(import_module(f"{__name__}.{name}"), _CLASSES[name])
            more = (self._indexes,) if name == "vectors" else ()
            store = kind(self._session, *more)
        self.__dict__[name] = store
        return store


def open_stores(
    session: Session,
    indexes: SignIndexes | None = None,
    make_vectors: MakeVectors | None = None,
) -> SqlStores:
    """`indexes` are shared by all sessions of a database; `make_vectors` is an engine's own way."""
    return SqlStores(session, indexes or SignIndexes(), make_vectors)
