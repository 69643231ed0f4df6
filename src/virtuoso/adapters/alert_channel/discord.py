"""Discord by a webhook: a text, an embed with the score taken apart, a small chart.

Source: https://discord.com/developers/docs/resources/webhook#execute-webhook.
"""

import asyncio
import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver

from virtuoso.adapters.alert_channel.chart import chart_png
from virtuoso.adapters.alert_channel.http import Poster, pause_ms
from virtuoso.adapters.alert_channel.words import cut, escaped, ids, plain_text, subject
from virtuoso.domain.alerts import Alert, AlertLevel, Outgoing, Receipt

CHART_S: Final = 2.0
_COLORS: Final = {
    AlertLevel.INFO: 0x56B6FF,
    AlertLevel.WARNING: 0xF0B24A,
    AlertLevel.CRITICAL: 0xE5534B,
}
_MOST_FIELDS: Final = 25
_LONGEST_FIELD: Final = 1_000


class DiscordChannel:
    """One webhook. Nobody is mentioned, whatever a text says."""

    def __init__(self, url: str, resolver: AbstractResolver | None, name: str = "discord") -> None:
        """`url` as `addresses.discord_address` has checked it."""
        self._poster = Poster(url, resolver)
        self._name = name

    @property
    def name(self) -> str:
        """As rules and deliveries call it."""
        return self._name

    async def send(self, message: Outgoing) -> Receipt:
        """Tell it. Raises ChannelError."""
        first = message.alerts[0]
        picture = await self._picture(first) if len(message.alerts) == 1 else None
        payload = json.dumps(payload_of(message, with_picture=picture is not None))
        told = await self._poster.post(partial(_form, payload, picture), params={"wait": "true"})
        return Receipt(_message_id(told.body), pause_ms(told.headers))

    async def close(self) -> None:
        """Release connections."""
        await self._poster.close()

    async def _picture(self, alert: Alert) -> bytes | None:
        """Draw on a thread; an alert goes without its picture rather than late."""
        try:
            async with asyncio.timeout(CHART_S):
                return await asyncio.to_thread(chart_png, alert.details, subject(alert))
        except (TimeoutError, OSError, ValueError):
            return None


def payload_of(message: Outgoing, *, with_picture: bool) -> dict[str, Any]:
    """Make the JSON of a message."""
    first = message.alerts[0]
    embed: dict[str, Any] = {
        "title": cut(escaped(subject(first)), 250),
        "color": _COLORS[first.level],
        "fields": _fields(first)[:_MOST_FIELDS] if len(message.alerts) == 1 else [],
        "footer": {"text": cut(f"{first.source} | {first.rule} | {ids(message)}", 1_000)},
    }
    if with_picture:
        embed["image"] = {"url": "attachment://chart.png"}
    return {
        "content": cut(escaped(plain_text(message))),
        "embeds": [embed],
        "allowed_mentions": {"parse": []},
    }


def _fields(alert: Alert) -> list[dict[str, Any]]:
    parts = alert.details.get("components")
    if not isinstance(parts, Mapping):
        return []
    fields = []
    for name, part in parts.items():
        if not isinstance(part, Mapping):
            continue
        score, points = part.get("score"), part.get("points")
        if isinstance(score, int | float):
            text = f"{score:.1f} of 100"
            if isinstance(points, int | float):
                text += f", {points:+.1f} points"
        else:
            text = f"absent: {part.get('reason')}"
        fields.append(
            {
                "name": cut(escaped(str(name).replace("_", " ")), 250),
                "value": cut(escaped(text), _LONGEST_FIELD),
                "inline": True,
            }
        )
    coverage = alert.details.get("coverage")
    if isinstance(coverage, int | float):
        fields.append({"name": "seen", "value": f"{coverage:.0%} of the weight", "inline": True})
    return fields


def _form(payload: str, picture: bytes | None) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("payload_json", payload, content_type="application/json")
    if picture is not None:
        form.add_field("files[0]", picture, filename="chart.png", content_type="image/png")
    return form


def _message_id(body: bytes) -> str | None:
    try:
        found = msgspec.json.decode(body, type=dict[str, Any]).get("id")
    except msgspec.MsgspecError:
        return None
    return found[:64] if isinstance(found, str) else None
