"""The recorders beside a run: one for each venue, and what they say of themselves."""

import asyncio
from importlib.metadata import version

from virtuoso.adapters.feed.recording.writer import Recorder, RecorderSettings
from virtuoso.domain.instruments import Venue
from virtuoso.domain.scores import Source
from virtuoso.ports import Clock
from virtuoso.wire.processes import PartHealth

MEGABYTE = 1_000_000


class Recorders:
    """Makes the tape of each feed; without settings there is none, and nothing is recorded."""

    def __init__(self, settings: RecorderSettings | None, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._recorders: dict[Venue, Recorder] = {}

    def tape(self, venue: Venue, source: Source) -> Recorder | None:
        """Begin to record a venue. Raises SettingsError when the folder cannot be written."""
        if self._settings is None:
            return None
        recorder = Recorder(self._settings, venue, source, version("virtuoso"), self._clock)
        recorder.start()
        self._recorders[venue] = recorder
        return recorder

    async def close(self) -> None:
        """Write what waits and finish the files."""
        for recorder in self._recorders.values():
            await asyncio.to_thread(recorder.close)

    def parts(self) -> tuple[PartHealth, ...]:
        """Give the health of each recording."""
        return tuple(
            part_of(venue, recorder, many=len(self._recorders) > 1)
            for venue, recorder in self._recorders.items()
        )


def part_of(venue: Venue, recorder: Recorder, *, many: bool) -> PartHealth:
    """Say how one recording goes."""
    state = recorder.state()
    name = f"recording_{venue}" if many else "recording"
    if state.stopped is not None:
        text = f"recording stopped: {state.stopped} ({state.file}, {state.lost} records lost)"
        return PartHealth(name, "fail", text)
    written = state.written_bytes / MEGABYTE
    text = f"{state.file}: {state.records} records, {written:.1f} MB, {state.lost} lost"
    return PartHealth(name, "warn" if state.lost else "pass", text)
