"""The dashboard data service: what the engine published, ready to be sent.

Deo Gratias.
"""

from collections.abc import Callable

from virtuoso.web.answers import Answer, json_answer
from virtuoso.wire.documents import Served
from virtuoso.wire.follower import Follower

JSON = "application/json"


class Snapshot:
    """Turns what the follower holds into answers: each body gets its headers and its gzip once."""

    def __init__(self, follower: Follower, asked: Callable[[str], None] = lambda _: None) -> None:
        """`asked` is told of each document that is not held ready."""
        self.follower = follower
        self._asked = asked
        self._answers: dict[str, tuple[Served, Answer]] = {}
        self._views: dict[str, tuple[Answer, Answer]] = {}

    def hot(self, key: str) -> Answer:
        """A hot document as of this moment: published bytes, or the same marked as old, or 503."""
        served = self.follower.hot(key)
        known = self._answers.get(key)
        if known is not None and known[0] is served:
            return known[1]
        answer = answer_of(served)
        self._answers[key] = (served, answer)
        return answer

    def view(self, name: str, key: str, make: Callable[[bytes], bytes]) -> Answer:
        """A cut of a hot document, made once for each of its bodies."""
        whole = self.hot(key)
        if whole.status != 200:
            return whole
        known = self._views.get(name)
        if known is None or known[0] is not whole:
            known = self._views[name] = (whole, json_answer(make(whole.body)))
        return known[1]

    async def document(self, key: str) -> Answer:
        """Any other document; it is compressed for each request that asks, since few do."""
        self._asked(key)
        return answer_of(await self.follower.document(key))

    async def looked_at(self, key: str, symbol: str) -> Answer:
        """A document that the engine makes of those symbols that somebody looks at."""
        return answer_of(await self.follower.looked_at(key, symbol))


def answer_of(served: Served) -> Answer:
    """Dress a document for HTTP."""
    return Answer(
        served.body,
        JSON,
        cache_control="no-store" if served.status != 200 else "no-cache",
        status=served.status,
        etag=served.etag,
        gzip_on_demand=True,
    )
