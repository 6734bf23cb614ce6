"""What every test stands on: a home, a git identity and an event loop of its own."""

import asyncio
import gc
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings

from abathur.infrastructure.database import Database
from tests import postgres, temporary

GIT_CONFIG = """\
[advice]
    detachedHead = false
[commit]
    gpgSign = false
[gc]
    auto = 0
[init]
    defaultBranch = main
[maintenance]
    auto = false
"""

# A loaded machine is slow at times: a slow example is not a wrong one.
settings.register_profile("abathur", deadline=None)
settings.load_profile("abathur")

# Thousands of tests and the modules they stand in stay to the end: looking for garbage among them,
# again and again while they are collected, is a third of the time that it takes.
gc.disable()


def pytest_configure() -> None:
    temporary.move_into_memory()
    _hear_keys()


def _hear_keys() -> None:
    """A shell lets what it starts in the background ignore them, and every child inherits that."""
    for one, heard in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGQUIT, signal.SIG_DFL),
    ):
        if signal.getsignal(one) is signal.SIG_IGN:
            signal.signal(one, heard)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def disk_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="abathur-", dir=temporary.on_disk()) as folder:
        yield Path(folder).resolve()


@pytest.fixture(scope="session", autouse=True)
def isolated_home(disk_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of this worker's own: no test reads or writes the user's files or git settings."""
    home = disk_folder / "home"
    home.mkdir()
    git_config = home / "gitconfig"
    git_config.write_text(GIT_CONFIG)
    runtime = home / "run"
    runtime.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("ABATHUR_", "GIT_"))]:
            patch.delenv(name)
        for name, value in {
            "HOME": home,
            "XDG_CACHE_HOME": home / ".cache",
            "XDG_CONFIG_HOME": home / ".config",
            "XDG_DATA_HOME": home / ".local" / "share",
            "XDG_RUNTIME_DIR": runtime,
            "XDG_STATE_HOME": home / ".local" / "state",
            "GIT_CONFIG_GLOBAL": git_config,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            # Repositories of the tests are their own.
            "ABATHUR_TRUST": f"{tmp_path_factory.getbasetemp()}{os.pathsep}{disk_folder}",
            "GIT_AUTHOR_NAME": "Ada Author",
            "GIT_AUTHOR_EMAIL": "author@example.org",
            "GIT_COMMITTER_NAME": "Carl Committer",
            "GIT_COMMITTER_EMAIL": "committer@example.org",
        }.items():
            patch.setenv(name, str(value))
        yield home


@pytest.fixture
def disk_path(disk_folder: Path) -> Iterator[Path]:
    """A folder as `tmp_path`, of which also those see something who look out of a sandbox."""
    with tempfile.TemporaryDirectory(dir=disk_folder) as folder:
        yield Path(folder)


@pytest.fixture
def git_repo(tmp_path: Path) -> Path:
    """A repository with one commit on `main`."""
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "README.md").write_text("# A project\n")
    for args in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "Start"]):
        subprocess.run(["git", *args], cwd=repo, check=True)
    return repo


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server: its database `postgres`."""
    base = tmp_path_factory.getbasetemp()
    # Workers of one run have their folders side by side.
    with postgres.shared_server(
        base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    ) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_cleaner(postgres_server: str) -> Iterator[postgres.Cleaner]:
    """A migrated database of this worker's own."""
    with postgres.made_database(postgres_server, f"tests_{os.getpid()}") as url:
        _make(url)
        cleaner = postgres.Cleaner(url)
        yield cleaner
        cleaner.close()


@pytest.fixture(scope="session")
def new_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Puts a new database there: a copy, as to run every migration takes 20 ms each time."""
    made = tmp_path_factory.mktemp("new") / "abathur.db"
    _make(made)

    def put(file: Path) -> Path:
        return Path(shutil.copy(made, file))

    return put


def _make(place: Path | str) -> None:
    async def migrate() -> None:
        async with Database(place, may_migrate=True):
            pass

    # On a thread, as a loop may be running here.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(migrate())).result()


@pytest.fixture
def postgres_url(postgres_cleaner: postgres.Cleaner) -> str:
    """The URL of a PostgreSQL database with empty tables."""
    postgres_cleaner.clean()
    return postgres_cleaner.url
