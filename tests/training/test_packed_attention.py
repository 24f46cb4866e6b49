"""Compiled attention within packed histories is the plain one, in value and in all gradients."""

import pytest
import torch

from tastemaker.models.sequence.attention import attention_to, causal
from tastemaker.native.library import is_compiled
from tastemaker.training.kernels.attention import packed_attention

pytestmark = pytest.mark.skipif(not is_compiled(), reason="there is no compiled code")

Tensors = list[torch.Tensor]


def packed_owners(lengths: list[list[int]]) -> torch.Tensor:
    """Owners of histories with the given lengths, by row; the rest of a row is padding."""
    width, n, rows = max(map(sum, lengths)), 0, []
    for row in lengths:
        owners = [n + i for i, length in enumerate(row) for _ in range(length)]
        rows.append(owners + [-1] * (width - len(owners)))
        n += len(row)
    return torch.tensor(rows)


def vectors(owners: torch.Tensor, d: int) -> Tensors:
    random = torch.Generator().manual_seed(d)
    return [torch.randn(*owners.shape, d, generator=random).requires_grad_() for _ in range(3)]


def with_gradients(
    attended: torch.Tensor, inputs: Tensors, owners: torch.Tensor, weights: torch.Tensor
) -> Tensors:
    """Returns the result where it is not padding, and the gradients of a sum of it."""
    is_event = (owners >= 0)[:, :, None]
    gradients = torch.autograd.grad((attended * weights * is_event).sum(), inputs)
    return [attended.detach() * is_event, *gradients]


@pytest.mark.parametrize(("lengths", "d", "heads"), [
    ([[1]], 1, 1),
    ([[3, 5, 1], [7], [2, 2]], 6, 2),
    ([[33, 64], [100], [31, 1, 32]], 40, 1),
    ([[7, 7, 7, 7], [16, 17]], 64, 4),
])  # fmt: skip
@pytest.mark.parametrize("biased", [False, True])
def test_packed_is_plain(lengths: list[list[int]], d: int, heads: int, biased: bool) -> None:
    owners = packed_owners(lengths)
    inputs, weights = vectors(owners, d), torch.randn(*owners.shape, d)
    columns = torch.arange(owners.shape[1])[None]
    distances = torch.randn(heads, owners.shape[1] + 3).requires_grad_() if biased else None
    plain = attention_to(causal(owners), columns)(*inputs, heads, 0.0, distances)
    packed = packed_attention(*inputs, owners, heads, 0.0, distances)
    inputs += [] if distances is None else [distances]
    expected = with_gradients(plain, inputs, owners, weights)
    for one, other in zip(with_gradients(packed, inputs, owners, weights), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def fractions(inputs: Tensors, owners: torch.Tensor, heads: int, dropout: float) -> torch.Tensor:
    """Returns the attention (rows, heads, width, width), read off with unit vectors as values."""
    rows, width = owners.shape
    unit = torch.eye(width).repeat(rows, 1, heads)
    attended = packed_attention(*inputs[:2], unit, owners, heads, dropout)
    return attended.unflatten(2, (heads, width)).transpose(1, 2).detach()


WIDTH, HEADS = 70, 2
OWNERS = packed_owners([[WIDTH], [WIDTH], [40, 20]])


def test_packed_is_plain_with_the_same_attention_dropped() -> None:
    inputs, weights = vectors(OWNERS, HEADS * WIDTH), torch.randn(*OWNERS.shape, HEADS * WIDTH)
    torch.manual_seed(5)
    packed = packed_attention(*inputs, OWNERS, HEADS, 0.25)
    torch.manual_seed(5)
    dropped = fractions(inputs, OWNERS, HEADS, 0.25)
    kept = dropped / fractions(inputs, OWNERS, HEADS, 0.0).clamp(min=1e-30)
    query, key, value = (x.unflatten(2, (HEADS, -1)).transpose(1, 2) for x in inputs)
    scores = query @ key.transpose(2, 3) / WIDTH**0.5
    shares = scores.masked_fill(~causal(OWNERS), -torch.inf).softmax(dim=3)
    plain = ((shares * kept) @ value).transpose(1, 2).flatten(2)
    for found, expected in zip(
        with_gradients(packed, inputs, OWNERS, weights),
        with_gradients(plain, inputs, OWNERS, weights),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_each_pair_is_dropped_by_itself_and_the_others_make_up_for_it() -> None:
    inputs, is_pair = vectors(OWNERS, HEADS * WIDTH), causal(OWNERS).expand(-1, HEADS, -1, -1)
    whole, seen = fractions(inputs, OWNERS, HEADS, 0.0), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        kept = fractions(inputs, OWNERS, HEADS, 0.25) / whole.clamp(min=1e-30)
        of_pairs = kept[is_pair & (OWNERS >= 0)[:, None, :, None]]
        is_kept = of_pairs > 0
        torch.testing.assert_close(of_pairs[is_kept], torch.full_like(of_pairs[is_kept], 4 / 3))
        assert abs(is_kept.float().mean() - 0.75) < 0.01
        seen += [row[head, :, :40] > 0 for row in kept[:2] for head in range(HEADS)]
    lower = torch.ones(WIDTH, 40, dtype=torch.bool).tril()
    for i, one in enumerate(seen):
        for other in seen[:i]:
            # Of two independent choices, 5/8 agree.
            assert abs((one == other)[lower].float().mean() - 0.625) < 0.06
    mask = seen[0]
    assert abs((mask[1:, :-1] == mask[:-1, 1:])[lower[1:, 1:]].float().mean() - 0.625) < 0.06


def test_the_result_depends_on_the_seed_and_not_on_the_number_of_threads() -> None:
    inputs, n_threads = vectors(OWNERS, 8), torch.get_num_threads()
    results = []
    try:
        for seed, n in [(0, 1), (0, 2), (0, 5), (1, 1)]:
            torch.set_num_threads(n)
            torch.manual_seed(seed)
            attended = packed_attention(*inputs, OWNERS, 2, 0.5)
            gradients = torch.autograd.grad(attended.sum(), inputs)
            results.append(torch.cat([attended.flatten(), *(x.flatten() for x in gradients)]))
    finally:
        torch.set_num_threads(n_threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])
    assert not torch.equal(results[0], results[3])


def test_what_is_not_a_number_stays_in_its_history() -> None:
    owners = packed_owners([[3, 40, 2]])
    query, key, value = (x.detach() for x in vectors(owners, 8))
    value[0, 10] = torch.nan
    attended = packed_attention(query, key, value, owners, 1, 0.0)
    assert attended[0, [0, 1, 2, 43, 44]].isfinite().all()
    assert attended[0, 10:43].isnan().all()
