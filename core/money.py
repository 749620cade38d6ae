"""Money: integers of minor units beside a currency code; exponents come from CLDR."""

from functools import cache

from babel.numbers import get_currency_precision, list_currencies

from .errors import InvalidData


def check_currency(code: str) -> str:
    """Return `code` if it is a known lower-case ISO 4217 code, else raise `InvalidData`."""
    if code != code.lower() or code.upper() not in _currencies():
        raise InvalidData(f"{code!r} is not a lower-case ISO 4217 currency code", field="currency_code")
    return code


def exponent(code: str) -> int:
    """Return how many decimals the currency has: 2 for usd, 0 for jpy, 3 for kwd."""
    return get_currency_precision(check_currency(code).upper())


def percent_of(amount: int, percent: int) -> int:
    """Return `percent` per cent of `amount` minor units, halves rounded up (away from zero for negatives)."""
    sign = -1 if amount * percent < 0 else 1
    return sign * ((abs(amount * percent) * 2 + 100) // 200)


def format_amount(amount: int, code: str) -> str:
    """Return e.g. `25.00 USD` for 2500 usd, `500 JPY` for 500 jpy."""
    digits = exponent(code)
    sign, units = ("-", -amount) if amount < 0 else ("", amount)
    whole, fraction = divmod(units, 10**digits)
    text = f"{whole}.{fraction:0{digits}d}" if digits else str(whole)
    return f"{sign}{text} {code.upper()}"


@cache
def _currencies() -> frozenset[str]:
    return frozenset(list_currencies())
