"""Properties of the graph algorithms, and chains too deep for recursion."""

import itertools
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abathur.domain.errors import DependencyCycleError
from abathur.domain.graph import (
    batches,
    check_acyclic,
    critical_path,
    dependents,
    depths,
    descendants,
    find_cycle,
)

DEEP = 100_000
FEW = settings(max_examples=80)

NAMES = st.sampled_from("abcdefgh")
GRAPHS = st.dictionaries(NAMES, st.lists(NAMES, max_size=4), max_size=8)


@st.composite
def acyclic_graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Each node depends on earlier letters only; then the mapping is shuffled."""
    graph = {
        node: draw(st.lists(st.sampled_from("abcdefgh"[:place]), max_size=3)) if place else []
        for place, node in enumerate("abcdefgh")
        if draw(st.booleans())
    }
    return {node: graph[node] for node in draw(st.permutations(list(graph)))}


def deep_chain() -> dict[str, list[str]]:
    return {str(n): [str(n + 1)] if n + 1 < DEEP else [] for n in range(DEEP)}


@FEW
@given(GRAPHS)
def test_a_cycle_found_is_one(graph: dict[str, list[str]]) -> None:
    cycle = find_cycle(graph)
    if cycle is not None:
        assert cycle[0] == cycle[-1]
        assert len(set(cycle)) == len(cycle) - 1
        assert all(below in graph[node] for node, below in itertools.pairwise(cycle))


@FEW
@given(GRAPHS)
def test_a_graph_has_a_cycle_or_an_order_and_never_both(graph: dict[str, list[str]]) -> None:
    if find_cycle(graph) is None:
        assert sorted(node for batch in batches(graph) for node in batch) == sorted(graph)
    else:
        with pytest.raises(DependencyCycleError):
            batches(graph)


@FEW
@given(GRAPHS)
def test_prerequisites_are_compared_as_sets(graph: dict[str, list[str]]) -> None:
    shuffled = {node: list(reversed(below)) + below for node, below in graph.items()}
    assert find_cycle(shuffled) == find_cycle(graph)
    if find_cycle(graph) is None:
        assert batches(shuffled) == batches(graph)


def test_a_task_that_waits_for_itself_is_a_cycle() -> None:
    assert find_cycle({"a": ["a"]}) == ["a", "a"]


def test_the_cycle_is_named_in_the_order_of_waiting() -> None:
    graph = {"x": ["a"], "a": ["b"], "b": ["c", "outside"], "c": ["a"]}
    with pytest.raises(DependencyCycleError, match="a -> b -> c -> a") as caught:
        check_acyclic(graph)
    assert caught.value.cycle == ("a", "b", "c", "a")


def test_an_acyclic_graph_passes() -> None:
    check_acyclic({"a": ["b", "c"], "b": ["c"], "c": []})


@FEW
@given(acyclic_graphs())
def test_each_batch_needs_only_what_came_before_and_nothing_waits_longer_than_it_must(
    graph: dict[str, list[str]],
) -> None:
    done: set[str] = set()
    for batch in batches(graph):
        possible = {
            node
            for node in graph
            if node not in done and all(p in done for p in graph[node] if p in graph)
        }
        assert set(batch) == possible
        done |= possible
    assert done == set(graph)


def test_batches_keep_the_order_of_the_mapping() -> None:
    assert batches({"z": [], "m": ["z"], "a": [], "b": ["a"]}) == [["z", "a"], ["m", "b"]]


def test_no_tasks_make_no_batches() -> None:
    assert batches({}) == []


def test_prerequisites_outside_the_mapping_count_as_done() -> None:
    assert batches({"a": ["finished long ago"], "b": ["a"]}) == [["a"], ["b"]]


@FEW
@given(acyclic_graphs())
def test_the_depth_of_a_node_is_the_number_of_batches_before_it(
    graph: dict[str, list[str]],
) -> None:
    batch_of = {node: n for n, batch in enumerate(batches(graph)) for node in batch}
    assert depths(graph) == batch_of


def test_depths_go_on_from_those_given_for_nodes_outside() -> None:
    assert depths({"a": ["old", "unknown"], "b": ["a"]}, {"old": 4}) == {"a": 5, "b": 6}


@FEW
@given(acyclic_graphs(), st.data())
def test_the_critical_path_is_a_chain_that_no_other_outweighs(
    graph: dict[str, list[str]], data: st.DataObject
) -> None:
    weight = {node: float(data.draw(st.integers(0, 5))) for node in graph}
    path = critical_path(graph, weight)
    assert all(below in graph[node] for below, node in itertools.pairwise(path))
    heaviest = max((sum(weight[n] for n in chain) for chain in chains(graph)), default=0.0)
    assert sum(weight[node] for node in path) == heaviest


def chains(graph: Mapping[str, list[str]]) -> list[tuple[str, ...]]:
    """All chains, by brute force."""
    found: list[tuple[str, ...]] = [(node,) for node in graph]
    for chain in found:
        found.extend((*chain, below) for below in graph[chain[-1]] if below in graph)
    return found


def test_of_equally_heavy_chains_the_longer_one_is_critical() -> None:
    graph = {"alone": [], "first": [], "then": ["first"]}
    assert critical_path(graph, dict.fromkeys(graph, 0.0)) == ["first", "then"]


@FEW
@given(GRAPHS)
def test_dependents_are_the_prerequisites_turned_round(graph: dict[str, list[str]]) -> None:
    above = dependents(graph)
    assert set(graph) <= set(above)
    assert {(below, node) for below, nodes in above.items() for node in nodes} == {
        (below, node) for node, prerequisites in graph.items() for below in prerequisites
    }


@FEW
@given(GRAPHS, st.sets(NAMES, max_size=2))
def test_descendants_are_all_that_can_be_reached(
    graph: dict[str, list[str]], roots: set[str]
) -> None:
    reached = set(roots)
    while more := {n for n in graph if n not in reached and reached & set(graph[n])}:
        reached |= more
    found = descendants(graph, roots)
    assert set(found) == reached - roots
    assert len(found) == len(set(found))


def test_descendants_come_nearest_first_and_may_start_outside() -> None:
    graph = {"far": ["near"], "near": ["done"], "other": []}
    assert descendants(graph, iter(["done"])) == ["near", "far"]


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (find_cycle, None),
        (lambda graph: len(batches(graph)), DEEP),
        (lambda graph: depths(graph)["0"], DEEP - 1),
        (lambda graph: len(critical_path(graph, dict.fromkeys(graph, 1.0))), DEEP),
        (lambda graph: len(descendants(graph, [str(DEEP - 1)])), DEEP - 1),
    ],
)
def test_a_chain_of_a_hundred_thousand_is_no_problem(
    work: Callable[[dict[str, list[str]]], object], expected: object
) -> None:
    assert work(deep_chain()) == expected


def test_a_cycle_of_a_hundred_thousand_is_found() -> None:
    graph = deep_chain() | {str(DEEP - 1): ["0"]}
    assert len(find_cycle(graph) or []) == DEEP + 1


def test_a_graph_that_is_wide_and_dense_takes_no_exponential_time() -> None:
    layers = [[f"{layer}.{n}" for n in range(20)] for layer in range(40)]
    graph = {
        node: [] if not n else layers[n - 1] for n, layer in enumerate(layers) for node in layer
    }
    assert depths(graph)["39.0"] == 39
    assert find_cycle(graph) is None
