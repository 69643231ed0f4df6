"""What is installed is written down, with what it is for."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "dependencies.md").read_text("utf-8")


def locked(name: str) -> set[str]:
    """The packages of a lock file."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text("utf-8")
    return set(re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE))


@pytest.mark.parametrize(("name", "beside"), [("run", ""), ("build", ""), ("channels", "run")])
def test_every_package_of_a_lock_is_in_the_document_with_their_number(
    name: str, beside: str
) -> None:
    """Nothing comes in unseen: S19."""
    found = locked(name) - (locked(beside) if beside else set())
    assert {each for each in found if not re.search(rf"\b{re.escape(each)}\b", DOCUMENT)} == set()
    said = re.search(rf"^\| `{name}\.lock` \| [^|]+ \| (\d+)", DOCUMENT, re.MULTILINE)
    assert said is not None
    assert int(said[1]) == len(found)


def test_what_is_asked_for_is_locked_and_the_tests_have_all_of_it() -> None:
    """A name in an .in file that no lock holds would be installed by nobody."""
    for name in ("run", "build", "channels"):
        lines = (ROOT / "requirements" / f"{name}.in").read_text("utf-8").splitlines()
        asked = {line.partition("[")[0] for line in lines if line and not line.startswith("#")}
        assert asked <= locked(name)
        assert locked(name) <= locked("dev")
