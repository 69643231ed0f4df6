"""The built dashboards: files of `web/static`, held in memory with their compressed forms."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from virtuoso.web.answers import Answer
from virtuoso.wire.documents import etag_of

STATIC: Final = Path(__file__).parent / "static"

SHELLS: Final = {
    "/": "index.html",
    "/mobile": "mobile/index.html",
    "/mobile/": "mobile/index.html",
}

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""Nothing else is served."""

_FOREVER: Final = "public, max-age=31536000, immutable"

NOT_BUILT: Final = Answer(
    b"<!doctype html>\n"
    b'<html lang="en"><head><meta charset="utf-8"><title>Virtuoso</title></head>\n'
    b"<body><main><h1>The dashboards are not built.</h1><p>Run: make web</p></main></body>\n"
    b"</html>\n",
    "text/html; charset=utf-8",
    cache_control="no-store",
    status=503,
)


class Pages:
    """Finds the answer for a path. Pages built after the start are found without a restart."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder
        self._built: tuple[int, int] | None = None
        self._answers: Mapping[str, Answer] = {}

    @property
    def built(self) -> bool:
        """Whether there are pages to serve."""
        self._refresh()
        return self._built is not None

    def find(self, path: str) -> Answer | None:
        """The page or file at this path, the word that pages are missing, or None."""
        if path in SHELLS:
            self._refresh()
            return self._answers.get(path, NOT_BUILT)
        if path not in self._answers and self._built is None and path.startswith("/assets/"):
            self._refresh()
        return self._answers.get(path)

    def _refresh(self) -> None:
        try:
            found = (self._folder / "index.html").stat()
        except OSError:
            self._built, self._answers = None, {}
            return
        stamp = (found.st_mtime_ns, found.st_size)
        if stamp != self._built:
            self._answers = _read(self._folder)
            self._built = stamp


def _read(folder: Path) -> dict[str, Answer]:
    answers: dict[str, Answer] = {}
    for file in sorted(folder.rglob("*")):
        kind = _TYPES.get(file.suffix)
        if kind is None or not file.is_file() or file.name.startswith("."):
            continue
        path = "/" + file.relative_to(folder).as_posix()
        answers[path] = _answer(file, kind, forever=path.startswith("/assets/"))
    for path, name in SHELLS.items():
        if (shell := answers.get(f"/{name}")) is not None:
            answers[path] = shell
    for name in SHELLS.values():
        answers.pop(f"/{name}", None)
    return answers


def _answer(file: Path, kind: str, *, forever: bool) -> Answer:
    body = file.read_bytes()
    forms = {
        encoding: sibling.read_bytes()
        for encoding, suffix in ((b"br", ".br"), (b"gzip", ".gz"))
        if (sibling := file.with_name(file.name + suffix)).is_file()
    }
    return Answer(
        body,
        kind,
        cache_control=_FOREVER if forever else "no-cache",
        etag=etag_of(body),
        forms=forms,
    )
