"""The log: constant event names and fields, one line each, to standard error."""

import logging
import sys
from typing import TextIO

import structlog

from virtuoso.apps.redaction import RedactingFormatter, Redactor


def configure_logs(
    *, debug: bool, stream: TextIO | None = None, redactor: Redactor | None = None
) -> None:
    """Send every event to `stream`: coloured for a terminal, JSON lines for anything else.

    `redactor` takes secrets out of each finished line.
    """
    redactor = redactor or Redactor()
    out = sys.stderr if stream is None else stream
    level = logging.DEBUG if debug else logging.INFO
    terminal = out.isatty()
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=True)
        if terminal
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.format_exc_info,
            renderer,
            redactor,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(out),
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(RedactingFormatter("%(levelname)s %(name)s %(message)s", redactor))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
