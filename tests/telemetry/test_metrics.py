"""Metrics: names and units by Prometheus' rules, a registry of their own, nothing that grows with rooms."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from guard.telemetry.metrics import Metrics
from guard.telemetry.stamps import Stage, Stamps

pytestmark = pytest.mark.unit


def test_every_name_is_ours_in_base_units_and_explained():
    for family in Metrics().registry.collect():
        assert re.fullmatch(r"guard_[a-z_]+", family.name)
        assert not re.search(r"_(ms|millis|kb|mb)$", family.name)
        assert family.documentation.endswith(".")


def test_no_label_names_a_room_or_a_person():
    labels = {label for metric in vars(Metrics()).values() for label in getattr(metric, "_labelnames", ())}
    assert labels == {"result", "reason", "queue", "family", "edge", "task", "stage"}


def test_two_nodes_in_one_process_count_apart():
    one, other = Metrics(), Metrics()
    one.frames.labels("scored").inc()
    assert one.registry.get_sample_value("guard_frames_total", {"result": "scored"}) == 1
    assert other.registry.get_sample_value("guard_frames_total", {"result": "scored"}) is None


def test_journey_goes_to_its_stages_and_to_frame_to_score():
    metrics = Metrics()
    stamps = Stamps(arrived_at=1.0, decoded_at=1.25)
    stamps.mark(Stage.SCORED, 1.75)
    stamps.mark(Stage.PUBLISHED, 3.0)
    metrics.observe(stamps)
    value = metrics.registry.get_sample_value
    assert value("guard_stage_seconds_sum", {"stage": "scored"}) == 0.5
    assert value("guard_frame_to_score_seconds_sum") == 0.75
    assert value("guard_stage_seconds_sum", {"stage": "total"}) is None


def test_frame_without_a_score_counts_in_no_score_figure():
    metrics = Metrics()
    metrics.observe(Stamps(1.0, 2.0))
    assert metrics.registry.get_sample_value("guard_frame_to_score_seconds_count") == 0


def test_text_can_be_read_by_prometheus():
    metrics = Metrics()
    metrics.count_crash("reader", LookupError())
    families = {family.name: family for family in text_string_to_metric_families(metrics.render().decode())}
    crashes = [one for one in families["guard_task_crashes"].samples if one.name.endswith("_total")]
    assert [(one.labels, one.value) for one in crashes] == [({"task": "reader"}, 1.0)]
