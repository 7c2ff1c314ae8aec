"""Tables, and the schemas and names that were recorded for them."""

from datetime import UTC, datetime, timedelta

import pytest

from kntls.lab.api import tables
from kntls.lab.resources import COMPONENTS, CREATE_ONLY, TABLE
from kntls.lab.shapes import Shapes

SHAPES = Shapes(COMPONENTS)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (8 * 3600, "8h"),
        (48 * 3600, "2d"),
        (50 * 3600, "2d2h"),
        (8 * 86400, "8d"),
        (800 * 86400, "2y70d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_ages_are_written_as_kubectl_writes_them(seconds, text):
    assert tables.age((NOW - timedelta(seconds=seconds)).isoformat(), NOW) == text


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (".spec.name", "x"),
        ('.status.conditions[?(@.type=="Ready")].status', "True"),
        (".status.conditions[?(@.type == 'Ready')].status", "True"),
        (".metadata.labels['example\\.com/a']", "b"),
        (".spec.list[1]", 2),
        (".spec.none.deeper", None),
        (".spec.list[7]", None),
    ],
)
def test_printer_columns_find_their_value(path, value):
    obj = {
        "metadata": {"labels": {"example.com/a": "b"}},
        "spec": {"name": "x", "list": [1, 2]},
        "status": {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]},
    }
    assert tables.json_path(obj, path) == value


@pytest.mark.parametrize("resource", [r for r in TABLE if r.verbs != CREATE_ONLY], ids=str)
def test_every_type_has_a_recorded_shape_and_columns(resource):
    shape = SHAPES.of(resource.api_version, resource.kind)
    assert shape.known, "run scripts/record_schemas.py"
    assert "metadata" in shape.properties
    row = tables.table(resource, SHAPES, [{"metadata": {"name": "a"}}], {}, "None")["rows"][0]
    assert "a" in row["cells"]
