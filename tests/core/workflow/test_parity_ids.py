"""What a saga engine owes: each scenario has a test here that is named by its id."""

import re
from pathlib import Path

SCENARIOS = {
    "t": range(1, 16),
    "l": (1, 2),
    "c": (2, 3, 4, 6, 8, 9, 10, 11, 13, 14, 15, 16, 17),
    "e": (1, 2, 4, 5, 6, 7, 10, 12, 13, 15, 16, 17),
    "r": (1, 3, 6),
    "v": (1, 2, 3),
}
NAME = re.compile(r"^(?:async )?def test_((?:[a-z]\d+_)+)", re.MULTILINE)


def test_every_scenario_has_a_test():
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    named = {id for text in texts for name in NAME.findall(text) for id in name.rstrip("_").split("_")}

    assert [id for id in ids() if id not in named] == []


def ids() -> list[str]:
    return [f"{letter}{number}" for letter, numbers in SCENARIOS.items() for number in numbers]
