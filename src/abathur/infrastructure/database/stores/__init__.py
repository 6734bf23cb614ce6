"""Rows to domain values and back, over named SQL. Written once for every engine."""

from __future__ import annotations

from dataclasses import dataclass

from abathur.infrastructure.database.engines.base import Session
from abathur.infrastructure.database.signs import SignIndexes
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


@dataclass(frozen=True, slots=True)
class SqlStores:
    """One transaction's stores: meets `ports.stores.Stores`."""

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


def open_stores(session: Session, indexes: SignIndexes | None = None) -> SqlStores:
    """`indexes` are shared by all sessions of a database."""
    return SqlStores(
        tasks=SqlTasks(session),
        claims=SqlClaims(session),
        admission=SqlAdmission(session),
        graph=SqlGraph(session),
        attempts=SqlAttempts(session),
        landings=SqlLandings(session),
        gates=SqlGates(session),
        reviews=SqlReviews(session),
        schedules=SqlSchedules(session),
        workers=SqlWorkers(session),
        audit=SqlAudit(session),
        upkeep=SqlUpkeep(session),
        legacy=SqlLegacy(session),
        costs=SqlCosts(session),
        pools=SqlPools(session),
        overview=SqlOverview(session),
        figures=SqlFigures(session),
        memories=SqlMemories(session),
        passages=SqlPassages(session),
        documents=SqlDocuments(session),
        sessions=SqlSessions(session),
        loops=SqlLoops(session),
        agent_runs=SqlAgentRuns(session),
        vectors=SqlVectors(session, indexes or SignIndexes()),
    )
