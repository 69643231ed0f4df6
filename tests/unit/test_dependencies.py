"""What is installed is written down, with what it is for."""

import re
from importlib.metadata import distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


@pytest.mark.parametrize("version", ["3.11.0", "3.11.2", "3.12.0", "3.13.0"])
def test_the_lock_holds_what_every_python_asks_for(version: str) -> None:
    """Pip refuses a lock with hashes as a whole when the need of one package is not in it."""
    python = {
        "python_full_version": version,
        "python_version": version.rpartition(".")[0],
        "extra": "",
    }
    run = locked("run")
    installed = {canonicalize_name(each.name) for each in distributions()}
    needs = [
        Requirement(line)
        for name in run & installed
        for line in requires(name) or ()
        if "extra ==" not in line
    ]
    assert len(needs) > 50
    asked = {
        canonicalize_name(need.name)
        for need in needs
        if need.marker is None or need.marker.evaluate(python)
    }
    assert asked - run == set()
