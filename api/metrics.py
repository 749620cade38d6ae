"""What Prometheus reads."""

from ipaddress import ip_address
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from core.app import Application
from core.metrics import CONTENT_TYPE, render_metrics

from .errors import NoSuchAddress

FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
"""Headers of a proxy: whoever asks through one is not on this machine, although the proxy is."""


@get("/metrics", include_in_schema=False)
async def metrics(request: Request[Any, Any, Any], application: NamedDependency[Application]) -> Response[bytes]:
    """404 for whom `http.metrics` does not let see them, as if they were not there."""
    if not _may_see(request, application.config.http.metrics):
        raise NoSuchAddress
    body = render_metrics(await application.workflows.gauges.read())
    return Response(body, headers={"Content-Type": CONTENT_TYPE})


def _may_see(request: Request[Any, Any, Any], who: str) -> bool:
    if who == "loopback":
        direct = not any(name in request.headers for name in FORWARDED)
        return direct and request.client is not None and _is_loopback(request.client.host)
    return who == "everyone"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
