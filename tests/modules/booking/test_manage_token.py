"""Manage tokens."""

import re
from base64 import urlsafe_b64decode

import pytest
from msgspec.structs import replace

from core.container import Scope
from core.errors import ConfigurationError
from modules.booking import Booking, manage_token, manages

from .shop import Shop, at, hold


@pytest.fixture
async def held(scope: Scope, shop: Shop) -> Booking:
    return await hold(scope, shop, at(10))


async def test_a_token_is_256_bits_without_padding_and_the_same_each_time(held: Booking) -> None:
    token = manage_token(held, ["secret"])
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
    assert len(urlsafe_b64decode(token + "=")) == 32
    assert manage_token(held, ["secret", "older"]) == token
    assert manages(token, held, ["secret"])


async def test_older_secrets_are_accepted_and_do_not_sign(held: Booking) -> None:
    old = manage_token(held, ["old"])
    assert manages(old, held, ["new", "old"])
    assert not manages(old, held, ["new"])
    assert manage_token(held, ["new", "old"]) != old


async def test_a_token_is_of_one_booking_and_version(scope: Scope, shop: Shop, held: Booking) -> None:
    token = manage_token(held, ["secret"])
    other = await hold(scope, shop, at(12))
    assert not manages(token, other, ["secret"])
    assert not manages(token, replace(held, token_version=2), ["secret"])


async def test_an_altered_token_opens_nothing(held: Booking) -> None:
    token = manage_token(held, ["secret"])
    altered = [
        "",
        token[:-1],
        token + "=",
        token + "A",
        token.swapcase(),
        "\ud800",
        "ä",
        chr(ord(token[0]) ^ 1) + token[1:],
    ]
    assert [text for text in altered if manages(text, held, ["secret"])] == []
    assert not manages(token, held, [])


async def test_without_a_secret_nothing_is_signed(held: Booking) -> None:
    with pytest.raises(ConfigurationError, match="HOLDFAST_SECRET"):
        manage_token(held, [])
