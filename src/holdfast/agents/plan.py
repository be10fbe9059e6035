"""Work out the graph of a workflow: what comes before what, which loops there are. Pure.

Edges without a limit are *forward* edges and form no cycle. Edges with a limit close loops: all
that lead to one node (the *head*) form one `Loop`, whose *body* is every node on a forward path
from the head to the source of one of them. Two loops are nested or share nothing.

Sets of nodes are bit masks, so that a graph of a thousand nodes is analysed in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from holdfast.agents.problems import did_you_mean_or_known
from holdfast.agents.workflow import END, START, Edge, Reducer

NOTHING: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class GraphProblem:
    """Something wrong with the graph, at an edge (its index) or at a node (its name)."""

    message: str
    suggestion: str = ""
    edge: int | None = None
    node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A loop: its head, the indexes of the edges that close it, its body as a bit mask."""

    head: int
    edges: tuple[int, ...]
    body: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The graph in numbers: node i is `names[i]`, node 0 is `start`, the last one is `end`.

    `edges` are those of the file, and one to `end` for every node that had no way out. `ends`
    holds the numbers of source and target of each edge. `loops` come inner ones first.
    """

    names: tuple[str, ...]
    edges: tuple[Edge, ...]
    ends: tuple[tuple[int, int], ...]
    loops: tuple[Loop, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """The plan, what is wrong with it, and for every node which may finish before it starts."""

    plan: Plan | None
    problems: tuple[GraphProblem, ...]
    before: Mapping[str, AbstractSet[str]]


class _Names(AbstractSet[str]):
    """A bit mask read as a set of names, without making one."""

    def __init__(self, names: Sequence[str], index: Mapping[str, int], mask: int) -> None:
        self._names, self._index, self._mask = names, index, mask

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._mask >> self._index.get(name, 0) & 1)

    def __iter__(self) -> Iterator[str]:
        return (self._names[number] for number in bits(self._mask))

    def __len__(self) -> int:
        return self._mask.bit_count()


def behind(plan: Plan, name: str) -> frozenset[str]:
    """Return the node and every node that may run after it, loops included."""
    found, work = set[int](), [plan.names.index(name)]
    while work:
        node = work.pop()
        if node not in found:
            found.add(node)
            work += [target for source, target in plan.ends if source == node]
    return frozenset(plan.names[node] for node in found)


def bits(mask: int) -> Iterator[int]:
    """Yield the numbers of the bits that are set, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def analyse(
    node_names: Sequence[str], edges: Sequence[Edge], writes: Mapping[str, Mapping[str, Reducer]]
) -> Analysis:
    """Check the graph and plan it. With problems there may be no plan; `before` is then coarse.

    `writes` tells, for each node, the state fields that it writes and how they are joined.
    """
    names = (START, *node_names, END)
    everything = frozenset(node_names)
    coarse: Mapping[str, AbstractSet[str]] = dict.fromkeys(names, everything)
    wrong_ends = [*_check_ends(names, edges)]
    problems = [*wrong_ends, *_check_choices(edges)]
    if wrong_ends:
        return Analysis(plan=None, problems=tuple(problems), before=coarse)
    graph = _Graph(names, edges)
    cycle = graph.find_cycle()
    if cycle:
        problems.append(_cycle_problem(graph, cycle))
        return Analysis(plan=None, problems=tuple(problems), before=coarse)
    graph.close()
    loops, loop_problems = _find_loops(graph)
    problems += [*_unreachable(graph), *loop_problems, *_write_conflicts(graph, writes)]
    plan = Plan(names=names, edges=tuple(graph.edges), ends=tuple(graph.ends), loops=loops)
    index = {name: number for number, name in enumerate(names)}
    masks = zip(names, graph.may_precede(), strict=True)
    before = {name: _Names(names, index, mask) for name, mask in masks}
    return Analysis(plan=None if problems else plan, problems=tuple(problems), before=before)


class _Graph:
    """Forward and loop edges by number, with the transitive closure once `close` was called."""

    def __init__(self, names: Sequence[str], edges: Sequence[Edge]) -> None:
        self.names = names
        number = {name: index for index, name in enumerate(names)}
        self.edges = list(edges)
        sources = {edge.source for edge in edges if edge.limit is None}
        self.edges += [Edge(source=name, target=END) for name in names[1:-1] if name not in sources]
        self.ends = [(number[edge.source], number[edge.target]) for edge in self.edges]
        self.forward = [i for i, edge in enumerate(self.edges) if edge.limit is None]
        self.incoming: list[list[int]] = [[] for _ in names]
        self.outgoing: list[list[int]] = [[] for _ in names]
        for index in self.forward:
            source, target = self.ends[index]
            self.outgoing[source].append(index)
            self.incoming[target].append(index)
        self.order: list[int] = []
        self.ancestors = [0] * len(names)
        self.descendants = [0] * len(names)

    def find_cycle(self) -> list[int]:
        """Return the nodes of one cycle of forward edges; sort the graph if there is none."""
        waiting = [len(edges) for edges in self.incoming]
        ready = [node for node, count in enumerate(waiting) if count == 0]
        for node in ready:
            for edge in self.outgoing[node]:
                target = self.ends[edge][1]
                waiting[target] -= 1
                if waiting[target] == 0:
                    ready.append(target)
        self.order = ready
        return self._walk_back(waiting) if len(ready) < len(self.names) else []

    def _walk_back(self, waiting: list[int]) -> list[int]:
        node = next(i for i, count in enumerate(waiting) if count)
        seen: list[int] = []
        while node not in seen:
            seen.append(node)
            node = next(
                s for s, _ in (self.ends[edge] for edge in self.incoming[node]) if waiting[s]
            )
        cycle = [*reversed(seen[seen.index(node) :])]
        first = cycle.index(min(cycle))
        return cycle[first:] + cycle[:first]

    def close(self) -> None:
        """Fill in who is before and behind whom (forward edges, without the node itself)."""
        for node in self.order:
            for edge in self.incoming[node]:
                source = self.ends[edge][0]
                self.ancestors[node] |= self.ancestors[source] | 1 << source
        for node in reversed(self.order):
            for edge in self.outgoing[node]:
                target = self.ends[edge][1]
                self.descendants[node] |= self.descendants[target] | 1 << target

    def may_precede(self) -> list[int]:
        """Return, for every node, which may finish before it starts, loops included."""
        masks = list(self.ancestors)
        for index, edge in enumerate(self.edges):
            if edge.limit is None:
                continue
            tail, head = self.ends[index]
            repeated = self.ancestors[tail] | 1 << tail
            for node in (head, *bits(self.descendants[head])):
                masks[node] |= repeated
        return [mask & ~1 for mask in masks]


def _check_ends(names: Sequence[str], edges: Sequence[Edge]) -> Iterator[GraphProblem]:
    known = frozenset(names)
    seen: dict[tuple[str, str, str], int] = {}
    for index, edge in enumerate(edges):
        for name in (edge.source, edge.target):
            if name not in known:
                yield GraphProblem(
                    f"unknown node {name!r} in an edge", did_you_mean_or_known(name, names), index
                )
        if edge.source == END:
            yield GraphProblem("nothing can follow 'end'", "", index)
        if edge.target == START:
            yield GraphProblem("nothing can lead to 'start'", "", index)
        key = (edge.source, edge.target, edge.when.source if edge.when else "")
        if key in seen:
            yield GraphProblem(f"the edge {edge.source} -> {edge.target} is there twice", "", index)
        seen[key] = index


def _check_choices(edges: Sequence[Edge]) -> Iterator[GraphProblem]:
    leaving: dict[str, list[int]] = {}
    for index, edge in enumerate(edges):
        leaving.setdefault(edge.source, []).append(index)
    for name, indexes in leaving.items():
        conditional = [i for i in indexes if edges[i].when is not None]
        fallbacks = [i for i in indexes if edges[i].otherwise]
        looping = [i for i in indexes if edges[i].limit is not None]
        certain = [
            i
            for i in indexes
            if edges[i].when is None and not edges[i].otherwise and edges[i].limit is None
        ]
        if len(fallbacks) > 1:
            yield GraphProblem(f"{name!r} has two edges marked 'otherwise'", "", fallbacks[1])
        if fallbacks and not conditional and not looping:
            yield GraphProblem(
                f"{name!r} has 'otherwise' but no edge with 'when'",
                "remove 'otherwise' or add a 'when' to another edge",
                fallbacks[0],
            )
        has_way_on = any(edges[i].limit is None for i in indexes)  # else one to `end` is implied
        if conditional and has_way_on and not fallbacks and not certain:
            yield GraphProblem(
                f"{name!r} has no way out when no condition holds",
                f"add {{from: {name}, to: end, otherwise: true}}",
                conditional[-1],
            )


def _cycle_problem(graph: _Graph, cycle: list[int]) -> GraphProblem:
    path = " -> ".join(graph.names[node] for node in (*cycle, cycle[0]))
    last = next(
        index
        for index in graph.forward
        if graph.ends[index][0] == cycle[-1] and graph.ends[index][1] == cycle[0]
    )
    return GraphProblem(
        f"the cycle {path} has no limit",
        "give the edge that goes back a 'limit', for instance limit: 5",
        last,
    )


def _unreachable(graph: _Graph) -> Iterator[GraphProblem]:
    reached = graph.descendants[0]
    for node, name in enumerate(graph.names[1:-1], start=1):
        if not reached >> node & 1:
            yield GraphProblem(
                f"node {name!r} cannot be reached from 'start'",
                f"add an edge that leads to it, for instance start -> {name}",
                node=name,
            )


def _find_loops(graph: _Graph) -> tuple[tuple[Loop, ...], list[GraphProblem]]:
    heads: dict[int, list[int]] = {}
    problems: list[GraphProblem] = []
    for index, edge in enumerate(graph.edges):
        if edge.limit is None:
            continue
        tail, head = graph.ends[index]
        if tail != head and not graph.ancestors[tail] >> head & 1:
            problems.append(
                GraphProblem(
                    f"the edge {edge.source} -> {edge.target} has a limit but closes no loop",
                    "remove 'limit'",
                    index,
                )
            )
            continue
        heads.setdefault(head, []).append(index)
    bodies = _nest(graph, heads)
    for first, second in ((a, b) for a in bodies for b in bodies if a < b):
        shared = bodies[first] & bodies[second]
        if shared not in (0, bodies[first], bodies[second]):
            problems.append(_overlap_problem(graph, heads[second][0], first, second))
    loops = sorted(
        (Loop(head=head, edges=tuple(heads[head]), body=body) for head, body in bodies.items()),
        key=lambda loop: loop.body.bit_count(),
    )
    return tuple(loops), problems


def _nest(graph: _Graph, heads: Mapping[int, list[int]]) -> dict[int, int]:
    """Return the body of each loop, an outer loop's grown around those that begin inside it."""
    reach = {
        head: _through(graph, [graph.ends[index][0] for index in edges])
        for head, edges in heads.items()
    }
    inside = {head: graph.descendants[head] | 1 << head for head in heads}
    grown = True
    while grown:
        grown = False
        for outer in heads:
            for inner in heads:
                begins_inside = (inside[outer] & reach[outer]) >> inner & 1
                if inner != outer and begins_inside and reach[inner] & ~reach[outer]:
                    reach[outer] |= reach[inner]
                    grown = True
    return {head: inside[head] & reach[head] for head in heads}


def _through(graph: _Graph, tails: Sequence[int]) -> int:
    mask = 0
    for tail in tails:
        mask |= graph.ancestors[tail] | 1 << tail
    return mask


def _overlap_problem(graph: _Graph, edge: int, first: int, second: int) -> GraphProblem:
    return GraphProblem(
        f"the loops back to {graph.names[first]!r} and to {graph.names[second]!r} overlap",
        "let one of them lie inside the other, or keep them apart",
        edge,
    )


def _write_conflicts(
    graph: _Graph, writes: Mapping[str, Mapping[str, Reducer]]
) -> Iterator[GraphProblem]:
    number = {name: index for index, name in enumerate(graph.names)}
    writers: dict[str, int] = {}
    for name, fields in writes.items():
        for field, reducer in fields.items():
            if reducer == "replace":
                writers[field] = writers.get(field, 0) | 1 << number[name]
    choices = _choices(graph) if any(mask & (mask - 1) for mask in writers.values()) else []
    for field, mask in writers.items():
        for node in bits(mask):
            ordered = graph.ancestors[node] | graph.descendants[node] | 1 << node
            for other in bits(mask & ~ordered):
                if node < other and not _exclusive(graph, choices[node], choices[other]):
                    yield _conflict_problem(graph.names[node], graph.names[other], field)


def _choices(graph: _Graph) -> list[frozenset[int]]:
    """Return, for every node, the conditional edges that every way to it goes through."""
    required: list[frozenset[int]] = [frozenset() for _ in graph.names]
    for node in graph.order:
        ways = [
            required[graph.ends[edge][0]] | ({edge} if _is_choice(graph.edges[edge]) else NOTHING)
            for edge in graph.incoming[node]
        ]
        if ways:
            required[node] = ways[0].intersection(*ways[1:])
    return required


def _is_choice(edge: Edge) -> bool:
    return edge.when is not None or edge.otherwise


def _exclusive(graph: _Graph, first: frozenset[int], second: frozenset[int]) -> bool:
    sources = {graph.ends[edge][0]: edge for edge in first}
    return any(sources.get(graph.ends[edge][0], edge) != edge for edge in second)


def _conflict_problem(first: str, second: str, field: str) -> GraphProblem:
    return GraphProblem(
        f"{first!r} and {second!r} may run at the same time and both replace state.{field}",
        f"give state.{field} the reducer 'append' or 'merge', or write different fields",
        node=second,
    )
