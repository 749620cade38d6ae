import pytest

from core.errors import InvalidData
from core.money import check_currency, exponent, format_amount, percent_of


@pytest.mark.parametrize(("code", "digits"), [("usd", 2), ("eur", 2), ("jpy", 0), ("kwd", 3), ("clf", 4)])
def test_knows_how_many_decimals_a_currency_has(code: str, digits: int) -> None:
    assert exponent(code) == digits


@pytest.mark.parametrize("code", ["USD", "Usd", "xyz", "", "us", "usd "])
def test_refuses_what_is_no_lower_case_currency_code(code: str) -> None:
    with pytest.raises(InvalidData, match="currency code") as caught:
        check_currency(code)
    assert caught.value.data["errors"][0]["field"] == "currency_code"


def test_returns_a_known_currency_as_it_is() -> None:
    assert check_currency("eur") == "eur"


@pytest.mark.parametrize(
    ("amount", "percent", "expected"),
    [
        (2500, 20, 500),
        (25, 10, 3),
        (24, 10, 2),
        (5, 50, 3),
        (1, 49, 0),
        (0, 50, 0),
        (99, 100, 99),
        (-25, 10, -3),
        (-24, 10, -2),
    ],
)
def test_percentages_round_half_away_from_zero(amount: int, percent: int, expected: int) -> None:
    assert percent_of(amount, percent) == expected


def test_percentages_of_large_amounts_are_exact() -> None:
    assert percent_of(10**18 + 1, 50) == 5 * 10**17 + 1


@pytest.mark.parametrize(
    ("amount", "code", "expected"),
    [
        (2500, "usd", "25.00 USD"),
        (5, "usd", "0.05 USD"),
        (0, "eur", "0.00 EUR"),
        (-1999, "eur", "-19.99 EUR"),
        (-5, "eur", "-0.05 EUR"),
        (500, "jpy", "500 JPY"),
        (1234, "kwd", "1.234 KWD"),
    ],
)
def test_writes_amounts_with_the_decimals_of_the_currency(amount: int, code: str, expected: str) -> None:
    assert format_amount(amount, code) == expected
