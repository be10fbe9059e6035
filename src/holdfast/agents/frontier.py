"""Which nodes may start now: the graph as a state machine. Pure.

A node starts when every forward edge into it is resolved and at least one of them was taken; if
all were skipped it is skipped too, and so on behind it. There is no barrier between levels.

A loop goes round when one of its edges was taken and nothing in its body is running or ready:
then the body is forgotten and its head starts again. Edges that leave a loop count only when the
loop has ended, as they stood in its last round. So what is started, and how often, depends on
the choices alone and never on which of two parallel nodes happened to finish first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from holdfast.agents.plan import Loop, Plan, bits
from holdfast.agents.workflow import Edge
from holdfast.errors import StepError

WAITING, READY, DONE, SKIPPED = range(4)


@dataclass(frozen=True, slots=True)
class Start:
    """A node that may start: its number, how often it has started, the edges that led to it."""

    node: int
    visit: int
    edges: tuple[int, ...]


class Frontier:
    """Where a run stands in its graph."""

    def __init__(self, plan: Plan) -> None:
        count = len(plan.names)
        self._plan = plan
        self._incoming: list[list[int]] = [[] for _ in range(count)]
        self._choices: list[list[int]] = [[] for _ in range(count)]
        self._certain: list[list[int]] = [[] for _ in range(count)]
        for index, edge in enumerate(plan.edges):
            source, target = plan.ends[index]
            if edge.limit is None:
                self._incoming[target].append(index)
            is_choice = edge.when is not None or edge.otherwise or edge.limit is not None
            (self._choices if is_choice else self._certain)[source].append(index)
        for choices in self._choices:
            choices.sort(key=lambda index: plan.edges[index].otherwise)
        self._state = [WAITING] * count
        self._pending = [len(edges) for edges in self._incoming]
        self._visits = [0] * count
        self._taken: dict[int, bool] = {}
        self._delivered: set[int] = set()
        self._held: set[int] = set()
        self._rounds = [0] * len(plan.edges)
        self._asked: dict[int, list[int]] = {}
        self._around = _loops_around(plan)
        self._holders = _holders(plan, self._around)
        self._unresolved = [loop.body.bit_count() for loop in plan.loops]
        self._active = [0] * len(plan.loops)

    def begin(self) -> list[Start]:
        """Return the first start: the pseudo-node `start`."""
        self._make_ready(0)
        return [Start(0, 1, ())]

    def finish(self, node: int, holds: Callable[[Edge], bool]) -> list[Start]:
        """Note that `node` has finished and return the nodes that may start because of it.

        `holds` says whether the condition of an edge holds as the node left the state.

        Raises:
            StepError: a loop has reached its limit and the node has no other way out.
        """
        chosen = self._choose(node, holds)
        self._set_state(node, DONE)
        ready: list[Start] = []
        if chosen is not None and self._plan.edges[chosen].limit is not None:
            self._rounds[chosen] += 1
            head = self._plan.ends[chosen][1]
            self._asked.setdefault(head, []).append(chosen)
        else:
            for edge in self._choices[node]:
                if self._plan.edges[edge].limit is None:
                    self._resolve(edge, edge == chosen, ready)
            for edge in self._certain[node]:
                self._resolve(edge, True, ready)  # noqa: FBT003 - the answer, not a switch
        self._settle(ready)
        return ready

    def _choose(self, node: int, holds: Callable[[Edge], bool]) -> int | None:
        exhausted: Edge | None = None
        for index in self._choices[node]:
            edge = self._plan.edges[index]
            if edge.when is not None and not holds(edge):
                continue
            if edge.limit is None or self._rounds[index] < edge.limit:
                return index
            exhausted = edge
        if exhausted is not None and not self._certain[node]:
            raise StepError(
                f"the loop {exhausted.source} -> {exhausted.target} has reached its limit of "
                f"{exhausted.limit} and {exhausted.source!r} has no other way out",
                hint=f"raise the limit, or add an 'otherwise' edge that leaves {exhausted.source!r}",
            )
        return None

    def _resolve(self, edge: int, taken: bool, ready: list[Start]) -> None:  # noqa: FBT001
        work = [(edge, taken)]
        while work:
            index, value = work.pop()
            self._taken[index] = value
            if any(self._is_open(loop) for loop in self._holders[index]):
                self._held.add(index)
                continue
            node = self._deliver(index, ready)
            if node is not None:
                leaving = (*self._choices[node], *self._certain[node])
                work += [(i, False) for i in leaving if self._plan.edges[i].limit is None]

    def _deliver(self, edge: int, ready: list[Start]) -> int | None:
        """Let the edge count; return its target if that is thereby skipped."""
        self._delivered.add(edge)
        self._held.discard(edge)
        target = self._plan.ends[edge][1]
        self._pending[target] -= 1
        if self._pending[target]:
            return None
        edges = tuple(index for index in self._incoming[target] if self._taken[index])
        if not edges:
            self._set_state(target, SKIPPED)
            return target
        self._make_ready(target)
        ready.append(Start(target, self._visits[target], edges))
        return None

    def _make_ready(self, node: int) -> None:
        self._visits[node] += 1
        self._set_state(node, READY)

    def _set_state(self, node: int, state: int) -> None:
        before = self._state[node]
        self._state[node] = state
        for loop in self._around[node]:
            self._active[loop] += (state == READY) - (before == READY)
            self._unresolved[loop] += (state in (WAITING, READY)) - (before in (WAITING, READY))

    def _is_open(self, loop: int) -> bool:
        return bool(self._unresolved[loop]) or self._plan.loops[loop].head in self._asked

    def _settle(self, ready: list[Start]) -> None:
        """Send loops round and let loops end until nothing more follows; inner ones first."""
        moved = True
        while moved:
            moved = False
            for number, loop in enumerate(self._plan.loops):
                if loop.head in self._asked and not self._active[number]:
                    ready.append(self._go_round(loop))
                    moved = True
                elif not self._is_open(number):
                    moved = self._release(number, ready) or moved

    def _release(self, loop: int, ready: list[Start]) -> bool:
        held = [
            index
            for index in sorted(self._held)
            if loop in self._holders[index] and not any(map(self._is_open, self._holders[index]))
        ]
        for index in held:
            self._resolve(index, self._taken[index], ready)
        return bool(held)

    def _go_round(self, loop: Loop) -> Start:
        asked = tuple(sorted(self._asked.pop(loop.head)))
        for node in bits(loop.body):
            self._set_state(node, WAITING)
        for index, (source, target) in enumerate(self._plan.ends):
            if not loop.body >> source & 1 or index not in self._taken:
                continue
            del self._taken[index]
            self._held.discard(index)
            if index in self._delivered and loop.body >> target & 1:
                self._delivered.discard(index)
                self._pending[target] += 1
        for inner in self._plan.loops:
            if inner is not loop and inner.body & ~loop.body == 0:
                self._asked.pop(inner.head, None)
                for index in inner.edges:
                    self._rounds[index] = 0
        self._make_ready(loop.head)
        return Start(loop.head, self._visits[loop.head], asked)


def _loops_around(plan: Plan) -> list[list[int]]:
    around: list[list[int]] = [[] for _ in plan.names]
    for number, loop in enumerate(plan.loops):
        for node in bits(loop.body):
            around[node].append(number)
    return around


def _holders(plan: Plan, around: list[list[int]]) -> list[tuple[int, ...]]:
    """Return, for every edge, the loops that it leaves."""
    return [
        tuple(loop for loop in around[source] if loop not in around[target])
        for source, target in plan.ends
    ]
