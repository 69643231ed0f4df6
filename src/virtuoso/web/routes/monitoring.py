"""What the monitor keeps, on the port of the pages: it is asked over the broker."""

from typing import Annotated, Final

from fastapi import Query, Request, Response

from virtuoso.web.answers import Answer
from virtuoso.web.asking import Asking, NoAnswerError
from virtuoso.web.problems import ProblemError
from virtuoso.web.routes.api import Api, respond
from virtuoso.web.snapshot import JSON
from virtuoso.wire.monitoring import (
    MOST_MINUTES,
    SERIES_PATTERN,
    HistoryRequest,
    MonitoringHistory,
)

TAG: Final = "health"


def add_monitoring(api: Api, asking: Asking[HistoryRequest]) -> None:
    """Add the last day of every measure."""

    async def history(
        request: Request,
        minutes: Annotated[
            int, Query(ge=1, le=MOST_MINUTES, description="So far back.", examples=[60])
        ] = 60,
        series: Annotated[
            str,
            Query(
                pattern=SERIES_PATTERN,
                description="Measures or single series, separated by commas; without it all.",
                examples=["loop_lag_seconds,process_cpu_ratio/engine"],
            ),
        ] = "",
    ) -> Response:
        """What was measured of processes, feeds, alerts and store; null where nobody looked."""
        wanted = tuple(each for each in series.split(",") if each)
        try:
            answer = await asking.ask(HistoryRequest(minutes=minutes, series=wanted))
        except NoAnswerError:
            raise ProblemError(
                503, "monitor_silent", "The monitor, which keeps these measures, does not answer."
            ) from None
        return respond(
            request, Answer(answer.body, JSON, cache_control="no-store", gzip_on_demand=True)
        )

    api.get("/api/monitoring/history", history, MonitoringHistory, tag=TAG, errors=(422, 503))
