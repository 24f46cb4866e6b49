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
    not_different: dict[str, set[str]] = {name: set() for name in names}
    for pair in leaderboard.comparisons:
        if not pair.significant:
            not_different[pair.better].add(pair.worse)
            not_different[pair.worse].add(pair.better)
    rank = {name: i for i, name in enumerate(names)}
    cliques = [
        sorted(group, key=rank.__getitem__) for group in _cliques(set(), set(names), not_different)
    ]
    return [tuple(group) for group in sorted(cliques, key=lambda group: [rank[n] for n in group])]


def _cliques(
    members: set[str],
    candidates: set[str],
    not_different: dict[str, set[str]],
    excluded: frozenset[str] = frozenset(),
) -> Iterator[set[str]]:
    """Yields the maximal cliques (Bron and Kerbosch 1973, with a pivot)."""
    if not candidates and not excluded:
        if members:
            yield members
        return
    pivot = max(
        sorted(candidates | excluded), key=lambda name: len(not_different[name] & candidates)
    )
    for name in sorted(candidates - not_different[pivot]):
        yield from _cliques(
            members | {name},
            candidates & not_different[name],
            not_different,
            excluded & not_different[name],
        )
        candidates, excluded = candidates - {name}, excluded | {name}
