"""The queue's store."""

from abathur.infrastructure.database.database import Database

__all__ = ["Database"]
