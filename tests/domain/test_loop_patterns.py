"""What the history of a loop looks like."""

from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.loops.patterns import Pattern, compare, recognised

NUMBERS = st.floats(min_value=-1e6, max_value=1e6)
MERITS = st.tuples(NUMBERS | st.none(), NUMBERS)
Two = tuple[float | None, float]
WINDOWS = st.integers(2, 6)


@given(MERITS, MERITS)
def test_what_is_better_one_way_is_worse_the_other_way(a: Two, b: Two) -> None:
    assert compare(a, b) == -compare(b, a)


@given(NUMBERS)
def test_no_number_is_worse_than_any_number(number: float) -> None:
    assert compare((None,), (number,)) == -1


@given(st.lists(MERITS, min_size=1, max_size=12), WINDOWS)
def test_a_tree_that_was_left_as_it_was_is_a_fixed_point(merits: list[Two], window: int) -> None:
    trees = [str(index) for index in range(len(merits))]
    found = recognised([*trees, trees[-1]], [*merits, merits[-1]], window)
    assert found is Pattern.FIXED_POINT


@given(st.lists(MERITS, min_size=3, max_size=12), WINDOWS, st.data())
def test_a_tree_that_came_back_is_a_cycle(
    merits: list[Two], window: int, data: st.DataObject
) -> None:
    trees = [str(index) for index in range(len(merits) - 1)]
    back = data.draw(st.sampled_from(trees[:-1]))
    assert recognised([*trees, back], merits, window) is Pattern.CYCLE


@given(st.integers(3, 12), WINDOWS)
def test_what_gets_worse_all_the_time_diverges(length: int, window: int) -> None:
    merits = [(float(-index),) for index in range(length)]
    found = recognised([str(index) for index in range(length)], merits, window)
    assert (found is Pattern.DIVERGENCE) == (length >= max(window, 3))


@given(st.integers(2, 12), WINDOWS)
def test_what_gets_better_all_the_time_has_no_pattern(length: int, window: int) -> None:
    merits = [(float(index),) for index in range(length)]
    assert recognised([str(index) for index in range(length)], merits, window) is None


@given(NUMBERS, st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_a_window_without_anything_better_is_a_plateau(best: float, below: list[float]) -> None:
    # Alternating, so that it is no divergence.
    merits = [(best,), *((best - (index % 2),) for index, _ in enumerate(below))]
    trees = [str(index) for index in range(len(merits))]
    assert recognised(trees, merits, len(below)) is Pattern.PLATEAU


@given(st.lists(MERITS, max_size=12), WINDOWS)
def test_a_history_of_any_shape_has_at_most_one_pattern(merits: list[Two], window: int) -> None:
    trees = [str(index) for index in range(len(merits))]
    assert recognised(trees, merits, window) in {None, Pattern.PLATEAU, Pattern.DIVERGENCE}
