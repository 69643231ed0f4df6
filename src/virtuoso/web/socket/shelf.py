"""Projections and views in use: who asks for the same shares it, and what nobody uses goes."""

from collections import Counter
from collections.abc import Sequence

from virtuoso.web.socket.changes import Changes
from virtuoso.web.socket.projection import Encodings, Fields, Projection
from virtuoso.web.socket.view import View
from virtuoso.wire.client import Form
from virtuoso.wire.follower import Follower

Kind = tuple[Form, Fields | None]


class Shelf:
    """Keeps each projection and view as long as a client has it."""

    def __init__(self, follower: Follower) -> None:
        self.changes = Changes(follower.reader)
        self.encodings = Encodings()
        self._follower = follower
        self._projections: dict[Kind, Projection] = {}
        self._views: dict[tuple[Kind, frozenset[str] | None], View] = {}
        self._uses: Counter[View] = Counter()
        if follower.reader.board is not None:
            self.changes.begin()

    def take(self, form: Form, fields: Fields | None, symbols: frozenset[str] | None) -> View:
        """The view of these symbols (all: None); `give_back` it in the end."""
        kind = (form, fields)
        view = self._views.get((kind, symbols))
        if view is None:
            projection = self._projections.get(kind)
            if projection is None:
                projection = Projection(self._follower, self.changes, form, fields, self.encodings)
                projection.begin()
                self._projections[kind] = projection
            view = self._views[kind, symbols] = View(self._follower, projection, symbols)
        self._uses[view] += 1
        return view

    def give_back(self, view: View) -> None:
        """One client less."""
        self._uses[view] -= 1
        if self._uses[view]:
            return
        del self._uses[view]
        view.projection.want_no_more(view.rows)
        kind = (view.projection.form, view.projection.fields)
        del self._views[kind, view.symbols]
        if not any(held == kind for held, _ in self._views):
            del self._projections[kind]

    def begin(self) -> None:
        """There is a new board."""
        self.changes.begin()
        for projection in self._projections.values():
            projection.begin()
        for view in self._views.values():
            view.choose()

    def note(self, numbers: Sequence[int]) -> int:
        """These rows changed; how many are to be encoded anew, over all forms."""
        self.changes.note(numbers)
        for projection in self._projections.values():
            projection.note(numbers)
        return len(numbers) * len(self._projections)
