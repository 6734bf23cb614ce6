"""The dependency graph: cycles, depth, order of work, what waits for what.

A graph is a plain mapping of a node to its prerequisites. A prerequisite that isn't a node of the
mapping counts as done. Nothing recurses: a chain may be as long as memory allows. Every result is
the same for the same mapping; nodes come in the mapping's order unless something else is said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from abathur.domain.errors import DependencyCycleError

Graph = Mapping[str, Collection[str]]


def find_cycle(graph: Graph) -> list[str] | None:
    """Nodes that wait for each other, each for the next, the first one again at the end."""
    finished: set[str] = set()
    for start in graph:
        if start not in finished:
            cycle = _cycle_from(start, graph, finished)
            if cycle is not None:
                return cycle
    return None


def _cycle_from(start: str, graph: Graph, finished: set[str]) -> list[str] | None:
    """Go down depth first; `finished` takes the nodes that are known to lead to no cycle."""
    path = {start: iter(sorted(graph[start]))}  # sorted: a set of strings has no order of its own
    node = start
    while path:
        below = next(path[node], None)
        if below is None:
            finished.add(path.popitem()[0])
            node = next(reversed(path), start)
        elif below in path:
            nodes = list(path)
            return [*nodes[nodes.index(below) :], below]
        elif below in graph and below not in finished:
            path[below] = iter(sorted(graph[below]))
            node = below
    return None


def check_acyclic(graph: Graph) -> None:
    """Raise `DependencyCycleError`, which names the cycle."""
    cycle = find_cycle(graph)
    if cycle is not None:
        raise DependencyCycleError(cycle)


def depths(graph: Graph, outside: Mapping[str, int] | None = None) -> dict[str, int]:
    """For each node the length of the longest chain below it, 0 without prerequisites.

    `outside` gives the depths of prerequisites that aren't nodes of the mapping; those missing
    there too don't count. Raises `DependencyCycleError`.
    """
    depth = dict(outside or {})
    for node in _in_order(graph):
        depth[node] = max((depth[below] + 1 for below in graph[node] if below in depth), default=0)
    return {node: depth[node] for node in graph}


def batches(graph: Graph) -> list[list[str]]:
    """The order of work: all of a batch can be done at once when the batches before it are done.

    Each node comes as early as possible. Raises `DependencyCycleError`.
    """
    place = {node: number for number, node in enumerate(graph)}
    waits_for = {node: sum(p in graph for p in set(graph[node])) for node in graph}
    above = dependents(graph)
    result = [[node for node in graph if not waits_for[node]]]
    while result[-1]:
        result.append(sorted(_released(result[-1], above, waits_for), key=place.__getitem__))
    if sum(map(len, result)) < len(graph):
        check_acyclic(graph)
    return result[:-1]


def _released(
    done: Iterable[str], above: Mapping[str, Collection[str]], waits_for: dict[str, int]
) -> Iterator[str]:
    """Count down what waits for the nodes done; those that wait for nothing more."""
    for node in done:
        for waiting in above[node]:
            waits_for[waiting] -= 1
            if not waits_for[waiting]:
                yield waiting


def _in_order(graph: Graph) -> Iterator[str]:
    return (node for batch in batches(graph) for node in batch)


def critical_path(graph: Graph, weight: Mapping[str, float]) -> list[str]:
    """The chain whose weights (not negative, one for each node) have the greatest sum.

    First to be done first. Of equally heavy chains the longer one, so that tasks without weight
    are shown too. Empty for an empty graph. Raises `DependencyCycleError`.
    """
    best: dict[str, tuple[float, int]] = {}
    before: dict[str, str | None] = {}
    for node in _in_order(graph):
        inside = sorted(below for below in graph[node] if below in graph)
        heaviest = max(inside, key=best.__getitem__, default=None)
        total, length = (0.0, 0) if heaviest is None else best[heaviest]
        before[node] = heaviest
        best[node] = (total + weight[node], length + 1)
    last = max(best, key=best.__getitem__, default=None)
    return _walk_back(last, before)


def _walk_back(last: str | None, before: Mapping[str, str | None]) -> list[str]:
    path = []
    while last is not None:
        path.append(last)
        last = before[last]
    return path[::-1]


def dependents(graph: Graph) -> dict[str, list[str]]:
    """The other direction: each node, and each prerequisite outside, -> what waits directly."""
    above: dict[str, list[str]] = {node: [] for node in graph}
    for node, prerequisites in graph.items():
        for below in sorted(set(prerequisites)):
            above.setdefault(below, []).append(node)
    return above


def descendants(graph: Graph, roots: Iterable[str]) -> list[str]:
    """All that waits, directly or not, for one of the roots, nearest first; no root among them."""
    above = dependents(graph)
    queue = list(dict.fromkeys(roots))
    seen, count = set(queue), len(queue)
    for node in queue:  # grows while it is read
        new = [waiting for waiting in above.get(node, ()) if waiting not in seen]
        seen.update(new)
        queue.extend(new)
    return queue[count:]
