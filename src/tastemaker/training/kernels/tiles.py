"""Triton kernels for training on pairs: one processes a batch in tiles, the other is Adam.

They correspond to `native/tile.h`, `tower.h`, `loss.h` and `adam.h` for CPUs, and use the same
names. A tile consists of some positives, one per row; their samples are processed column by column,
the positive first. Activations never leave the tile.

Gradients are summed as integers, in units of 2^-42 of the batch's mean gradient. The sum of
integers does not depend on the order in which the programs of a GPU add them; the sum of floats
does. The unit is far below Adam's epsilon, and the largest possible mean gradient is 2^21.
"""

from typing import Any, NamedTuple

import triton
import triton.language as tl

UNITS = tl.constexpr(2.0**42)
TOTAL, DONE, TAKEN = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)
BCE, BPR = tl.constexpr(0), tl.constexpr(1)


class Chunk(NamedTuple):
    """The positives of many batches, and the progress of the steps."""

    users: Any
    """(n,) int32."""
    items: Any
    """(n, COLUMNS) int32, the positive first."""
    weights: Any
    """(n,) float32, or None."""
    at: Any
    """(3,) int32 numbers of positives: in total (at TOTAL), done (at DONE), and done after this
    step (at TAKEN). The first kernel writes only the last number and the second only the one before
    it, so that no program reads a number that another program of the same kernel writes."""


class Weights(NamedTuple):
    """A network's parameters or their gradients; None for parts that the network does not have."""

    users: Any
    items: Any
    biases: Any
    first_user: Any
    first_bias: Any
    first_item: Any
    more: Any
    """A weight (out, in) for each further layer."""
    more_biases: Any
    output: Any
    output_bias: Any


class PenaltyArguments(NamedTuple):
    """The same as `Penalty` in pairs.py, for the kernels."""

    regularization: Any
    user_penalties: Any
    item_penalties: Any


@triton.constexpr_function
def padded(n):
    """Rounds up to a power of two, at least 16, as Triton requires for matrix products."""
    return max(16, 1 << (n - 1).bit_length())


@triton.jit
def train_batch(
    chunk, net, gradients, seen, penalty, losses, batch_size,
    COLUMNS: tl.constexpr, LOSS: tl.constexpr, USER: tl.constexpr,
    ITEM: tl.constexpr, PRODUCT: tl.constexpr, TOWER: tl.constexpr, WIDTHS: tl.constexpr,
    PENALTY: tl.constexpr, TILE: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Adds the gradients and the loss of the chunk's next batch.

    Args:
        chunk: a Chunk.
        net: the parameters, a Weights.
        gradients: a Weights of int64, which the gradients are added to.
        seen: (users, items, biases): for each row, the start of the last batch in which it had a
            gradient.
        penalty: a PenaltyArguments.
        losses: (n_programs,) float64, one for each program, which the loss is added to.
        batch_size: number of positives in a batch.
        COLUMNS: number of samples of each positive, itself included.
        LOSS: a number of pairs.LOSSES.
        USER, ITEM: lengths of the rows of the users' and of the items' table.
        PRODUCT, TOWER: lengths of the parts of a row that the product and the tower use.
        WIDTHS: widths of the tower's layers.
        PENALTY: whether there is a penalty.
        TILE: number of positives in a tile.
        PRECISION: precision of matrix products.
    """
    begin = tl.load(chunk.at + DONE)
    program = tl.program_id(0)
    if program == 0:
        tl.store(chunk.at + TAKEN, begin + batch_size)
    n = tl.minimum(tl.load(chunk.at + TOTAL) - begin, batch_size)
    if program * TILE >= n:
        return

    DEPTH: tl.constexpr = len(WIDTHS)
    product = tl.arange(0, padded(PRODUCT))[None, :]
    in_product = product < PRODUCT
    h = tl.full((1, padded(PRODUCT)), 1.0, tl.float32)
    if net.output is not None and PRODUCT:
        h = tl.load(net.output + product, in_product, 0.0)
    h_sum = tl.zeros((1, padded(PRODUCT)), tl.float32)
    b_sum = tl.zeros((TILE,), tl.float32)
    if DEPTH:
        # The input of the tower is both vectors concatenated, [p'_u, q'_i].
        pair = tl.arange(0, padded(2 * TOWER))[None, :]
        last = tl.arange(0, padded(WIDTHS[DEPTH - 1]))[None, :]
        in_last = last < WIDTHS[DEPTH - 1]
        w = tl.load(net.output + PRODUCT + last, in_last, 0.0)
        w_sum = tl.zeros_like(w)
        sums, bias_sums = zero_sums(TOWER, WIDTHS)

    loss_sum = tl.zeros((TILE,), tl.float32)
    for tile in range(program, tl.cdiv(n, TILE), tl.num_programs(0)):
        place = tile * TILE + tl.arange(0, TILE)
        real = place < n
        place = (begin + place).to(tl.int64)
        user = tl.load(chunk.users + place, real, 0).to(tl.int64)
        weight = tl.where(real, 1.0 / n, 0.0)
        if chunk.weights is not None:
            weight *= tl.load(chunk.weights + place, real, 0.0)
        base_score = tl.zeros((TILE,), tl.float32)
        base_gradient = tl.zeros((TILE,), tl.float32)
        if net.output_bias is not None:
            base_score += tl.load(net.output_bias)
        if net.biases is not None:
            b_u = tl.load(net.users + user * USER + USER - 1, real, 0.0)
            base_score += b_u
        if PRODUCT:
            p = vectors(net.users, user, product, USER, real[:, None] & in_product)
            factors = p * h
            factors_gradient = tl.zeros_like(factors)
        if DEPTH:
            pair_gradient = tl.zeros((TILE, padded(2 * TOWER)), tl.float32)

        if LOSS != BCE:
            # The gradient of a score depends on all scores of its row, so all scores are computed
            # first; the loop below processes the columns again.
            column = tl.arange(0, padded(COLUMNS))[None, :]
            scores = tl.full((TILE, padded(COLUMNS)), float("-inf"), tl.float32)
            for c in range(COLUMNS):
                item = tl.load(chunk.items + place * COLUMNS + c, real, 0).to(tl.int64)
                score = base_score
                if net.biases is not None:
                    score += tl.load(net.biases + item, real, 0.0)
                if PRODUCT:
                    q = vectors(net.items, item, product, ITEM, real[:, None] & in_product)
                    score += tl.sum(factors * q, axis=1)
                if DEPTH:
                    x = pairs(net, user, item, pair, real, USER, ITEM, PRODUCT, TOWER)
                    layers = forward(net, x, TOWER, WIDTHS, PRECISION)
                    score += tl.sum(layers[DEPTH - 1] * w, axis=1)
                scores = tl.where(column == c, score[:, None], scores)
            if LOSS == BPR:
                loss, score_gradients = bpr(scores, COLUMNS)
            else:
                loss, score_gradients = sampled_softmax(scores)
            loss_sum += weight * loss

        for c in range(COLUMNS):
            item = tl.load(chunk.items + place * COLUMNS + c, real, 0).to(tl.int64)
            score = base_score
            if net.biases is not None:
                b_i = tl.load(net.biases + item, real, 0.0)
                score += b_i
            if PRODUCT:
                q = vectors(net.items, item, product, ITEM, real[:, None] & in_product)
            if DEPTH:
                x = pairs(net, user, item, pair, real, USER, ITEM, PRODUCT, TOWER)
                layers = forward(net, x, TOWER, WIDTHS, PRECISION)
            if LOSS == BCE:
                if PRODUCT:
                    score += tl.sum(factors * q, axis=1)
                if DEPTH:
                    score += tl.sum(layers[DEPTH - 1] * w, axis=1)
                sign = tl.where(c == 0, -1.0, 1.0)
                loss, g = softplus(sign * score)
                loss_sum += loss * weight / COLUMNS
                g *= sign * weight / COLUMNS
            else:
                g = weight * tl.sum(tl.where(column == c, score_gradients, 0.0), axis=1)
            base_gradient += g

            item_penalty = tl.zeros((TILE,), tl.float32)
            if PENALTY:
                if c == 0:
                    item_penalty = tl.load(penalty.item_penalties + item, real, 0.0)
                    item_penalty *= tl.where(real, penalty.regularization / n, 0.0)
            touched = g != 0
            if net.biases is not None:
                loss_sum += item_penalty * b_i * b_i
                gradient = g + 2 * item_penalty * b_i
                tl.atomic_add(gradients.biases + item, to_units(gradient), real, sem="relaxed")
                tl.store(seen[2] + item, begin, real & (gradient != 0))
            if PRODUCT:
                factors_gradient += g[:, None] * q
                gradient = g[:, None] * factors
                if PENALTY:
                    loss_sum += item_penalty * tl.sum(q * q, axis=1)
                    gradient += 2 * item_penalty[:, None] * q
                add(gradients.items, item, product, gradient, ITEM, real[:, None] & in_product)
                touched |= tl.max(tl.abs(gradient), axis=1) > 0
            if DEPTH:
                w_sum += tl.sum(g[:, None] * layers[DEPTH - 1], axis=0)[None, :]
                sums, bias_sums, gradient = backward(
                    net, x, layers, g[:, None] * w, sums, bias_sums, TOWER, WIDTHS, PRECISION
                )
                pair_gradient += gradient
                in_item = (pair >= TOWER) & (pair < 2 * TOWER)
                if PENALTY:
                    q_tower = tl.where(in_item, x, 0.0)
                    loss_sum += item_penalty * tl.sum(q_tower * q_tower, axis=1)
                    gradient += 2 * item_penalty[:, None] * q_tower
                to = PRODUCT + pair - TOWER
                add(gradients.items, item, to, gradient, ITEM, real[:, None] & in_item)
                touched |= tl.max(tl.where(in_item, tl.abs(gradient), 0.0), axis=1) > 0
            tl.store(seen[1] + item, begin, real & touched)

        user_penalty = tl.zeros((TILE,), tl.float32)
        if PENALTY:
            user_penalty = tl.load(penalty.user_penalties + user, real, 0.0)
            user_penalty *= tl.where(real, penalty.regularization / n, 0.0)
        b_sum += base_gradient
        touched = base_gradient != 0
        if net.biases is not None:
            loss_sum += user_penalty * b_u * b_u
            gradient = base_gradient + 2 * user_penalty * b_u
            to = gradients.users + user * USER + USER - 1
            tl.atomic_add(to, to_units(gradient), real, sem="relaxed")
            touched |= gradient != 0
        if PRODUCT:
            if PENALTY:
                loss_sum += user_penalty * tl.sum(factors * factors, axis=1)
                factors_gradient += 2 * user_penalty[:, None] * factors
            h_sum += tl.sum(factors_gradient * p, axis=0)[None, :]
            gradient = factors_gradient * h
            add(gradients.users, user, product, gradient, USER, real[:, None] & in_product)
            touched |= tl.max(tl.abs(gradient), axis=1) > 0
        if DEPTH:
            in_user = pair < TOWER
            if PENALTY:
                p_tower = vectors(net.users, user, PRODUCT + pair, USER, real[:, None] & in_user)
                loss_sum += user_penalty * tl.sum(p_tower * p_tower, axis=1)
                pair_gradient += 2 * user_penalty[:, None] * p_tower
            to = PRODUCT + pair
            add(gradients.users, user, to, pair_gradient, USER, real[:, None] & in_user)
            touched |= tl.max(tl.where(in_user, tl.abs(pair_gradient), 0.0), axis=1) > 0
        tl.store(seen[0] + user, begin, real & touched)

    tl.store(losses + program, tl.load(losses + program) + tl.sum(loss_sum.to(tl.float64)))
    if net.output is not None:
        tl.atomic_add(gradients.output_bias, to_units(tl.sum(b_sum)), sem="relaxed")
        if PRODUCT:
            tl.atomic_add(gradients.output + product, to_units(h_sum), in_product, sem="relaxed")
    if DEPTH:
        tl.atomic_add(gradients.output + PRODUCT + last, to_units(w_sum), in_last, sem="relaxed")
        add_layers(gradients, sums, bias_sums, TOWER, WIDTHS)


@triton.jit
def vectors(table, rows, columns, WIDTH: tl.constexpr, real):
    """Loads the given columns of the given rows (n,) of a table: (n, columns)."""
    return tl.load(table + rows[:, None] * WIDTH + columns, real, 0.0)


@triton.jit
def pairs(
    net, user, item, pair, real,
    USER: tl.constexpr, ITEM: tl.constexpr, PRODUCT: tl.constexpr, TOWER: tl.constexpr,
):  # fmt: skip
    """Loads the tower's inputs for one sample of each positive: (TILE, 2 TOWER), padded."""
    in_user, in_item = pair < TOWER, (pair >= TOWER) & (pair < 2 * TOWER)
    p = vectors(net.users, user, PRODUCT + pair, USER, real[:, None] & in_user)
    q = vectors(net.items, item, PRODUCT + pair - TOWER, ITEM, real[:, None] & in_item)
    return p + q


@triton.jit
def forward(net, x, TOWER: tl.constexpr, WIDTHS: tl.constexpr, PRECISION: tl.constexpr):
    """Returns the outputs of each layer of the tower: a tuple of (TILE, width)."""
    hidden = tl.dot(x, tl.trans(first_layer(net, WIDTHS[0], TOWER)), input_precision=PRECISION)
    hidden = tl.maximum(hidden + bias(net.first_bias, WIDTHS[0]), 0.0)
    layers = (hidden,)
    for layer in tl.static_range(len(WIDTHS) - 1):
        weight = matrix(net.more[layer], WIDTHS[layer + 1], WIDTHS[layer])
        hidden = tl.dot(hidden, tl.trans(weight), input_precision=PRECISION)
        hidden = tl.maximum(hidden + bias(net.more_biases[layer], WIDTHS[layer + 1]), 0.0)
        layers = layers + (hidden,)
    return layers


@triton.jit
def backward(
    net, x, layers, gradient, sums, bias_sums,
    TOWER: tl.constexpr, WIDTHS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Returns the updated sums of the weights' and biases' gradients, and the gradient of x."""
    new_sums = ()
    new_bias_sums = ()
    for layer in tl.static_range(len(WIDTHS) - 1, 0, -1):
        gradient = tl.where(layers[layer] > 0, gradient, 0.0)
        new_bias_sums = (bias_sums[layer] + tl.sum(gradient, axis=0)[None, :],) + new_bias_sums
        weight_sum = tl.dot(
            tl.trans(gradient), layers[layer - 1], sums[layer], input_precision=PRECISION
        )
        new_sums = (weight_sum,) + new_sums
        weight = matrix(net.more[layer - 1], WIDTHS[layer], WIDTHS[layer - 1])
        gradient = tl.dot(gradient, weight, input_precision=PRECISION)
    gradient = tl.where(layers[0] > 0, gradient, 0.0)
    new_bias_sums = (bias_sums[0] + tl.sum(gradient, axis=0)[None, :],) + new_bias_sums
    weight_sum = tl.dot(tl.trans(gradient), x, sums[0], input_precision=PRECISION)
    new_sums = (weight_sum,) + new_sums
    x_gradient = tl.dot(gradient, first_layer(net, WIDTHS[0], TOWER), input_precision=PRECISION)
    return new_sums, new_bias_sums, x_gradient


@triton.jit
def zero_sums(TOWER: tl.constexpr, WIDTHS: tl.constexpr):
    """Returns zeros, the initial sums of the gradients of the layers' weights and biases."""
    sums = (tl.zeros((padded(WIDTHS[0]), padded(2 * TOWER)), tl.float32),)
    bias_sums = (tl.zeros((1, padded(WIDTHS[0])), tl.float32),)
    for layer in tl.static_range(1, len(WIDTHS)):
        weight_sum = tl.zeros((padded(WIDTHS[layer]), padded(WIDTHS[layer - 1])), tl.float32)
        sums = sums + (weight_sum,)
        bias_sums = bias_sums + (tl.zeros((1, padded(WIDTHS[layer])), tl.float32),)
    return sums, bias_sums


@triton.jit
def add_layers(gradients, sums, bias_sums, TOWER: tl.constexpr, WIDTHS: tl.constexpr):
    """Adds a program's sums to the gradients of the layers' weights and biases."""
    for layer in tl.static_range(len(WIDTHS)):
        out = tl.arange(0, padded(WIDTHS[layer]))[:, None]
        if layer == 0:
            pair = tl.arange(0, padded(2 * TOWER))[None, :]
            real = (out < WIDTHS[0]) & (pair < 2 * TOWER)
            user_weight = gradients.first_user + out * TOWER + pair
            item_weight = gradients.first_item + out * TOWER + pair - TOWER
            weight = tl.where(pair < TOWER, user_weight, item_weight)
            to_bias = gradients.first_bias
        else:
            into = tl.arange(0, padded(WIDTHS[layer - 1]))[None, :]
            real = (out < WIDTHS[layer]) & (into < WIDTHS[layer - 1])
            weight = gradients.more[layer - 1] + out * WIDTHS[layer - 1] + into
            to_bias = gradients.more_biases[layer - 1]
        tl.atomic_add(weight, to_units(sums[layer]), real, sem="relaxed")
        column = tl.arange(0, padded(WIDTHS[layer]))[None, :]
        in_layer = column < WIDTHS[layer]
        tl.atomic_add(to_bias + column, to_units(bias_sums[layer]), in_layer, sem="relaxed")


@triton.jit
def first_layer(net, OUT: tl.constexpr, TOWER: tl.constexpr):
    """Loads both halves of the first weight side by side: (OUT, 2 TOWER), padded with zeros."""
    out, pair = tl.arange(0, padded(OUT))[:, None], tl.arange(0, padded(2 * TOWER))[None, :]
    user_half = tl.load(net.first_user + out * TOWER + pair, (out < OUT) & (pair < TOWER), 0.0)
    in_item = (out < OUT) & (pair >= TOWER) & (pair < 2 * TOWER)
    return user_half + tl.load(net.first_item + out * TOWER + pair - TOWER, in_item, 0.0)


@triton.jit
def matrix(weight, OUT: tl.constexpr, IN: tl.constexpr):
    """Loads a weight (OUT, IN), padded with zeros."""
    out, into = tl.arange(0, padded(OUT))[:, None], tl.arange(0, padded(IN))[None, :]
    return tl.load(weight + out * IN + into, (out < OUT) & (into < IN), 0.0)


@triton.jit
def bias(pointer, OUT: tl.constexpr):
    """Loads a bias as a row, (1, OUT), padded with zeros."""
    out = tl.arange(0, padded(OUT))[None, :]
    return tl.load(pointer + out, out < OUT, 0.0)


@triton.jit
def softplus(x):
    """Returns log(1 + exp(x)) and its derivative, the sigmoid of x."""
    e = tl.exp(-tl.abs(x))
    return tl.maximum(x, 0.0) + log1p(e), tl.where(x >= 0, 1.0, e) / (1.0 + e)


@triton.jit
def log1p(e):
    """Returns log(1 + e) for e in [0, 1], corrected for the rounding of 1 + e (Kahan)."""
    u = 1.0 + e
    return tl.where(u == 1.0, e, tl.log(u) * (e / tl.where(u == 1.0, 1.0, u - 1.0)))


@triton.jit
def bpr(scores, COLUMNS: tl.constexpr):
    """Returns losses (n,) and the gradients of scores (n, padded(COLUMNS)), padded with -inf."""
    column = tl.arange(0, padded(COLUMNS))[None, :]
    is_negative = (column > 0) & (column < COLUMNS)
    positive = tl.sum(tl.where(column == 0, scores, 0.0), axis=1)
    loss, g = softplus(tl.where(is_negative, scores - positive[:, None], 0.0))
    loss = tl.sum(tl.where(is_negative, loss, 0.0), axis=1) / (COLUMNS - 1)
    g = tl.where(is_negative, g, 0.0) / (COLUMNS - 1)
    return loss, tl.where(column == 0, -tl.sum(g, axis=1)[:, None], g)


@triton.jit
def sampled_softmax(scores):
    """Returns losses and gradients of the scores, in the same form as `bpr`."""
    column = tl.arange(0, scores.shape[1])[None, :]
    highest = tl.max(scores, axis=1)
    probabilities = tl.exp(scores - highest[:, None])
    total = tl.sum(probabilities, axis=1)
    positive = tl.sum(tl.where(column == 0, scores, 0.0), axis=1)
    probabilities /= total[:, None]
    return tl.log(total) + highest - positive, tl.where(
        column == 0, probabilities - 1.0, probabilities
    )


@triton.jit
def add(gradients, rows, columns, row_gradients, WIDTH: tl.constexpr, real):
    """Adds (n, columns) to the gradients of the rows (n,) of a table of width WIDTH."""
    to = gradients + rows[:, None] * WIDTH + columns
    tl.atomic_add(to, to_units(row_gradients), real, sem="relaxed")


@triton.jit
def to_units(gradient):
    """Converts a gradient to an integer number of units."""
    return (gradient * UNITS).to(tl.int64)


@triton.jit
def adam(
    blocks, places, gradients, seen, at, corrections,
    beta1, beta2, epsilon, weight_decay, batch_size,
    LAZY: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Takes one step of Adam on all parameters, and resets their gradients to zero.

    Args:
        blocks: (n_programs, 2) int32: each program's parameter, and the first of its elements.
        places: (n_parameters, 7) int64: the addresses of the values and of both moments, the start
            of the gradients, the number of elements in total and per row, and the start in `seen`,
            or -1 for a parameter that is not a table.
        gradients: int64, in units.
        seen: as for train_batch, all tables in one array.
        at: as in Chunk.
        corrections: (n_batches, 2) float32: step size, and root of the second moment's correction.
        beta1, beta2, epsilon, weight_decay: as in torch.optim.Adam.
        batch_size: number of positives in a batch.
        LAZY: whether rows without a gradient are left unchanged.
        BLOCK: number of elements that a program updates.
    """
    program = tl.program_id(0)
    taken = tl.load(at + TAKEN)
    if program == 0:
        tl.store(at + DONE, taken)
    begin = taken - batch_size
    if begin >= tl.load(at + TOTAL):
        return
    place = places + 7 * tl.load(blocks + 2 * program)
    number = tl.load(blocks + 2 * program + 1) + tl.arange(0, BLOCK)
    value = tl.load(place).to(tl.pointer_type(tl.float32)) + number
    mean = tl.load(place + 1).to(tl.pointer_type(tl.float32)) + number
    square = tl.load(place + 2).to(tl.pointer_type(tl.float32)) + number
    gradient = gradients + tl.load(place + 3) + number
    real = number < tl.load(place + 4)
    seen_at = tl.load(place + 6)
    row = number // tl.load(place + 5).to(tl.int32)
    has_gradient = real
    if seen_at >= 0:
        has_gradient &= tl.load(seen + seen_at + row, real, -1) == begin
    if LAZY:
        real = has_gradient

    g = tl.load(gradient, has_gradient, 0).to(tl.float32) * (1.0 / UNITS)
    tl.store(gradient, tl.zeros((BLOCK,), tl.int64), has_gradient)
    p = tl.load(value, real, 0.0)
    m = tl.load(mean, real, 0.0)
    v = tl.load(square, real, 0.0)
    g += weight_decay * p
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    correction = corrections + 2 * (begin // batch_size)
    step_size, root = tl.load(correction), tl.load(correction + 1)
    tl.store(value, p - step_size * m / (tl.sqrt(v) / root + epsilon), real)
    tl.store(mean, m, real)
    tl.store(square, v, real)
