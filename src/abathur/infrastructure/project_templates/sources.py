"""Where a template comes from: built in, a folder, or a git repository.

From a repository nothing is checked out: its files are read from the object store, so that neither
hooks nor filters, links nor submodules of it ever come to life.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from abathur.domain.errors import ConfigError, GitError, InvalidInputError, NotFoundError
from abathur.domain.project_templates import (
    MAX_BYTES,
    MAX_FILES,
    NAME,
    Template,
    digest,
    is_taken,
)
from abathur.infrastructure.git.commands import Git

METADATA: Final = "template.yaml"
PROTOCOLS: Final = "file:git:http:https:ssh"
_URL: Final = re.compile(r"(?:https?|ssh|git|file)://[^\s\0-\x1f]+|[\w.-]+@[\w.-]+:[^\s\0-\x1f]+")
_REF: Final = re.compile(r"[A-Za-z0-9][\w./+-]*")
_SHORT: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class _Content:
    files: Mapping[str, bytes]
    metadata: bytes | None
    left_out: tuple[str, ...]
    commit: str | None = None


def built_in_names() -> tuple[str, ...]:
    place = resources.files("abathur.infrastructure.project_templates") / "builtin"
    return tuple(sorted(one.name for one in place.iterdir() if not one.name.startswith("_")))


def is_built_in(path: str, content: bytes) -> bool:
    """Whether it is a file that this version brings itself: nobody need be asked about it."""
    place = resources.files("abathur.infrastructure.project_templates") / "builtin"
    for name in built_in_names():
        file = (place / name).joinpath(*path.split("/"))
        if file.is_file() and file.read_bytes() == content:
            return True
    return False


async def find_template(named: str, start: Path) -> Template:
    """`named` is a built-in name, a folder, or a URL, with `@REF` behind it if wanted.

    Raises `NotFoundError`, `InvalidInputError`, `ConfigError`, `GitError`.
    """
    if named in built_in_names():
        place = resources.files("abathur.infrastructure.project_templates") / "builtin" / named
        with resources.as_file(place) as folder:
            return _template(_of_folder(folder), named, None, named)
    url, ref = divided(named)
    if _URL.fullmatch(url):
        return _template(await _of_repository(url, ref), _public(url), ref, _name_of(url))
    folder = (start / Path(named).expanduser()).resolve()
    if folder.is_dir():
        return _template(_of_folder(folder), str(folder), None, folder.name)
    if _SHORT.fullmatch(url):
        whole = f"https://github.com/{url}"
        return _template(await _of_repository(whole, ref), whole, ref, _name_of(url))
    known = ", ".join(built_in_names())
    raise NotFoundError(
        f"no template `{named}`: it is no folder, no URL, and none of the built-in ones ({known})"
    )


def divided(named: str) -> tuple[str, str | None]:
    """The URL and the ref behind it. Raises `InvalidInputError` for a ref that can't be one."""
    url, ref = named, None
    for pattern in (r"(.+\.git)@(.+)", r"(.+)@([^/:@]+)"):
        if ref is None and (match := re.fullmatch(pattern, named)):
            url, ref = match[1], match[2]
    if ref is not None and (not _REF.fullmatch(ref) or ".." in ref):
        raise InvalidInputError(f"template: `{ref}` is no name of a branch or tag")
    return url, ref


def _public(url: str) -> str:
    """Without a name or token in it: the record belongs to the repository."""
    return re.sub(r"^(https?://)[^/@]*@", r"\1", url)


def _name_of(url: str) -> str:
    name = url.rstrip("/").removesuffix(".git").replace(":", "/").rpartition("/")[2]
    return name if NAME.fullmatch(name) else "template"


def _template(content: _Content, source: str, ref: str | None, name: str) -> Template:
    """Raises `ConfigError` when it holds nothing of use."""
    told = _metadata(content.metadata, source)
    if not content.files:
        raise ConfigError(
            f"{source}: it has no agent definitions, in .claude/agents or .abathur/agents; "
            "is it a template?"
        )
    named = str(told.get("name") or name)
    if not NAME.fullmatch(named):
        raise ConfigError(f"{source}: {METADATA}: name: `{named}` can't be a name")
    version = told.get("version") or (content.commit or _digest_of(content.files))[:12]
    return Template(
        name=named,
        version=str(version),
        description=str(told.get("description") or ""),
        source=source,
        ref=ref,
        commit=content.commit,
        files=content.files,
        left_out=content.left_out,
    )


def _digest_of(files: Mapping[str, bytes]) -> str:
    return digest(b"".join(path.encode() + content for path, content in sorted(files.items())))


def _metadata(text: bytes | None, source: str) -> Mapping[str, Any]:
    """Templates of the older version have none."""
    from abathur.infrastructure.yaml_text import parse_yaml

    if text is None:
        return {}
    try:
        value = parse_yaml(text.decode("utf-8-sig"), f"{source}/{METADATA}")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source}/{METADATA}: isn't UTF-8 text; save it as UTF-8") from error
    if not isinstance(value, Mapping):
        raise ConfigError(f"{source}/{METADATA}:1: keys with values are expected")
    return value


# --- a folder -----------------------------------------------------------------------------


def _of_folder(folder: Path) -> _Content:
    files: dict[str, bytes] = {}
    left_out: list[str] = []
    metadata = folder / METADATA
    for path, file in _walk(folder):
        if not is_taken(path):
            left_out.append(path)
        else:
            _put(files, path, file.read_bytes() if file.stat().st_size <= MAX_BYTES else None)
    is_there = metadata.is_file() and metadata.stat().st_size <= MAX_BYTES
    return _Content(files, metadata.read_bytes() if is_there else None, tuple(left_out))


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Only what a project could have of it. Links aren't followed."""
    for top in (".claude", ".abathur", ".mcp.json"):
        place = folder / top
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_file() and not file.is_symlink() and file.resolve() == _plain(folder, file):
                yield file.relative_to(folder).as_posix(), file


def _plain(folder: Path, file: Path) -> Path:
    return folder.resolve() / file.relative_to(folder)


def _put(files: dict[str, bytes], path: str, content: bytes | None) -> None:
    if content is None:
        raise ConfigError(f"{path}: is over {MAX_BYTES} bytes long; a template has no such files")
    files[path] = content
    if len(files) > MAX_FILES:
        raise ConfigError(f"the template has over {MAX_FILES} files; is it the right place?")


# --- a repository -------------------------------------------------------------------------


async def _of_repository(url: str, ref: str | None) -> _Content:
    """Raises `GitError`."""
    with tempfile.TemporaryDirectory(prefix="abathur-template-") as place:
        git = Git(Path(place))
        env = {"GIT_ALLOW_PROTOCOL": PROTOCOLS}
        await git.run("init", "-q", "--bare", "--template=", ".")
        try:
            await git.run(
                *("fetch", "-q", "--depth=1", "--no-tags", "--no-recurse-submodules"),
                *("--end-of-options", url, ref or "HEAD"),
                env=env,
            )
        except GitError as error:
            raise _unfetched(_public(url), ref, str(error)) from error
        commit = (await git.run("rev-parse", "--verify", "FETCH_HEAD^{commit}")).text
        return await _read_commit(git, commit)


def _unfetched(url: str, ref: str | None, said: str) -> GitError:
    if "couldn't find remote ref" in said:
        missing = f"there is no branch or tag `{ref}`" if ref else "there is no commit yet"
        return GitError(f"{missing} in {url}; `git ls-remote` shows what is there")
    reason = said.partition("fatal: ")[2].partition("; ")[0].rstrip(". ") or said
    return GitError(
        f"the template can't be fetched from {url}: {reason}; check the address, and that git may "
        "read it without asking for a password"
    )


async def _read_commit(git: Git, commit: str) -> _Content:
    listed = await git.run("ls-tree", "-rlz", commit)
    files: dict[str, bytes] = {}
    left_out: list[str] = []
    metadata = None
    for entry in listed.fields:
        head, _, name = entry.partition(b"\t")
        mode, _, blob, size = head.split()
        path = name.decode(errors="replace")
        is_plain = mode in {b"100644", b"100755"}
        if path == METADATA and is_plain and int(size) <= MAX_BYTES:
            metadata = (await git.run("cat-file", "blob", blob.decode())).stdout
        elif is_plain and is_taken(path):
            content = None
            if int(size) <= MAX_BYTES:
                content = (await git.run("cat-file", "blob", blob.decode())).stdout
            _put(files, path, content)
        elif path.startswith((".claude/", ".abathur/")) or path == ".mcp.json":
            left_out.append(path)
    return _Content(files, metadata, tuple(left_out), commit)
