"""Measures: names that Prometheus knows, units, and no sample of what nobody knows."""

import re

from virtuoso.wire.measures import MEASURES, Measure, labelled, measures_exposition, series_of


def test_every_name_says_its_unit_and_is_explained() -> None:
    """`_total` counts; seconds, bytes and ratios are named so; nothing is in milliseconds."""
    for name, kind in MEASURES.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert kind.text.endswith(".")
        assert name.endswith("_total") is kind.counts, name
        for unit in ("seconds", "bytes", "ratio"):
            assert (kind.unit == unit) is name.removesuffix("_total").endswith(unit), name


def test_what_is_not_known_has_no_sample_and_labels_are_escaped() -> None:
    """Never 0; and a name from outside cannot break a line."""
    text = measures_exposition(
        [Measure("disk_free_bytes", None), Measure("loop_lag_seconds", 0.5, {"process": 'a"\n'})]
    )
    assert "\nvirtuoso_disk_free_bytes" not in text
    assert "# TYPE virtuoso_disk_free_bytes gauge\n" in text
    assert 'virtuoso_loop_lag_seconds{process="a\\"\\n"} 0.5\n' in text


def test_a_series_is_named_by_its_measure_and_labels() -> None:
    """Whose it is comes first."""
    [found] = labelled([Measure("queue_length", 1.0, {"queue": "store"})], process="engine")
    assert series_of(found) == "queue_length/engine/store"
