"""The parts that an agent names, as it names them."""

from typing import Any

import pytest

from abathur.domain.loop_feedback import iteration_text
from abathur.domain.splitting import MOST_PARTS, parts_of


def named(tasks: Any) -> list[str]:
    return [one.name for one in parts_of({"deliverables": {"tasks": tasks}})]


@pytest.mark.parametrize(
    "content",
    [{}, {"deliverables": []}, {"deliverables": {"tasks": "x"}}, {"deliverables": {"tasks": [1]}}],
)
def test_a_result_without_parts_names_none(content: Any) -> None:
    assert parts_of(content) == []


def test_a_part_needs_a_description_and_nothing_else() -> None:
    queued_already = {"task_id": "1", "summary": "x", "agent_type": "implementer"}
    assert named([{"description": "a"}, queued_already, {"name": "n", "description": "b"}]) == [
        "part-1",
        "n",
    ]


def test_what_waits_for_an_unknown_part_is_left_out_and_there_are_only_so_many() -> None:
    assert named([{"description": "a", "needs": ["nobody"]}]) == []
    assert len(named([{"description": "a"}] * 99)) == MOST_PARTS


def test_the_agent_is_asked_for_parts_and_later_told_which_have_landed() -> None:
    facts = {
        "kind": "iteration",
        "iteration": 3,
        "max_iterations": 9,
        "strategy": "decompose",
        "history": [{"iteration": 2, "text": "measured 3"}],
    }
    assert "deliverables.tasks" in iteration_text({**facts, "phase": "split"})
    told = iteration_text({**facts, "phase": "join", "parts": ["Parse dates", "Print {them}"]})
    assert "have landed on the target, from which you start: Parse dates; Print {them}." in told
    assert "smallest useful step" in iteration_text(facts)
