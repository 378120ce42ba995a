from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema
from dissonance.decisions.models import open_critic, open_proposer
from dissonance.decisions.rows import RowEncoder
from dissonance.decisions.scoring import (
    LEAST_PART_ROWS,
    PART_CELLS,
    Scorer,
    ScorerSpecification,
    part_rows,
)
from dissonance.decisions.scoring_rows import STRETCH_ROWS, read_rows
from dissonance.decisions.scoring_tables import OutputTables, check_keys, probability_columns
from dissonance.decisions.tables import table_bytes
from dissonance.errors import InputError
from dissonance.pipeline.scoring.run import Model
from dissonance.ports.scoring import BrokenRow, Part
from dissonance.science.dissonance import critic_distribution, dissonance
from support.scoring import rows_table, small_model


@pytest.fixture(scope="module")
def model() -> Model:
    return small_model()


def scorer(model: Model, **options: object) -> Scorer:
    given_ = {"task": model.task, "proposer": model.proposer, "critic": model.critic, **options}
    return Scorer(msgspec.convert(given_, ScorerSpecification))


def part(table: pa.Table, **options: object) -> Part:
    return Part(0, np.arange(table.num_rows) + 5, table, **options)  # type: ignore[arg-type]


def test_answers_are_those_of_the_model_itself(model: Model) -> None:
    table = rows_table(50)
    scored = scorer(model, keys=("id",)).score(part(table))
    features = RowEncoder(model.task.schema).encode(table.select(list(model.task.schema.names)).to_pylist())
    p = open_proposer(model.proposer).probabilities(features)
    assert model.critic is not None
    c = open_critic(model.critic).confidence(features, p)
    found = scored.answers
    assert found.column_names == ["row", "id", "class", "probability_no", "probability_yes", "doubt", "dissonance"]
    assert found["row"].to_pylist() == list(range(5, 55))
    assert found["id"].equals(table["id"])
    assert found["class"].to_pylist() == [model.task.classes[index] for index in p.argmax(axis=1)]
    assert np.array_equal(np.column_stack([found["probability_no"], found["probability_yes"]]), p)
    assert np.array_equal(found["doubt"], 1.0 - c)
    assert np.array_equal(found["dissonance"], dissonance(p, critic_distribution(p, c)))
    assert (scored.read, scored.rejected.num_rows) == (50, 0)


def test_without_the_critic_nothing_is_said_of_doubt(model: Model) -> None:
    found = scorer(model, critic=None).score(part(rows_table(5))).answers
    assert found.column_names == ["row", "class", "probability_no", "probability_yes"]


def test_bad_rows_are_told_with_row_key_and_column_and_the_others_answered(model: Model) -> None:
    table = rows_table(STRETCH_ROWS + 10)
    kinds = table["kind"].to_pylist()
    kinds[3], kinds[STRETCH_ROWS + 2] = "never seen", None
    bad = table.set_column(table.column_names.index("kind"), "kind", pa.array(kinds))
    scored = scorer(model, keys=("id",)).score(part(bad, broken=(BrokenRow(2, "it has 3 fields"),)))
    rejected = scored.rejected.select(["row", "id", "column", "error"]).to_pylist()
    assert rejected == [
        {"row": 2, "id": None, "column": None, "error": "malformed-row"},
        {"row": 8, "id": 1_003, "column": "kind", "error": "unseen-category"},
        {"row": STRETCH_ROWS + 7, "id": 1_000 + STRETCH_ROWS + 2, "column": "kind", "error": "wrong-type"},
    ]
    good = [row for row in range(5, STRETCH_ROWS + 15) if row not in (8, STRETCH_ROWS + 7)]
    assert scored.answers["row"].to_pylist() == good
    assert scored.read == scored.answers.num_rows + scored.rejected.num_rows
    whole = scorer(model).score(part(table)).answers
    mask = np.isin(np.arange(5, STRETCH_ROWS + 15), good)
    assert scored.answers["doubt"].to_pylist() == whole.filter(pa.array(mask))["doubt"].to_pylist()


def test_the_first_bad_row_is_the_last_that_is_looked_at_when_it_stops(model: Model) -> None:
    table = rows_table(20)
    kinds = pa.array(["odd"] * 20)
    bad = table.set_column(table.column_names.index("kind"), "kind", kinds)
    scored = scorer(model, stop_at_first=True).score(part(bad))
    assert scored.rejected["row"].to_pylist() == [5]


def test_keys_by_dictionary_come_as_plain_values(model: Model) -> None:
    table = rows_table(6)
    coded = table.set_column(0, "id", pa.array(list("aabbcc")).dictionary_encode())
    assert scorer(model, keys=("id",)).score(part(coded)).answers["id"].to_pylist() == list("aabbcc")


def test_columns_of_nothing_are_those_of_something(model: Model) -> None:
    table = rows_table(4)
    keys = ["id", "person"]
    tables = OutputTables(model.task.classes, keys, text_cells=False)
    answers, rejected = tables.schemas(table.select(keys).schema, contradicted=True)
    scored = scorer(model, keys=tuple(keys)).score(part(table))
    assert scored.answers.schema.equals(answers)
    assert scored.rejected.schema.equals(rejected)


def test_specification_survives_its_bytes_and_answers_alike(model: Model) -> None:
    specification = ScorerSpecification(task=model.task, proposer=model.proposer, critic=model.critic)
    sent = msgspec.msgpack.decode(msgspec.msgpack.encode(specification), type=ScorerSpecification)
    table = part(rows_table(30))
    assert table_bytes(Scorer(sent).score(table).answers) == table_bytes(Scorer(specification).score(table).answers)


@given(features=st.integers(1, 100_000), classes=st.integers(2, 100))
def test_a_part_is_of_bounded_size(features: int, classes: int) -> None:
    rows = part_rows(features, classes)
    assert rows == LEAST_PART_ROWS or rows * (features + classes) <= PART_CELLS


@pytest.mark.parametrize("key", ["row", "class", "doubt", "probability_yes", "error"])
def test_a_key_with_the_name_of_another_column_is_refused(model: Model, key: str) -> None:
    with pytest.raises(InputError, match="two columns"):
        check_keys(model.task, [key])


def test_a_key_twice_is_refused(model: Model) -> None:
    with pytest.raises(InputError, match="two columns"):
        check_keys(model.task, ["id", "id"])


def test_classes_of_two_types_have_columns_of_their_own() -> None:
    assert len(set(probability_columns([True, "True", 1]))) == 3


VALUES = st.sampled_from([None, 0.5, 3.0, float("nan"), float("inf"), -1.0])


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.int8(), pa.uint64()])
def test_numbers_of_any_width_are_read(kind: pa.DataType) -> None:
    table = pa.table({"x": pa.array([1, 2], pa.int64()).cast(pa.float64()).cast(kind), "y": pa.array([3, 4], kind)})
    assert read_rows(NUMBERS, table, text_cells=False, stop_at_first=False).matrix.tolist() == [[1, 3], [2, 4]]


NUMBERS = FeatureSchema((Feature("x", FeatureKind.NUMBER, missing_allowed=True), Feature("y", FeatureKind.INTEGER)))


@given(st.lists(st.tuples(VALUES, VALUES), max_size=12))
def test_rows_are_good_or_bad_as_the_encoder_of_rows_says_with_nan_as_missing(rows: list[tuple[float, float]]) -> None:
    table = pa.table({name: pa.array([row[index] for row in rows], pa.float64()) for index, name in enumerate("xy")})
    found = read_rows(NUMBERS, table, text_cells=False, stop_at_first=False)
    encoder, good, bad = RowEncoder(NUMBERS), [], []
    for position, row in enumerate(rows):
        plain = {
            name: None if value is None or np.isnan(value) else value for name, value in zip("xy", row, strict=True)
        }
        try:
            good.append((position, encoder.encode([plain])[0].tolist()))
        except InputError as error:
            bad.append((position, error.slug))
    assert found.good.tolist() == [position for position, _ in good]
    assert np.array_equal(found.matrix, np.array([row for _, row in good]).reshape(-1, 2), equal_nan=True)
    assert [(each.position, each.error.slug) for each in found.bad] == bad
