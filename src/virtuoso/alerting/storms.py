"""Many alerts at once: which of them are told together."""

from collections import Counter
from collections.abc import Sequence

from virtuoso.domain.alerts import Alert

MOST_ALONE = 3
"""So many alerts of one rule are told one by one; more of them in one message."""


def bundles(alerts: Sequence[Alert], most_alone: int = MOST_ALONE) -> list[tuple[Alert, ...]]:
    """Part what waits for a channel, oldest first, into messages.

    A rule with more than `most_alone` alerts gets one message that tells of all of them, in the
    place of its oldest. Every alert is in exactly one message.
    """
    count = Counter(alert.rule for alert in alerts)
    told: dict[str, list[Alert]] = {}
    messages: list[list[Alert]] = []
    for alert in alerts:
        if count[alert.rule] <= most_alone:
            messages.append([alert])
        elif alert.rule in told:
            told[alert.rule].append(alert)
        else:
            told[alert.rule] = [alert]
            messages.append(told[alert.rule])
    return [tuple(message) for message in messages]
