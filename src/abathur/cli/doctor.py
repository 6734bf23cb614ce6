"""`abathur doctor`: is everything there that a swarm needs?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from abathur import bootstrap, safeguards
from abathur.bootstrap import Project, care, diagnosis
from abathur.bootstrap.supervision import admission_rules
from abathur.cli import output
from abathur.cli.context import app, json_option, run
from abathur.cli.exit_codes import BAD_ANSWER, OK
from abathur.cli.text import clean
from abathur.domain.errors import AbathurError, ConfigError, DatabaseError, GitError
from abathur.services.admitting import closures
from abathur.services.doctor import Check, Facts, InUse, Verdict, has_failed, in_use, judge

COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}
NAME_WIDTH = 14


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Check that everything needed is in order, and say what to do where it isn't.

    Exit code 1 when something fails; warnings don't count.
    """
    checks = judge(run(find_facts, app().start.resolve()))
    if as_json:
        output.write_json({"ok": not has_failed(checks), "checks": [_plain(one) for one in checks]})
    else:
        output.write_lines([line for one in checks for line in _lines(one)])
        output.write(_verdict(checks))
    return BAD_ANSWER if has_failed(checks) else OK


def _plain(check: Check) -> dict[str, str]:
    return {
        "name": check.name,
        "verdict": check.verdict,
        "text": check.text,
        "remedy": check.remedy,
    }


def _lines(check: Check) -> list[str]:
    mark = output.paint(f"{check.verdict:4}", COLOURS[check.verdict])
    first = f"{mark}  {clean(check.name):{NAME_WIDTH}}  {clean(check.text)}"
    gap = " " * (NAME_WIDTH + 8)
    return [first, f"{gap}-> {clean(check.remedy)}"] if check.remedy else [first]


def _verdict(checks: list[Check]) -> str:
    failed = sum(check.verdict is Verdict.FAIL for check in checks)
    warned = sum(check.verdict is Verdict.WARN for check in checks)
    if not failed and not warned:
        return "everything is in order"
    return f"{failed} failed, {warned} to look at, {len(checks)} checked"


async def find_facts(start: Path) -> Facts:
    facts = Facts(machine=await diagnosis.machine_facts(start))
    facts = await _with_repository(facts, start)
    try:
        project = bootstrap.load_project(start, database=app().database)
    except AbathurError as error:
        return replace(
            facts, project_problem=str(error), is_config_broken=isinstance(error, ConfigError)
        )
    facts = replace(
        facts, project=project.folder, definition_problems=diagnosis.definition_problems(project)
    )
    facts = replace(
        facts,
        untrusted=safeguards.trust_problem(project.root),
        sandbox_problem=await safeguards.sandbox_problem(project.settings),
    )
    facts = replace(facts, disk=project.settings.disk, kept=await diagnosis.kept_on_disk(project))
    return await _with_agents(*await _with_database(facts, project), project)


async def _with_repository(facts: Facts, start: Path) -> Facts:
    try:
        repository = await bootstrap.open_repository(start)
    except GitError as error:
        return replace(facts, repository_problem=str(error))
    return replace(facts, repository=repository.root)


async def _with_database(facts: Facts, project: Project) -> tuple[Facts, InUse | None]:
    if bootstrap.is_missing(project.database):
        return replace(facts, database_problems=[str(care.missing(project))]), None
    try:
        async with bootstrap.open_database(project) as db:
            problems = [problem.text for problem in await db.check()]
            used = await db.read(in_use, bootstrap.worker_is_alive)
            closed = await db.read(closures, admission_rules(project))
            log_bytes = (await db.info())["wal_size"] or 0
    except DatabaseError as error:
        return replace(facts, database_problems=[str(error)]), None
    facts = replace(
        facts,
        database_problems=problems,
        orphans=used.orphans,
        log_bytes=log_bytes,
        closed_targets=closed,
    )
    if project.settings.swarm.keep_finished_worktrees:
        return facts, used
    folders = bootstrap.worktree_folders(project)
    stale = [path for path in folders if str(path) not in used.worktrees]
    return replace(facts, stale_worktrees=stale), used


async def _with_agents(facts: Facts, used: InUse | None, project: Project) -> Facts:
    wanted = used.agent_types if used else ()
    facts = replace(facts, programs=await diagnosis.agent_programs(project, wanted))
    try:
        repository = await bootstrap.open_repository(project.root)
        is_left_out = await repository.leaves_out(project.folder.name)
        target = await diagnosis.default_target(project, repository)
        return replace(facts, target=target, is_left_out=is_left_out)
    except GitError:
        return facts
