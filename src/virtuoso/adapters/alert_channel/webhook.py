"""Any program by HTTP: JSON, signed, so that it knows who sends, when, and what it has already."""

import hashlib
import hmac
import json
from typing import Final

from aiohttp.abc import AbstractResolver

from virtuoso.adapters.alert_channel.http import Poster, pause_ms
from virtuoso.adapters.alert_channel.words import ids, plain_text
from virtuoso.domain.alerts import Outgoing, Receipt
from virtuoso.domain.secret import SecretText
from virtuoso.domain.time import SECOND
from virtuoso.ports import Clock

SIGNATURE: Final = "X-Virtuoso-Signature"
TIMESTAMP: Final = "X-Virtuoso-Timestamp"
IDS: Final = "X-Virtuoso-Alerts"
MOST_IDS: Final = 100


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """`v1=` and the HMAC-SHA256 of `TIMESTAMP.BODY` in hexadecimal."""
    text = timestamp.encode() + b"." + body
    return "v1=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


class WebhookChannel:
    """Posts each message; the receiver refuses old timestamps and knows alerts by their ids."""

    def __init__(
        self,
        url: str,
        secret: SecretText,
        clock: Clock,
        resolver: AbstractResolver | None,
        name: str = "webhook",
    ) -> None:
        """`url` as `addresses.webhook_address` has checked it; an empty secret signs nothing."""
        self._poster = Poster(url, resolver)
        self._secret = secret
        self._clock = clock
        self._name = name

    @property
    def name(self) -> str:
        """As rules and deliveries call it."""
        return self._name

    async def send(self, message: Outgoing) -> Receipt:
        """Tell it. Raises ChannelError."""
        document = {
            "text": plain_text(message),
            "late_ms": message.late_ms,
            "alerts": [
                {
                    "id": each.id,
                    "at": each.at,
                    "level": each.level.value,
                    "kind": each.kind,
                    "rule": each.rule,
                    "symbol": each.symbol,
                    "source": each.source,
                    "simulated": each.source == "simulator",
                    "message": each.message,
                    "details": dict(each.details),
                }
                for each in message.alerts
            ],
        }
        body = json.dumps(document, separators=(",", ":")).encode()
        timestamp = str(self._clock.now() // SECOND)
        headers = {
            "Content-Type": "application/json",
            TIMESTAMP: timestamp,
            IDS: " ".join(ids(message).split()[:MOST_IDS]),
        }
        if self._secret:
            headers[SIGNATURE] = signature(self._secret.reveal(), timestamp, body)
        told = await self._poster.post(body, headers)
        return Receipt(None, pause_ms(told.headers))

    async def close(self) -> None:
        """Release connections."""
        await self._poster.close()
