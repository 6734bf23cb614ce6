"""Which attempt a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abathur.domain.errors import NotFoundError

if TYPE_CHECKING:
    from abathur.domain.runs import Attempt
    from abathur.ports.stores import Stores


def find_attempt(stores: Stores, text: str, number: int | None) -> Attempt:
    """The one with the number, else the newest. Raises `NotFoundError`."""
    from abathur.services.reading import get_task

    task = get_task(stores, text)
    attempt = stores.attempts.get(task.id, number or task.attempt_count)
    if attempt is not None:
        return attempt
    if not task.attempt_count:
        raise NotFoundError(
            f"task {task.id} hasn't been started yet; `abathur why {task.id}` tells why"
        )
    raise NotFoundError(f"task {task.id} has no attempt {number}; it has {task.attempt_count}")
