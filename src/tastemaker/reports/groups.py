"""Groups: sets of models that do not differ significantly."""

from collections.abc import Iterator

from tastemaker.evaluation.leaderboard import Leaderboard


def groups(leaderboard: Leaderboard) -> list[tuple[str, ...]]:
    """Returns every maximal set of models no two of which differ significantly, best first.

    A model may be in several sets, since the lack of a significant difference is not transitive.
    Two models differ significantly exactly if no set holds both (the compact letter display of
    Piepho 2004).
    """
    names = [entry.name for entry, _ in leaderboard.ranked]
    undecided: dict[str, set[str]] = {name: set() for name in names}
    for pair in leaderboard.comparisons:
        if not pair.significant:
            undecided[pair.better].add(pair.worse)
            undecided[pair.worse].add(pair.better)
    place = {name: i for i, name in enumerate(names)}
    found = [
        sorted(group, key=place.__getitem__) for group in _cliques(set(), set(names), undecided)
    ]
    return [tuple(group) for group in sorted(found, key=lambda group: [place[n] for n in group])]


def _cliques(
    members: set[str],
    open_: set[str],
    undecided: dict[str, set[str]],
    done: frozenset[str] = frozenset(),
) -> Iterator[set[str]]:
    """Yields the maximal cliques (Bron and Kerbosch 1973, with a pivot)."""
    if not open_ and not done:
        if members:
            yield members
        return
    pivot = max(sorted(open_ | done), key=lambda name: len(undecided[name] & open_))
    for name in sorted(open_ - undecided[pivot]):
        yield from _cliques(
            members | {name}, open_ & undecided[name], undecided, done & undecided[name]
        )
        open_, done = open_ - {name}, done | {name}
