"""What the command line takes, and what is made of it."""

from virtuoso.apps import arguments, scan


def test_every_order_that_may_be_asked_for_is_one_of_the_board() -> None:
    """The command line names them without loading what draws the board."""
    assert tuple(scan.SORTS) == arguments.SORTS
