"""Telegram, Slack and e-mail through Apprise, on a thread of their own with a deadline."""

import asyncio
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

from apprise import Apprise, NotifyFormat, NotifyType

from virtuoso.adapters.alert_channel.words import cut, ids, plain_text, subject
from virtuoso.domain.alerts import AlertLevel, Outgoing, Receipt
from virtuoso.domain.errors import ChannelUnavailableError, SettingsError
from virtuoso.domain.secret import SecretText

DEADLINE_S: Final = 12.0
LONGEST: Final = 3_500
SCHEMES: Final = {
    "telegram": frozenset({"tgram"}),
    "slack": frozenset({"slack"}),
    "email": frozenset({"mailto", "mailtos"}),
}
"""By the name of the channel. Apprise knows others, among them some that run programs."""
_KINDS: Final = {
    AlertLevel.INFO: NotifyType.INFO,
    AlertLevel.WARNING: NotifyType.WARNING,
    AlertLevel.CRITICAL: NotifyType.FAILURE,
}


class AppriseChannel:
    """One address of Apprise's."""

    def __init__(self, name: str, url: SecretText) -> None:
        """Raises SettingsError for an address that is none, or of another kind."""
        # it would write what it sends, and where, into the log
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        self._name = name
        self._apprise = Apprise()
        text = url.reveal()
        try:
            scheme = urlsplit(text).scheme
        except ValueError:
            scheme = ""
        if scheme not in SCHEMES[name] or not self._apprise.add(text):
            wanted = " or ".join(f"{each}://" for each in sorted(SCHEMES[name]))
            msg = f"expected an address of Apprise for {name} ({wanted}), found something else"
            raise SettingsError(msg)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=f"channel-{name}")
        self._under_way: Future[bool] | None = None

    @property
    def name(self) -> str:
        """As rules and deliveries call it."""
        return self._name

    async def send(self, message: Outgoing) -> Receipt:
        """Tell it. Raises ChannelUnavailableError; Apprise does not say why it failed."""
        if self._under_way is not None and not self._under_way.done():
            msg = "the message before is still under way"
            raise ChannelUnavailableError(msg)
        first = message.alerts[0]
        body = f"{cut(plain_text(message), LONGEST)}\n({cut(ids(message), 400)})"
        self._under_way = self._threads.submit(
            self._notify, body, subject(first), _KINDS[first.level]
        )
        try:
            async with asyncio.timeout(DEADLINE_S):
                is_told = await asyncio.shield(asyncio.wrap_future(self._under_way))
        except TimeoutError as error:
            msg = f"no answer within {DEADLINE_S:g} s"
            raise ChannelUnavailableError(msg) from error
        if not is_told:
            msg = "it did not take the message"
            raise ChannelUnavailableError(msg)
        return Receipt()

    def _notify(self, body: str, title: str, kind: NotifyType) -> bool:
        found = self._apprise.notify(
            body=body, title=title, notify_type=kind, body_format=NotifyFormat.TEXT
        )
        return bool(found)

    async def close(self) -> None:
        """Leave the thread to end by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
