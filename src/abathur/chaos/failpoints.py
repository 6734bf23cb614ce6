"""Puts the points into a swarm's parts, counts what is reached and strikes once at one of them."""

from __future__ import annotations

import inspect
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from abathur.chaos import points, sites
from abathur.chaos.points import Moment, Point
from abathur.swarm.parts import Parts


class Failpoints:
    """Safe to be reached from several threads; what happens in a strike reaches no point."""

    def __init__(self, target: Point | None, call: int, strike: Callable[[], None]) -> None:
        self._target, self._call, self._strike = target, call, strike
        self._lock = threading.Lock()
        self._striking = threading.local()
        self.reached: Counter[Point] = Counter()

    def reach(self, name: str, moment: Moment) -> None:
        if getattr(self._striking, "now", False):
            return
        point = Point(name, moment)
        with self._lock:
            self.reached[point] += 1
            is_it = point == self._target and self.reached[point] == self._call
        if is_it:
            self.strike()

    def strike(self) -> None:
        self._striking.now = True
        try:
            self._strike()
        finally:
            self._striking.now = False

    def told(self) -> Mapping[str, int]:
        """Point -> how often it was reached until now."""
        with self._lock:
            return {str(point): count for point, count in self.reached.items()}

    def into(self, parts: Parts) -> Parts:
        changed: dict[str, Any] = {
            name: _Watched(getattr(parts, name), name, self) for name, _ in points.ports()
        }
        changed["db"] = _WatchedDatabase(parts.db, self)
        changed["guard"] = self._guard(parts.guard)
        return replace(parts, **changed)

    def watch_files(self, root: Path) -> None:
        def before(name: str) -> bool:
            self.reach(name, Moment.BEFORE)
            after = Point(name, Moment.AFTER)
            with self._lock:
                is_next = self._target == after and self.reached[after] + 1 == self._call
                if not is_next:
                    self.reached[after] += 1
            return is_next

        sites.watch(root, before, lambda name: self.reach(name, Moment.AFTER))

    def _guard(
        self, real: Callable[[Mapping[str, str]], AbstractAsyncContextManager[object]]
    ) -> Callable[[Mapping[str, str]], AbstractAsyncContextManager[object]]:
        opening, closing = points.GUARD

        @asynccontextmanager
        async def guard(tags: Mapping[str, str]) -> AsyncIterator[None]:
            self.reach(opening, Moment.BEFORE)
            async with real(tags):
                self.reach(opening, Moment.AFTER)
                yield
                self.reach(closing, Moment.BEFORE)
            self.reach(closing, Moment.AFTER)

        return guard


class _Watched:
    """What `real` is, with a point before and after each of its methods that isn't a mere look."""

    def __init__(self, real: Any, part: str, failpoints: Failpoints) -> None:
        self._real, self._part, self._failpoints = real, part, failpoints
        self._reads = points.READS.get(part, frozenset())

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name in self._reads or not callable(real):
            return real
        reach, point = self._failpoints.reach, f"{self._part}.{name}"

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            reach(point, Moment.BEFORE)
            if "on_started" in kwargs:
                kwargs["on_started"] = self._started(point, kwargs["on_started"])
            result = await real(*args, **kwargs)
            reach(point, Moment.AFTER)
            return result

        def called(*args: Any, **kwargs: Any) -> Any:
            reach(point, Moment.BEFORE)
            result = real(*args, **kwargs)
            reach(point, Moment.AFTER)
            return result

        return awaited if inspect.iscoroutinefunction(real) else called

    def _started(self, point: str, real: Callable[[Any], None]) -> Callable[[Any], None]:
        def started(process: Any) -> None:
            self._failpoints.reach(point, Moment.WITHIN)
            real(process)

        return started


class _WatchedDatabase:
    def __init__(self, real: Any, failpoints: Failpoints) -> None:
        self._real, self._failpoints = real, failpoints

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def write(self, use_case: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        reach, point = self._failpoints.reach, f"db.{use_case.__name__}"

        @wraps(use_case)
        def within(*args: Any, **kwargs: Any) -> Any:
            result = use_case(*args, **kwargs)
            reach(point, Moment.WITHIN)
            return result

        reach(point, Moment.BEFORE)
        result = await self._real.write(within, *args, **kwargs)
        reach(point, Moment.AFTER)
        return result
