"""Training on pairs of users and items, and scoring them, many batches in one call.

The plain form spends most of its time on moving activations through memory and on the overhead of
hundreds of small operations per batch. Here, a batch is divided into tiles that stay in a core's
cache from the vectors to their gradients, and the step of Adam follows at once. The C++ code is in
`tastemaker/native/` and is compiled when Tastemaker is installed; without it, the plain form does
the same more slowly.
"""

import ctypes
import weakref
from collections.abc import Callable, Sequence
from ctypes import POINTER, byref, c_double, c_int32, c_int64, c_void_p
from functools import cache, partial
from typing import NamedTuple

import torch
from torch import nn
from typing_extensions import override

from tastemaker.native.adam import AdamRule
from tastemaker.native.library import compiled
from tastemaker.training.batches import Batch
from tastemaker.training.kernels.kernel import Kernel

LOSSES = {"bce": 0, "bpr": 1, "sampled_softmax": 2}


class PairParts(NamedTuple):
    """The parts of a score s(u, i) = h · (p_u * q_i) + w · tower(p'_u, q'_i) + b + b_u + b_i.

    A user's vector is [p_u, p'_u, b_u], an item's [q_i, q'_i]; each part is optional.
    """

    users: nn.Embedding
    items: nn.Embedding
    product: int = 0
    """Length of p_u."""
    tower: tuple[nn.Linear, ...] = ()
    """The two halves of the first layer, whose outputs are added: one for p'_u, and one without a
    bias for q'_i. Then further layers. A ReLU follows each layer."""
    output: nn.Linear | None = None
    """The layer with the weight [h, w] and the bias b; without it, h is 1 and there is no b."""
    biases: nn.Embedding | None = None
    """b_i, (n_items, 1); without it, there is no b_u either."""


class Penalty(NamedTuple):
    """λ (user penalty |[h p_u, p'_u, b_u]|² + item penalty |[q_i, q'_i, b_i]|²) per positive."""

    regularization: float
    user_penalties: torch.Tensor
    """(n_users,) float32."""
    item_penalties: torch.Tensor
    """(n_items,) float32."""


@cache
def _compiled() -> ctypes.CDLL:
    loaded = compiled()
    loaded.pairs_begin.restype = c_void_p
    loaded.pairs_begin.argtypes = [POINTER(_Network), POINTER(AdamRule), c_int64, c_int64, c_int32]
    loaded.pairs_train.restype = c_double
    loaded.pairs_train.argtypes = [c_void_p, POINTER(_Batch), POINTER(c_double)]
    for name in ("pairs_finish", "pairs_discard"):
        getattr(loaded, name).restype = None
        getattr(loaded, name).argtypes = [c_void_p]
    loaded.pairs_score.restype = None
    loaded.pairs_score.argtypes = [POINTER(_Network), POINTER(_Batch), c_int32, c_void_p]
    loaded.pairs_score_catalog.restype = None
    loaded.pairs_score_catalog.argtypes = [POINTER(_Network), c_int32, c_void_p]
    loaded.pairs_user_gradients.restype = None
    loaded.pairs_user_gradients.argtypes = [
        POINTER(_Network),
        POINTER(_Histories),
        c_int32,
        c_void_p,
    ]
    return loaded


def score_pairs(parts: PairParts, vectors: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
    """Scores some items for each user, as the network does.

    Args:
        parts: the network's parts, float32 on the CPU.
        vectors: (n, d) float32, the users' vectors.
        items: (n, c) int64 codes.

    Returns:
        (n, c) float32.
    """
    scores = torch.empty(items.shape)
    if items.numel():
        users, items, vectors = torch.arange(len(items)), items.contiguous(), vectors.contiguous()
        network = _network(parts, vectors, _values)
        batch = _Batch(users.data_ptr(), items.data_ptr(), None, *items.shape)
        n_threads = torch.get_num_threads()
        _compiled().pairs_score(byref(network), byref(batch), n_threads, scores.data_ptr())
    return scores


def score_catalog(parts: PairParts, vectors: torch.Tensor) -> torch.Tensor:
    """Scores every item for each user, as the network does.

    Args:
        parts: the network's parts, float32 on the CPU.
        vectors: (n, d) float32, the users' vectors.

    Returns:
        (n, n_items) float32.
    """
    scores = torch.empty(len(vectors), parts.items.num_embeddings)
    if scores.numel():
        vectors = vectors.contiguous()
        network = _network(parts, vectors, _values)
        _compiled().pairs_score_catalog(byref(network), torch.get_num_threads(), scores.data_ptr())
    return scores


class PairRows(NamedTuple):
    """The histories of n users as positives with drawn negatives, w rows of c items per user."""

    items: torch.Tensor
    """(n, w, c) int64 codes, the positive first."""
    filling: torch.Tensor
    """(n, w, c) bool: true for padding items, which are left out."""
    weights: torch.Tensor
    """(n, w) float32: the relative weight of an interaction (1 without weights), 0 for a padding
    row."""
    known_weights: torch.Tensor
    """(n, w) float32: the relative weight in training of an interaction known then, else 0."""


def user_gradients(
    parts: PairParts, loss: str, rows: PairRows, slopes: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Computes the gradients of the losses of users' histories with respect to their vectors.

    Args:
        parts: the network's parts, float32 on the CPU.
        loss: one of LOSSES, summed over the rows by their weights.
        rows: the histories of n users.
        slopes: (n, w, c) float32, contiguous, subtracted from the gradients of the scores.

    Returns:
        A function from the users' vectors, (n, d) float32, to the gradients, (n, d) float32.
    """
    network = _network(parts, parts.users.weight, _values)
    network.loss = LOSSES[loss]

    def gradients_at(vectors: torch.Tensor) -> torch.Tensor:
        vectors = vectors.contiguous()
        gradients = torch.empty(vectors.shape)
        network.users = _values(vectors)
        arrays = (rows.items, rows.filling, rows.weights, slopes)
        histories = _Histories(*(array.data_ptr() for array in arrays), *rows.items.shape)
        n_threads, result = torch.get_num_threads(), gradients.data_ptr()
        _compiled().pairs_user_gradients(byref(network), byref(histories), n_threads, result)
        return gradients

    return gradients_at


class FusedPairs(Kernel):
    """Takes the same steps of Adam on chunks of positives as loss, backward and optimizer would."""

    def __init__(
        self, parts: PairParts, loss: str, penalty: Penalty, batch_size: int, *, lazy: bool
    ) -> None:
        """Takes the network's parts (float32 on the CPU), one of LOSSES, and the batch size.

        With `lazy`, a step does not change rows that have no gradient, nor their moments.
        Otherwise, such rows take the steps that they missed when they are next needed, and all
        rows do at the end of an epoch.
        """
        self._parts, self._loss, self._penalty = parts, loss, penalty
        self._batch_size, self._lazy = batch_size, lazy
        self._epoch: _Epoch | None = None

    @override
    def train(self, chunk: Batch, adam: torch.optim.Adam, learning_rates: Sequence[float]) -> float:
        if self._epoch is None:
            sizes_of_batch = self._batch_size, chunk.items.shape[1]
            self._epoch = _Epoch(self._network(adam), self._adam(adam), *sizes_of_batch)
        loss = self._epoch.train(chunk, learning_rates)
        for state in adam.state.values():
            state["step"] += len(learning_rates)
        return loss

    @override
    def finish(self) -> None:
        if self._epoch is not None:
            self._epoch.finish()
            self._epoch = None

    def _adam(self, adam: torch.optim.Adam) -> AdamRule:
        group, steps = adam.param_groups[0], adam.state[self._parts.users.weight]["step"]
        return AdamRule(
            *group["betas"], group["eps"], group["weight_decay"], int(steps), self._lazy
        )

    def _network(self, adam: torch.optim.Adam) -> "_Network":
        regularization, user_penalties, item_penalties = self._penalty
        network = _network(self._parts, self._parts.users.weight, partial(_with_moments, adam))
        network.user_penalties, network.item_penalties = (
            user_penalties.data_ptr(),
            item_penalties.data_ptr(),
        )
        network.regularization, network.loss = regularization, LOSSES[self._loss]
        return network


class _Epoch:
    """The state that the compiled code keeps between chunks, such as the steps each row missed."""

    def __init__(self, network: "_Network", adam: AdamRule, batch_size: int, columns: int) -> None:
        sizes = batch_size, columns, torch.get_num_threads()
        self._handle = _compiled().pairs_begin(byref(network), byref(adam), *sizes)
        weakref.finalize(self, _compiled().pairs_discard, self._handle)

    def train(self, chunk: Batch, learning_rates: Sequence[float]) -> float:
        users, items = chunk.users.contiguous(), chunk.items.contiguous()
        batch = _Batch(users.data_ptr(), items.data_ptr(), _address(chunk.weights), *items.shape)
        return _compiled().pairs_train(
            self._handle, byref(batch), (c_double * len(learning_rates))(*learning_rates)
        )

    def finish(self) -> None:
        _compiled().pairs_finish(self._handle)


def _address(tensor: torch.Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _network(
    parts: PairParts, users: torch.Tensor, parameter: Callable[[torch.Tensor], "_Parameter"]
) -> "_Network":
    """Returns the network's struct with the given users' vectors, without a loss or a penalty."""
    layers = [*parts.tower, *([parts.output] if parts.output else [])]
    weights = [p for layer in layers for p in (layer.weight, layer.bias) if p is not None]
    return _Network(
        users=parameter(users),
        items=parameter(parts.items.weight),
        item_biases=parameter(parts.biases.weight) if parts.biases else _Parameter(),
        weights=(_Parameter * len(weights))(*map(parameter, weights)),
        n_weights=len(weights),
        product=parts.product,
        tower=parts.tower[0].in_features if parts.tower else 0,
        has_output=parts.output is not None,
    )


def _values(tensor: torch.Tensor) -> "_Parameter":
    rows = len(tensor)
    return _Parameter(value=tensor.data_ptr(), rows=rows, columns=tensor.numel() // rows)


def _with_moments(adam: torch.optim.Adam, tensor: torch.Tensor) -> "_Parameter":
    parameter, moments = _values(tensor), adam.state[tensor]
    parameter.mean, parameter.square = (
        moments[name].data_ptr() for name in ("exp_avg", "exp_avg_sq")
    )
    return parameter


class _Parameter(ctypes.Structure):
    """Mirrors the struct in native/adam.h; the classes below mirror those in adam.h and tile.h."""

    _fields_ = (
        ("value", c_void_p),
        ("mean", c_void_p),
        ("square", c_void_p),
        ("rows", c_int64),
        ("columns", c_int64),
    )


class _Network(ctypes.Structure):
    _fields_ = (
        ("users", _Parameter),
        ("items", _Parameter),
        ("item_biases", _Parameter),
        ("weights", POINTER(_Parameter)),
        ("n_weights", c_int64),
        ("product", c_int64),
        ("tower", c_int64),
        ("user_penalties", c_void_p),
        ("item_penalties", c_void_p),
        ("regularization", c_double),
        ("loss", c_int32),
        ("has_output", c_int32),
    )


class _Batch(ctypes.Structure):
    _fields_ = (
        ("users", c_void_p),
        ("items", c_void_p),
        ("weights", c_void_p),
        ("n", c_int64),
        ("columns", c_int64),
    )


class _Histories(ctypes.Structure):
    _fields_ = (
        ("items", c_void_p),
        ("filling", c_void_p),
        ("weights", c_void_p),
        ("slopes", c_void_p),
        ("n", c_int64),
        ("width", c_int64),
        ("columns", c_int64),
    )
