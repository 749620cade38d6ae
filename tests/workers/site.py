"""The shop as its customers meet it, behind the load balancer of its hosts."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx

from core.app import Application
from core.config import Config
from core.testing import config_on
from tests.acceptance.site import Site


class Either(httpx.AsyncBaseTransport):
    """Sends each request to one host or the other, as a load balancer would, to the next one if it is gone."""

    def __init__(self, urls: list[str]) -> None:
        self.urls = urls
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        target = httpx.URL(random.choice(self.urls))
        request.url = request.url.copy_with(host=target.host, port=target.port)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@asynccontextmanager
async def site_of(url: str, config: Config, either: Either) -> AsyncGenerator[Site]:
    application = Application.load(config_on(url, config))
    async with (
        application.running(sweeping=False),
        httpx.AsyncClient(base_url="http://shop", transport=either, timeout=30) as http,
    ):
        yield Site(application, http)
