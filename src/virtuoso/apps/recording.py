"""`virtuoso recording info`: what is in a recording, and whether it is as it was written."""

import sys
from collections import Counter

import msgspec

from virtuoso.adapters.feed.recording.replay import files_of
from virtuoso.adapters.feed.recording.survey import FileSurvey, parts_missing, survey
from virtuoso.domain.scores import Source
from virtuoso.domain.time import SECOND
from virtuoso.wire.records import iso

WHOLE = 0
NOT_WHOLE = 1
"""Damaged, unfinished, or with a part missing: the text says what."""
HOLES_SHOWN = 20


class RecordingInfo(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    whole: bool
    files: tuple[FileSurvey, ...]
    missing: tuple[str, ...]


def show_recording(path: str, *, as_json: bool) -> int:
    """Read all of a recording and print what it is; 0 when it is whole, 1 when it is not.

    Raises RecordingError when there is nothing to read.
    """
    surveys = [survey(each) for each in files_of(path)]
    missing = parts_missing(surveys)
    whole = not missing and all(each.state in {"whole", "unchecked"} for each in surveys)
    if as_json:
        info = RecordingInfo(whole, tuple(surveys), tuple(missing))
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(info)).decode() + "\n")
    else:
        for each in surveys:
            sys.stdout.write("\n".join(lines_of(each)) + "\n")
        for text in missing:
            sys.stdout.write(f"missing    {text}\n")
        if len(surveys) > 1:
            sys.stdout.write(f"{len(surveys)} files: {'whole' if whole else 'NOT whole'}\n")
    return WHOLE if whole else NOT_WHOLE


def lines_of(found: FileSurvey) -> list[str]:
    """Put one file into words."""
    lines = [f"{found.file}: {found.state}"]
    lines += [f"  fault    {fault}" for fault in found.faults]
    if found.state == "unreadable":
        return lines
    lines.append(f"  venue    {found.venue}{_source(found)}")
    if found.version is not None:
        lines.append(f"  written  by Virtuoso {found.version}, part {found.part}")
    if found.first is not None and found.last is not None:
        seconds = (found.last - found.first) / SECOND
        lines.append(f"  span     {iso(found.first)} to {iso(found.last)}, {seconds:,.1f} s")
    size = found.bytes / 1_000_000
    lines.append(f"  size     {size:,.2f} MB, {found.frames:,} frames")
    lines.append(f"  symbols  {len(found.symbols)}: {' '.join(found.symbols)}")
    for kind, count in sorted(_kinds(found).items()):
        lines.append(f"  frames   {count:>10,}  {kind}")
    for kind, count in found.events_by_kind.items():
        lines.append(f"  events   {count:>10,}  {kind}")
    if found.lost:
        lines.append(f"  lost     {found.lost:>10,}  records")
    for hole in found.holes[:HOLES_SHOWN]:
        lines.append(f"  hole     {iso(hole.first)} to {iso(hole.last)}: {hole.reason}")
    if len(found.holes) > HOLES_SHOWN:
        lines.append(f"  hole     and {len(found.holes) - HOLES_SHOWN} more: see --json")
    return lines


def _source(found: FileSurvey) -> str:
    if found.source is None:
        return ", source unknown"
    return " (SIMULATED)" if found.source is Source.SIMULATOR else f", source {found.source}"


def _kinds(found: FileSurvey) -> Counter[str]:
    """Add the topics up over the symbols."""
    kinds: Counter[str] = Counter()
    for topic, count in found.frames_by_topic.items():
        if "@" in topic:
            kind = topic.partition("@")[2]
        elif ":" in topic:
            kind = topic.partition(":")[0]
        else:
            kind = topic.rpartition(".")[0] or topic
        kinds[kind] += count
    return kinds
