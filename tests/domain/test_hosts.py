"""Whose processes can be judged from here."""

import pytest

from abathur.domain.hosts import Sight, host_of, machine_of, sight_of

HERE = host_of("build-7", "boot", "1")


@pytest.mark.parametrize(
    ("there", "sight"),
    [
        (HERE, Sight.VISIBLE),
        ("build-8:boot:1", Sight.HIDDEN),
        ("build-7:before:1", Sight.GONE),
        ("build-7:boot:2", Sight.HIDDEN),
        # As older versions stored it.
        ("build-7:boot", Sight.VISIBLE),
        ("build-7:before", Sight.GONE),
        ("unknown", Sight.HIDDEN),
    ],
)
def test_a_process_is_judged_only_where_it_can_be_seen(there: str, sight: Sight) -> None:
    assert sight_of(there, here=HERE) is sight


@pytest.mark.parametrize("here", ["build-7", host_of("build-7", "", "1")])
def test_a_machine_without_marks_sees_what_bears_its_name(here: str) -> None:
    assert here == "build-7"
    assert sight_of("build-7", here=here) is Sight.VISIBLE


def test_people_call_a_host_by_its_machine() -> None:
    assert machine_of(HERE) == machine_of("build-7") == "build-7"
