"""Prometheus metrics: those of this process, or of all the workers of one server."""

import os
from collections.abc import Collection, Iterable, Iterator
from ipaddress import ip_address

from prometheus_client import CollectorRegistry, generate_latest, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
"""Headers of a proxy: whoever asks through one is not on this machine, although the proxy is."""
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


def may_see_metrics(who: str, host: str, headers: Collection[str]) -> bool:
    """Tell whether `http.metrics` lets a client on `host` see them, who sent these headers (in lower case)."""
    if who == "loopback":
        return _is_loopback(host) and not any(name in headers for name in FORWARDED)
    return who == "everyone"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class _All:
    def __init__(self, more: Iterable[Metric]) -> None:
        self._more = more

    def collect(self) -> Iterator[Metric]:
        for source in _sources:
            yield from source.collect()
        yield from self._more
