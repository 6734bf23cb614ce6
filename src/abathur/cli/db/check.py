"""`abathur db check`: is the database sound, and can it be fixed?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from abathur import bootstrap
from abathur.bootstrap import care
from abathur.cli import output
from abathur.cli.context import json_option, run
from abathur.cli.db.existing import existing
from abathur.cli.exit_codes import BAD_ANSWER, OK
from abathur.cli.text import clean
from abathur.domain.errors import DatabaseCorruptError, InvalidInputError, RefusedError
from abathur.domain.wording import count

if TYPE_CHECKING:
    from abathur.domain.problems import Fix, Problem
    from abathur.ports.stores import Stores


OF_THE_FILE: Final = frozenset({"file_damaged", "file_unreadable"})
"""Code words of damage that reaches deeper than rows."""


@dataclass
class Found:
    problems: Sequence[Problem] = ()
    fixes: Sequence[Fix] = ()
    backup: Path | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    full: bool
    fix: bool
    dry_run: bool
    no_backup: bool
    found: Found = field(default_factory=Found)


@click.command()
@click.option(
    "--full",
    is_flag=True,
    help="Also compare all indexes and verify the audit trail; slow.",
)
@click.option("--fix", is_flag=True, help="Fix what can be fixed, after a backup.")
@click.option("--dry-run", is_flag=True, help="With --fix: only show what would be changed.")
@click.option("--no-backup", is_flag=True, help="With --fix: make no backup first.")
@click.option("--undo", is_flag=True, help="Put back the state from before the last --fix.")
@json_option
def check(full: bool, fix: bool, dry_run: bool, no_backup: bool, undo: bool, as_json: bool) -> int:
    """Look for damage, and fix it on request. Exit code 1 when some is left."""
    if (dry_run or no_backup) and not fix:
        raise InvalidInputError("--dry-run and --no-backup need --fix")
    if undo:
        if fix or full:
            raise InvalidInputError("--undo stands alone; leave out --fix and --full")
        return _undo(as_json)
    found = run(_check, Wanted(full, fix, dry_run, no_backup))
    if as_json:
        output.write_json(_shape(found))
    else:
        _tell(found, fix)
    return BAD_ANSWER if found.problems else OK


async def _check(wanted: Wanted) -> Found:
    project = existing()
    in_log = care.log_problems(project)
    async with bootstrap.open_database(project, only_reads=not wanted.fix) as database:
        found = Found([*in_log, *await _look(database, wanted)], dry_run=wanted.dry_run)
        if not wanted.fix:
            return found
        from abathur.cli.db.fixing import fix, rehearse

        _refuse_damaged(found.problems)
        if wanted.dry_run:
            found.fixes = await rehearse(database)
            return found
        if any(problem.fixable for problem in found.problems):
            found.backup = None if wanted.no_backup else await _backup(database, project)
            found.fixes = await fix(database)
        found.problems = await _look(database, wanted)
        return found


async def _look(database: Any, wanted: Wanted) -> list[Problem]:
    problems: list[Problem] = await database.check(wanted.full)
    if not wanted.full or any(problem.table is None for problem in problems):
        return problems
    return [*problems, *await database.read(_broken_trails)]


def _broken_trails(stores: Stores) -> list[Problem]:
    from abathur.domain.problems import Problem
    from abathur.services.verifying import verify

    try:
        breaks = verify(stores).breaks
    except DatabaseCorruptError as error:
        return [Problem(code="trail_unread", text=str(error), table="audit")]
    return [
        Problem(
            code="trail_broken",
            text=str(one),
            table="audit",
            key=None if one.row is None else str(one.row),
            task_id=one.task_id,
        )
        for one in breaks
        if one.task_id  # gaps are found without reading the trail
    ]


def _refuse_damaged(problems: Sequence[Problem]) -> None:
    if any(problem.table is None for problem in problems):
        raise RefusedError(
            "not only rows are damaged, so they can't be fixed; go back to a backup with "
            "`abathur db restore`, or recover what is left of a file with `abathur db recover`"
        )


async def _backup(database: Any, project: bootstrap.Project) -> Path:
    from abathur.cli.context import now

    target = care.aside(project, "before-fix", now())
    await database.backup(target)
    return target


def _undo(as_json: bool) -> int:
    from abathur.cli.db.restore import put_back

    project = existing()
    copies = care.copies_aside(project, "before-fix")
    if not copies:
        raise RefusedError(
            f"no backup of a --fix lies in {care.kept_as(project).parent}, so there is nothing to "
            "undo"
        )
    put_back(project, copies[-1], as_json=as_json, only_fixes=True)
    return OK


def _tell(found: Found, fix: bool) -> None:
    if found.backup is not None:
        output.say(f"Backed up to {clean(str(found.backup))}")
    for one in found.fixes:
        output.write_lines([clean(line) for line in _lines(one)])
    if fix:
        done = "would be fixed" if found.dry_run else "fixed"
        output.say(f"{count(len(found.fixes), 'row')} {done}.")
    left = [one for one in found.problems if not (found.dry_run and one.fixable)]
    if left or not found.fixes:
        output.write_lines([_line(problem) for problem in left] or ["no problems found"])
    _advise(left, tried=fix and not found.dry_run)


def _advise(left: Sequence[Problem], *, tried: bool) -> None:
    if any(problem.code in OF_THE_FILE for problem in left):
        output.say(
            "Go back to a backup with `abathur db restore`, or recover what is left with "
            "`abathur db recover`."
        )
    for code, advice in {one.code: one.advice for one in left if one.advice}.items():
        output.say(f"{code}: {advice}.")
    if any(problem.fixable for problem in left):
        output.say(
            "Those marked with * are left as they are: what would prove how to fix them is damaged "
            "too. `abathur audit verify` tells more; `abathur db restore` puts a backup back."
            if tried
            else "Those marked with * can be fixed: `abathur db check --fix --dry-run` shows how."
        )


def _line(problem: Problem) -> str:
    mark = " *" if problem.fixable else ""
    return clean(f"{problem.code}: {problem.text}{mark}")


def _lines(fix: Fix) -> list[str]:
    about = fix.problem
    if fix.after is None:
        return [about.text, f"  removed from {about.table}"]
    after = fix.after
    if not fix.before:
        made = (f"  {name}: {_shown(value)}" for name, value in after.items())
        return [about.text, f"  made in {about.table}", *made]
    names = [name for name in fix.before if name != "last_updated_at"]
    changes = ((name, _shown(fix.before[name]), _shown(after[name])) for name in names)
    return [about.text, *(f"  {name}: {old} -> {new}" for name, old, new in changes)]


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)


def _shape(found: Found) -> dict[str, Any]:
    from abathur.cli import shape_fields_database as fields
    from abathur.cli.shapes import pick

    return {
        "ok": not found.problems,
        "problems": [pick(fields.PROBLEM, problem) for problem in found.problems],
        "dry_run": found.dry_run,
        "backup": None if found.backup is None else str(found.backup),
        "fixes": [
            pick(
                fields.FIX,
                fix.problem,
                before=dict(fix.before),
                after=None if fix.after is None else dict(fix.after),
            )
            for fix in found.fixes
        ],
    }
