"""Questions to a person, in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from abathur.domain.errors import IllegalTransitionError
from abathur.domain.records import made
from abathur.domain.reviews import Review, ReviewKind, ReviewState
from abathur.infrastructure.database.codecs import json_of, moment, time_of
from abathur.infrastructure.database.stores.tasks import ABOVE_ALL_IDS

if TYPE_CHECKING:
    from abathur.infrastructure.database.engines.base import Row, Session


def review_of(row: Row) -> Review:
    row["kind"] = ReviewKind(row["kind"])
    row["state"] = ReviewState(row["state"])
    row["data"] = json_of(row["data"]) or {}
    row["asked_at"] = moment(row["asked_at"])
    row["decided_at"] = time_of(row["decided_at"])
    return made(Review, row)


class SqlReviews:
    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, review: Review) -> None:
        self._session.send("reviews_insert", vars(review))

    def save(self, review: Review) -> None:
        missing = IllegalTransitionError(
            f"review {review.id} was answered by somebody else meanwhile; look at it again"
        )
        self._session.save("reviews_save", None, missing, vars(review))

    def get(self, review_id: str) -> Review | None:
        row = self._session.fetch_one("reviews_get", id=review_id)
        return None if row is None else review_of(row)

    def of_task(self, task_id: str) -> Sequence[Review]:
        return [review_of(row) for row in self._session.fetch("reviews_of_task", task_id=task_id)]

    def open(self) -> Sequence[Review]:
        return [review_of(row) for row in self._session.fetch("reviews_open")]

    def recent(self, limit: int) -> Sequence[Review]:
        rows = self._session.fetch("reviews_recent", limit=limit)
        return [review_of(row) for row in reversed(rows)]

    def by_prefix(self, prefix: str, limit: int) -> Sequence[str]:
        rows = self._session.fetch(
            "reviews_by_prefix", low=prefix, high=prefix + ABOVE_ALL_IDS, limit=limit
        )
        return [row["id"] for row in rows]
