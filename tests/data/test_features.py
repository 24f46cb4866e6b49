"""Encoders of features: what is learned in training, and that all sources are encoded alike."""

import json
from datetime import date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tastemaker as tm
from tastemaker.data.features import Encoded, Encoders, FeatureEncoder
from tastemaker.errors import ConfigError

DAY_S = 86_400


def fitted(column: pl.Series, kind: str, is_used: list[bool] | None = None, **how: object) -> tuple:
    """The encoder of one feature, and the encoded table."""
    frame = pl.DataFrame([pl.Series("item_id", range(len(column))), column.alias("x")])
    table = tm.Catalog(frame, kinds={"x": kind})
    used = np.array([True] * len(column) if is_used is None else is_used)
    encoder = FeatureEncoder.fit(table, used, **how)
    return encoder, encoder.encode(table)


def codes_of(encoded: Encoded) -> list[list[int]]:
    return [part.tolist() for part in np.split(encoded.codes, encoded.indptr[1:-1])]


def test_a_category_has_a_code_and_what_training_lacks_has_none() -> None:
    brands = pl.Series(["b", "a", None, "b", "new"])
    encoder, encoded = fitted(brands, "category", [True, True, True, True, False])
    assert encoder.n_codes == 2
    assert codes_of(encoded) == [[1], [0], [], [1], []]
    assert encoded.is_known.tolist() == [True, True, False, True, False]
    rows = [{"x": "a"}, {"x": None}, {}, {"x": "other"}, {"y": "a"}]
    assert codes_of(encoder.encode_rows(rows)) == [[0], [], [], [], []]


def test_the_elements_of_a_list_share_the_weight_of_one_feature() -> None:
    encoder, encoded = fitted(pl.Series([["b", "a", "a"], [], None, ["c"]]), "categories")
    assert codes_of(encoded) == [[1, 0], [], [], [2]]
    assert encoded.weights.tolist() == [0.5, 0.5, 1.0]
    assert codes_of(encoder.encode_rows([{"x": ["c", "z"]}])) == [[2]]


def test_words_of_a_single_row_have_no_code() -> None:
    texts = pl.Series(["Red coat, long", "red HAT", "a coat's collar", None])
    encoder, encoded = fitted(texts, "text")
    assert encoder.state()[0] == {"x": {"kind": "text", "values": ["coat", "red"]}}
    assert codes_of(encoded) == [[1, 0], [1], [0], []]


def test_a_number_is_standardised_and_has_a_bucket() -> None:
    values = np.append(np.arange(100.0), 1e9)
    encoder, encoded = fitted(pl.Series(values), "number", [True] * 100 + [False])
    assert encoder.n_codes == 10
    assert [codes[0] for codes in codes_of(encoded)[:100:10]] == list(range(10))
    assert np.bincount(encoded.codes[:100]).tolist() == [10] * 10
    np.testing.assert_allclose(encoded.dense[:100, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(encoded.dense[:100, 0].std(), 1, atol=1e-6)
    assert encoded.dense[100, 0] == 4
    missing = encoder.encode_rows([{"x": None}])
    assert (missing.codes.size, missing.dense.tolist()) == (0, [[0.0]])


def test_equal_numbers_are_in_one_bucket() -> None:
    encoder, encoded = fitted(pl.Series([1, 1, 1, 1, 2]), "number")
    assert encoder.n_codes == 2
    assert codes_of(encoded) == [[0]] * 4 + [[1]]


def test_a_date_is_its_age_at_the_newest_event_of_training() -> None:
    log = pl.DataFrame({"user": [1, 1, 2], "item": [1, 2, 2], "time": [0, 50, 100]})
    log = log.with_columns(pl.col("time") * DAY_S + 1_600_000_000)
    start = datetime(2020, 9, 13)
    items = pl.DataFrame({"item": [1, 2], "since": [start, datetime(2020, 12, 22)]})
    data = tm.read(log, items=items)
    state = Encoders.fit(data).items
    assert state is not None
    learned = state.state()[0]["since"]
    assert learned["newest"] == 1_600_000_000 + 100 * DAY_S
    assert learned["mean"] == pytest.approx(50.5, abs=0.1)
    given_forms = [start, start.isoformat(), start.date(), "2020-09-13T00:00:00+00:00"]
    encoded = state.encode_rows([{"since": form} for form in given_forms])
    np.testing.assert_array_equal(encoded.dense, encoded.dense[:1].repeat(4, axis=0))
    earlier = Encoders.fit(data.rows(np.array([0, 1]))).items
    assert earlier is not None
    assert earlier.state()[0]["since"]["newest"] == 1_600_000_000 + 50 * DAY_S


def test_vectors_are_centred_and_of_length_1() -> None:
    vectors = pl.Series([[1.0, 0.0], [3.0, 0.0], None], dtype=pl.Array(pl.Float32, 2))
    encoder, encoded = fitted(vectors, "vector")
    assert encoded.dense.tolist() == [[-1, 0], [1, 0], [0, 0]]
    assert encoder.n_codes == 0
    np.testing.assert_allclose(encoder.encode_rows([{"x": [2, 5]}]).dense, [[0, 1]])


def test_codes_of_several_features_do_not_overlap() -> None:
    frame = pl.DataFrame(
        {"item_id": [1, 2], "size": [1.0, 2.0], "brand": ["a", "b"], "tags": [["x"], ["y", "x"]]}
    )
    kinds = {"size": "number", "brand": "category", "tags": "categories"}
    table = tm.Catalog(frame, kinds=kinds)
    encoder = FeatureEncoder.fit(table, np.array([True, True]))
    assert encoder.n_codes == 6
    assert codes_of(encoder.encode(table)) == [[0, 2, 4], [1, 3, 5, 4]]
    assert encoder.encode(table).weights.tolist() == [1, 1, 1, 1, 1, 0.5, 0.5]


COLUMNS = {
    "brand": (st.sampled_from("abc"), pl.String, "category"),
    "tags": (st.lists(st.sampled_from("xyz"), max_size=3), pl.List(pl.String), "categories"),
    "price": (st.floats(-1e6, 1e6), pl.Float64, "number"),
    "about": (st.text("ab c", max_size=12), pl.String, "text"),
    "since": (st.integers(10**9, 2 * 10**9), pl.Int64, "date"),
    "look": (
        st.lists(st.integers(-9, 9), min_size=2, max_size=2),
        pl.Array(pl.Float32, 2),
        "vector",
    ),
}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, (values, *_) in COLUMNS.items()}),
    min_size=2, max_size=12,
)  # fmt: skip


@given(ROWS, st.data())
def test_rows_are_encoded_as_in_a_table_also_by_a_restored_encoder(
    rows: list[dict], data: st.DataObject
) -> None:
    schema = {name: dtype for name, (_, dtype, _) in COLUMNS.items()}
    frame = pl.DataFrame(rows, schema=schema).with_row_index("item_id")
    table = tm.Catalog(frame, kinds={name: kind for name, (*_, kind) in COLUMNS.items()})
    used = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    encoder = FeatureEncoder.fit(table, np.array(used))
    expected = encoder.encode(table)
    assert len(expected) == len(rows)
    assert expected.codes.max(initial=-1) < encoder.n_codes
    assert expected.dense.shape[1] == encoder.n_dense
    description, arrays = encoder.state()
    restored = FeatureEncoder.from_state(json.loads(json.dumps(description)), arrays)
    for encoded in (encoder.encode_rows(rows), restored.encode(table)):
        for name in ("codes", "indptr", "weights", "dense"):
            np.testing.assert_array_equal(getattr(encoded, name), getattr(expected, name))


@pytest.mark.parametrize(
    ("kind", "values", "wrong", "message"),
    [
        ("number", [1.0, 2.0], "3", "'3' is not a number"),
        ("number", [1.0, 2.0], True, "True is not a number"),
        ("number", [1.0, 2.0], float("nan"), "nan is not a number"),
        ("category", ["a", "b"], ["a"], "is not a text or a number"),
        ("categories", [["a"], ["b"]], "a", "'a' is not a list of texts"),
        ("date", [1, 2], "soon", "'soon' is not a date in ISO 8601"),
        ("text", ["a b c", "b"], {"a": 1}, "is not a text"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(
    kind: str, values: list, wrong: object, message: str
) -> None:
    encoder, _ = fitted(pl.Series(values), kind)
    with pytest.raises(ConfigError, match=f'feature "x": .*{message}'):
        encoder.encode_rows([{"x": wrong}])


def test_a_vector_of_the_wrong_length_is_refused() -> None:
    encoder, _ = fitted(pl.Series([[1.0, 2.0]], dtype=pl.Array(pl.Float32, 2)), "vector")
    with pytest.raises(ConfigError, match='feature "x": .* is not a list of 2 numbers'):
        encoder.encode_rows([{"x": [1.0, 2.0, 3.0]}])


def test_only_items_and_users_of_the_training_data_are_learned_from() -> None:
    log = pl.DataFrame({"user": [1, 1, 2], "item": [1, 2, 3], "time": [1, 2, 3]})
    items = pl.DataFrame({"item": [1, 2, 3], "brand": ["a", "b", "b"]})
    users = pl.DataFrame({"user": [1, 2], "joined": [date(2020, 1, 1), date(2021, 1, 1)]})
    data = tm.read(log, items=items, users=users)
    train = data.rows(np.array([0]))
    item_encoder, user_encoder = Encoders.fit(train)
    assert item_encoder is not None
    assert item_encoder.state()[0]["brand"]["values"] == ["a"]
    assert user_encoder is not None
    assert user_encoder.state()[0]["joined"]["newest"] == 1_577_836_800
    assert Encoders.fit(tm.read(log)) == (None, None)
