import pytest

from core.errors import Busy, HoldfastError, InvalidData, NotFound, Unauthorized


class ShelfFull(NotFound):
    """The shelf is full.

    More is said here.
    """

    code = "test_shelf_full"
    status = 409


class ShelfFullOfBears(ShelfFull):
    """The shelf is full of bears."""


def test_speaks_its_docstring_unless_told_more() -> None:
    assert str(ShelfFull()) == ShelfFull().detail == "The shelf is full."
    assert ShelfFull("12 bears on it", shelf=4).detail == "12 bears on it"
    assert ShelfFull("12 bears on it", shelf=4).data == {"shelf": 4}


def test_a_leaf_is_found_by_its_code_and_a_class_without_one_is_none() -> None:
    assert HoldfastError.leaves["test_shelf_full"] is ShelfFull
    assert ShelfFullOfBears not in HoldfastError.leaves.values()


def test_a_leaf_takes_its_title_from_its_own_code() -> None:
    assert ShelfFull.title == "Test shelf full"
    assert NotFound.title == "Not found"


def test_two_leaves_cannot_have_one_code() -> None:
    with pytest.raises(TypeError, match="'not_found' belongs to NotFound"):
        type("Lost", (HoldfastError,), {"code": "not_found"})


def test_invalid_data_names_its_field() -> None:
    error = InvalidData("must be positive", field="price", limit=0)
    assert error.data == {"limit": 0, "errors": [{"field": "price", "message": "must be positive"}]}
    assert InvalidData("no").data == {}


def test_comes_back_from_what_was_stored_of_it() -> None:
    error = InvalidData("must be positive", field="price")
    again = HoldfastError.leaves[error.code].restore(error.detail, error.data)
    assert isinstance(again, InvalidData)
    assert (again.detail, again.data, str(again)) == (error.detail, error.data, str(error))


def test_only_lasting_answers_are_remembered() -> None:
    assert InvalidData.remembered
    assert Unauthorized.remembered
    assert not ShelfFull.remembered
    assert not Busy.remembered
    assert not HoldfastError.remembered
