"""A probe's files: Wilson's interval, readable by others, the same bytes for the same content."""

import json

import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest

from tradeoff.probes.results import SCHEMA, wilson, write_table

ROW = {
    "step": 5,
    "epoch": 0.5,
    "test_set": "pacs.photo",
    "domain": "photo",
    "probe": "pgd",
    "threat": "pgd linf",
    "epsilon": 0.1,
    "n": 40,
    "correct": 10,
}


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (10, 10), (3, 10), (1, 1), (512, 2000)])
def test_wilson_equals_scipy(correct, n):
    expected = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    assert wilson(correct, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_table_holds_shares_identity_and_flags(tmp_path):
    path = tmp_path / "pgd.parquet"
    write_table(path, [ROW, ROW | {"domain": None}], {"run_digest": "abc"}, ["step 5: odd"])
    table = pq.read_table(path)
    assert table.column_names == SCHEMA.names
    assert table["accuracy"].to_pylist() == [0.25, 0.25]
    assert table["low"][0].as_py() < 0.25 < table["high"][0].as_py()
    assert json.loads(table.schema.metadata[b"identity"]) == {"run_digest": "abc"}
    assert json.loads(table.schema.metadata[b"flags"]) == ["step 5: odd"]
