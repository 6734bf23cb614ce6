"""Results in the last words of agents, as models really write them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.result_text import result_in

GOOD = {"execution_status": {"status": "SUCCESS"}, "deliverables": {"n": 1}}
TEXT = json.dumps(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"Done!\n\n```json\n{TEXT}\n```\nBye.",
        f"~~~\n{TEXT}\n~~~",
        f"All is well: {TEXT} (see above)",
        f'{{"execution_status": {{"status": "FAILURE"}}}}\nthen\n{TEXT}',
        f'```json\n{{"other": 1}}\n```\n```json\n{json.dumps(GOOD, indent=2)}\n```',
        '```json\n{"execution_status": {"status": "SUCCESS",}, "deliverables": {"n": 1,},}\n```',
        f"```python\nx = {{}}\n```\n{TEXT}",
    ],
)
def test_the_last_report_is_found_fenced_or_not(text: str) -> None:
    assert result_in(text) == GOOD


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('```json\n{"plan": [1]}\n```', {"plan": [1]}),
        ('{"plan": [1]}', {"plan": [1]}),
        ('The plan is {"plan": [1]} I think', None),
        ("no plan", None),
        ("", None),
    ],
)
def test_any_object_counts_only_where_it_is_asked_for(
    text: str, found: dict[str, object] | None
) -> None:
    assert result_in(text, any_object=True) == found
    assert result_in(text) is None


@given(st.text(alphabet='{}[]",:` \n~execution_status"aZ\\u0000', max_size=300))
def test_no_text_is_too_strange(text: str) -> None:
    found = result_in(text, any_object=True)
    assert found is None or isinstance(found, dict)
