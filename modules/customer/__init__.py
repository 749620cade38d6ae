"""Customers: guests and people with an account."""

from core.module import Module

from .models import CUSTOMER
from .service import CustomerService
from .types import CreateCustomer, Customer, UpdateCustomer

customer = Module("customer", service=CustomerService, entities=[CUSTOMER])

__all__ = ["CUSTOMER", "CreateCustomer", "Customer", "CustomerService", "UpdateCustomer", "customer"]
