"""The numbers of a second: what rules may look at is what is filled."""

from pathlib import Path

from virtuoso.alerting.numbers import NUMBERS
from virtuoso.apps.alerting import ready_made_rules
from virtuoso.engine import readings
from virtuoso.patterns.scans import PatternName


def test_every_number_of_the_registry_is_filled_somewhere() -> None:
    """Section 18 no. 14: a rule that can never fire is refused, so no name may be dead."""
    text = Path(readings.__file__).read_text("utf-8")
    families = ("component.", "dimension.", "pattern.")
    dead = [name for name in NUMBERS if not name.startswith(families) and f'"{name}"' not in text]
    assert dead == []
    scans = {f"pattern.{name}" for name in PatternName}
    assert {name for name in NUMBERS if name.startswith("pattern.")} == scans
    assert all(f'f"{family}{{' in text for family in families)


def test_the_ready_made_rules_treat_both_sides_alike() -> None:
    """Where one looks for strong buying another looks for strong selling, as far from 50."""
    rules = {rule.id: rule for rule in ready_made_rules()}
    assert {"confluence-strong-buying", "confluence-strong-selling"} <= rules.keys()
    assert {"funding-high", "funding-low", "whale-trade", "liquidation-cascade"} <= rules.keys()
    # on a calm day it is true of much of the market
    assert [rule.id for rule in rules.values() if not rule.enabled] == ["beta-compression"]
