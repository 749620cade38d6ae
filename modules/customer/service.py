"""The customer service: records of guests and of people with an account."""

import re

import msgspec

from core.errors import InvalidData
from core.module import Service
from core.repository import CheckedRepository
from core.repository.checked import W

from .models import CUSTOMER
from .types import CreateCustomer, Customer, UpdateCustomer

EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")
LONGEST_EMAIL = 254


def check_customer(customer: Customer | CreateCustomer) -> None:
    """Raise `InvalidData` unless the e-mail address can be one; an account has to have one."""
    if customer.email is None:
        if customer.has_account:
            raise InvalidData("an account needs an e-mail address", field="email")
    elif len(customer.email) > LONGEST_EMAIL or not EMAIL.fullmatch(customer.email):
        raise InvalidData(f"{customer.email!r:.80} is not an e-mail address", field="email")


class CustomerRepository(CheckedRepository[Customer, CreateCustomer, UpdateCustomer]):
    """Customers; addresses are kept in lower case, lest one person become two."""

    def __init__(self) -> None:
        super().__init__(CUSTOMER, CreateCustomer, UpdateCustomer, check_customer)

    def prepare(self, data: W) -> W:
        """Return the Struct with its e-mail address in lower case."""
        typed = super().prepare(data)
        email = getattr(typed, "email", None)
        return msgspec.structs.replace(typed, email=email.lower()) if isinstance(email, str) else typed


class CustomerService(Service):
    """Customers: one record per e-mail address for its guests and one for its account."""

    customers = CustomerRepository()
