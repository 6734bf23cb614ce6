"""Which memories, sessions and documents a run may reach: what belongs to its work."""

from __future__ import annotations

from fnmatch import fnmatchcase

from abathur.domain.errors import NotFoundError, RefusedError
from abathur.domain.memories import SEPARATOR
from abathur.domain.sessions import MADE_BY
from abathur.domain.settings import McpSettings
from abathur.domain.tasks import Task
from abathur.ports.stores import Stores
from abathur.services.delegating import descends, may_read

OF_TASK = "task"
OF_AGENT = "agent"
OF_USER = "user"


def check_writable(stores: Stores, own: Task, namespace: str, settings: McpSettings) -> None:
    """A run writes into the namespaces of its own task, of those below it, and shared ones.

    Raises `RefusedError`.
    """
    kind, _, rest = namespace.partition(SEPARATOR)
    owner = rest.partition(SEPARATOR)[0]
    if kind == OF_TASK:
        task = stores.tasks.get(owner)
        is_own = task is not None and descends(stores, task, own.id)
    else:
        is_own = kind == OF_AGENT and owner == own.agent_type
    if not is_own and not any(fnmatchcase(namespace, one) for one in settings.namespaces):
        shared = ", ".join(f"`{one}`" for one in settings.namespaces)
        raise RefusedError(
            f"namespace: an agent writes into `task:{own.id}:...`, the namespaces of tasks that it"
            f" has added, `agent:{own.agent_type}:...` and {shared}, not into `{namespace[:100]}`"
        )


def check_document(stores: Stores, own: Task, file_path: str, settings: McpSettings) -> None:
    """A run changes documents only where it might have put them. Raises `RefusedError`."""
    there = stores.documents.get(file_path)
    if there is None:
        return
    try:
        check_writable(stores, own, there.namespace, settings)
    except RefusedError as error:
        raise RefusedError(
            f"file_path: `{file_path[:100]}` is indexed already, and isn't an agent's to change;"
            " take another name, or a memory"
        ) from error


def is_readable(stores: Stores, own: Task, namespace: str) -> bool:
    """All but what belongs to a person, or to tasks that the run may not see."""
    kind, _, rest = namespace.partition(SEPARATOR)
    if kind == OF_USER:
        return False
    if kind != OF_TASK:
        return True
    task = stores.tasks.get(rest.partition(SEPARATOR)[0])
    return task is not None and may_read(stores, own, task)


def check_readable(stores: Stores, own: Task, namespace: str) -> None:
    """Raises `NotFoundError`, as if it weren't there."""
    if not is_readable(stores, own, namespace):
        raise NotFoundError(
            f"no memories of `{namespace[:100]}` belong to the work on `{own.feature_branch}`"
        )


def check_named_session(stores: Stores, own: Task, session_id: object) -> None:
    """A task that an agent adds names no session that the agent itself may not see.

    Raises `NotFoundError`.
    """
    if isinstance(session_id, str) and stores.sessions.get(session_id) is not None:
        check_session(stores, own, session_id)


def check_session(stores: Stores, own: Task, session_id: str) -> None:
    """Sessions that its task names, or that are linked to or made by tasks that it may see.

    Raises `NotFoundError`.
    """
    if own.input_data.get("session_id") == session_id:
        return
    ids = [one.task_id for one in stores.sessions.tasks(session_id)]
    session = stores.sessions.get(session_id)
    if session is not None and isinstance(maker := session.metadata.get(MADE_BY), str):
        ids.append(maker)
    if not any(may_read(stores, own, task) for task in stores.tasks.get_many(ids)):
        raise NotFoundError(f"no session {session_id[:100]} belongs to this work")
