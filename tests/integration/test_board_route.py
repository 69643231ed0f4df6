"""The board over HTTP, as pages begin with it."""

from support.web_site import a_site, hear, say
from virtuoso.web.options import WebOptions


async def test_a_socket_goes_on_from_the_board_that_came_over_http() -> None:
    """It is the snapshot of a socket, which then needs none of its own."""
    async with a_site(options=WebOptions(heartbeat_s=0.05)) as site:
        refused = await site.http.get("/api/board")
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
        await site.start_engine()
        answer = await site.http.get("/api/board", headers={"accept-encoding": "gzip"})
        assert answer.headers["etag"]
        board = answer.json()
        socket = await site.socket_of()
        snapshot = await hear(socket, "snapshot")
        assert {**board, "now": 0} == {**snapshot, "now": 0}
        place = {"epoch": board["epoch"], "seq": board["seq"], "alerts": None}
        other = await site.socket()
        await say(other, type="subscribe", form="rows", hz=1, resume=place)
        assert (await hear(other, "snapshot", "resumed"))["type"] == "resumed"
