"""Intervals that hold what they promise, and p-values against exact enumeration."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tastemaker.metrics import statistics
from tastemaker.metrics.statistics import (
    benjamini_hochberg,
    bootstrap_intervals,
    holm,
    paired_permutation_test,
)

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12).map(np.array)


def test_an_interval_of_95_percent_holds_the_true_mean_in_about_95_of_100_worlds() -> None:
    worlds = np.random.default_rng(0).exponential(size=(400, 200))
    held = [
        low[0] <= 1.0 <= high[0]
        for seed, world in enumerate(worlds)
        for low, high in [bootstrap_intervals(world[None], seed=seed, resamples=200)]
    ]
    assert 0.91 <= np.mean(held) <= 0.98


def test_without_users_there_is_no_interval() -> None:
    assert np.isnan(bootstrap_intervals(np.zeros((2, 0)))).all()


def test_the_interval_of_many_users_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(0).normal(3, 2, size=(1, 2000))
    low, high = bootstrap_intervals(values, resamples=4000)
    error = values.std() / np.sqrt(2000)
    assert low[0] == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert high[0] == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)
    narrow = bootstrap_intervals(values, resamples=4000, level=0.5)
    assert low[0] < narrow[0][0] < narrow[1][0] < high[0]


def test_one_seed_gives_one_interval_and_a_metric_does_not_depend_on_its_neighbours() -> None:
    values = np.random.default_rng(0).random((3, 50))
    low, high = bootstrap_intervals(values, seed=4)
    alone = bootstrap_intervals(values[1:2], seed=4)
    assert (low[1], high[1]) == pytest.approx((alone[0][0], alone[1][0]))
    assert low[1] != bootstrap_intervals(values, seed=5)[0][1]


def test_users_without_a_value_of_the_metric_are_left_out() -> None:
    values = np.array([[1.0, 1.0, np.nan, 1.0], [np.nan] * 4, [0.0, 1.0, 0.0, 1.0]])
    low, high = bootstrap_intervals(values)
    assert low.tolist() == pytest.approx([1, np.nan, 0], nan_ok=True)
    assert high.tolist() == pytest.approx([1, np.nan, 1], nan_ok=True)


def test_one_user_has_an_interval_of_one_point() -> None:
    low, high = bootstrap_intervals(np.array([[0.25], [np.nan]]))
    assert low.tolist() == pytest.approx([0.25, np.nan], nan_ok=True)
    assert high.tolist() == pytest.approx([0.25, np.nan], nan_ok=True)


def test_few_resamples_at_a_time_give_intervals_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((2, 100))
    expected = bootstrap_intervals(values)
    monkeypatch.setattr(statistics, "NUMBERS_AT_ONCE", 250)
    np.testing.assert_allclose(bootstrap_intervals(values), expected)


def p_value_by_enumeration(differences: list[float]) -> float:
    means = [np.mean(np.multiply(signs, differences)) for signs in
             product([1, -1], repeat=len(differences))]  # fmt: skip
    return float(np.mean(np.abs(means) >= abs(np.mean(differences)) - 1e-9))


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_few_users_get_the_exact_p_value(differences: list[int]) -> None:
    one = np.array(differences) / 10
    p = paired_permutation_test(one, np.zeros(len(one)))
    assert p == pytest.approx(p_value_by_enumeration(one.tolist()))
    assert p == paired_permutation_test(np.zeros(len(one)), one), "two-sided"


def test_random_signs_come_near_the_exact_p_value() -> None:
    differences = np.random.default_rng(0).normal(0.4, 1, 13)
    exact = paired_permutation_test(differences, np.zeros(13), permutations=2**13)
    assert 0.05 < exact < 0.5
    drawn = paired_permutation_test(differences, np.zeros(13), permutations=2**13 - 1)
    assert drawn == pytest.approx(exact, abs=0.02)
    assert drawn != exact


def test_scipy_computes_nearly_the_same_p_value() -> None:
    random = np.random.default_rng(1)
    one, other = random.random(300), random.random(300) + 0.03
    expected = stats.permutation_test(
        (one, other), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples",
        n_resamples=10_000, vectorized=True, rng=random,
    )  # fmt: skip
    assert paired_permutation_test(one, other) == pytest.approx(expected.pvalue, abs=0.02)


def test_equal_models_are_not_told_apart_and_different_ones_are() -> None:
    same = np.random.default_rng(0).random(100)
    assert paired_permutation_test(same, same) == 1
    assert paired_permutation_test(same + 0.1, same) == pytest.approx(1 / 10_001)
    balanced = np.where(np.arange(100) % 2, 0.1, -0.1)
    assert paired_permutation_test(balanced, np.zeros(100)) == 1


def test_p_values_of_equal_models_are_uniform() -> None:
    random = np.random.default_rng(0)
    p_values = [
        paired_permutation_test(random.normal(size=40), random.normal(size=40), permutations=400)
        for _ in range(400)
    ]
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.05)


def test_users_without_a_difference_do_not_change_the_p_value() -> None:
    random = np.random.default_rng(2)
    one, other = random.random(50), random.random(50)
    p = paired_permutation_test(one, other)
    silent_one, silent_other = [0.5, np.nan, 0.3, np.nan], [0.5, 0.1, np.nan, np.nan]
    longer = paired_permutation_test(np.append(one, silent_one), np.append(other, silent_other))
    assert longer == p
    assert paired_permutation_test(np.array([np.nan]), np.array([1.0])) == 1


def test_adjusted_p_values_worked_out_by_hand() -> None:
    p_values = np.array([0.04, 0.01, 0.03, 0.005])
    # Ascending 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1; none below the one before.
    assert holm(p_values).tolist() == pytest.approx([0.06, 0.03, 0.06, 0.02])
    # Times 4/1, 4/2, 4/3, 4/4; none above the one after.
    assert benjamini_hochberg(p_values).tolist() == pytest.approx([0.04, 0.02, 0.04, 0.02])
    assert holm(np.array([0.6, 0.7])).tolist() == [1, 1]
    assert benjamini_hochberg(np.array([])).tolist() == holm(np.array([])).tolist() == []


@given(P_VALUES)
def test_benjamini_and_hochberg_agree_with_scipy(p_values: np.ndarray) -> None:
    expected = stats.false_discovery_control(p_values, method="bh")
    np.testing.assert_allclose(benjamini_hochberg(p_values), expected, atol=1e-12)


@given(P_VALUES, st.sampled_from([holm, benjamini_hochberg]))
def test_adjusting_keeps_the_order_and_only_ever_raises(p_values: np.ndarray, adjust) -> None:
    adjusted = adjust(p_values)
    order = np.argsort(p_values)
    assert (np.diff(adjusted[order]) >= 0).all()
    assert (adjusted >= p_values * (1 - 1e-12)).all()
    assert (adjusted <= 1).all()
    assert (benjamini_hochberg(p_values) <= holm(p_values) * (1 + 1e-12)).all()
