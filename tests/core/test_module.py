from pathlib import Path

import pytest
from msgspec import Struct

import tests.core.repository as package
from core.entity import Relation, belongs_to, has_many
from core.errors import ConfigurationError
from core.module import Entity, Module

from .repository.shop import MAKER, TOY, Base, Maker, MakerTable, ShopService, Toy, ToyTable, shop


class Bare(Struct, frozen=True, kw_only=True):
    id: str


def test_a_module_knows_its_entities_tables_and_migrations() -> None:
    assert shop.entities == {"maker": MAKER, "toy": TOY}
    assert shop.metadata is Base.metadata
    assert shop.migrations == Path(str(package.__file__)).parent / "migrations"


def test_entities_of_a_module_find_each_other() -> None:
    assert TOY.siblings["maker"] is MAKER


@pytest.mark.parametrize(
    ("name", "relation", "complaint"),
    [
        ("maker", belongs_to("factory", by="maker_id"), "no entity 'factory'"),
        ("maker", belongs_to("maker", by="owner_id"), "no column 'owner_id'"),
        ("maker", has_many("maker", by="maker_id"), "no column 'maker_id'"),
        ("owner", belongs_to("maker", by="maker_id"), "Toy has no such field"),
    ],
)
def test_a_relation_that_cannot_be_followed_stops_the_start(name: str, relation: Relation, complaint: str) -> None:
    toy = Entity("toy", table=ToyTable, struct=Toy, id_prefix="toy", relations={name: relation})
    maker = Entity("maker", table=MakerTable, struct=Maker, id_prefix="mkr")
    with pytest.raises(ConfigurationError, match=complaint):
        Module("shop", service=ShopService, entities=[maker, toy])


@pytest.mark.parametrize("field", ["price", "nothing", "cost"])
def test_only_visible_text_can_be_searched(field: str) -> None:
    toy = Entity("toy", table=ToyTable, struct=Toy, id_prefix="toy", searchable=[field])
    with pytest.raises(ConfigurationError, match=field):
        toy.reader()


def test_a_table_needs_to_be_a_table() -> None:
    with pytest.raises(ConfigurationError, match="Base is not mapped to a table"):
        Entity("toy", table=Base, struct=Bare, id_prefix="toy")
