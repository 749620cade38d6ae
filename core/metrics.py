"""Prometheus metrics: those of this process, or of all the workers of one server."""

import os
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where Prometheus' client wants the name of the folder."""

METRICS = CollectorRegistry()
"""The metrics of this process; declared when modules are imported, valued when something happens."""

_sources: list[Collector] = [METRICS]


def share_metrics(folder: str) -> None:
    """Keep all values in files in `folder` from now on, so that each of several workers answers for all of them.

    To be called before there is a value and before the workers are forked. What a worker has counted outlives it.
    """
    os.environ[FOLDER] = folder
    values.ValueClass = values.get_value_class()
    _sources[:] = [MultiProcessCollector(None, folder)]


def render_metrics(more: Iterable[Metric] = ()) -> bytes:
    """Return all metrics, and `more`, in Prometheus' text format."""
    return generate_latest(_All(more))


class _All:
    def __init__(self, more: Iterable[Metric]) -> None:
        self._more = more

    def collect(self) -> Iterator[Metric]:
        for source in _sources:
            yield from source.collect()
        yield from self._more
