"""Takes one score apart to its inputs: the document of one symbol."""

from virtuoso.dimensions.base import LABELS, UNITS
from virtuoso.domain.scores import (
    Absent,
    ComponentName,
    ConfluenceScore,
    Source,
)
from virtuoso.domain.time import Millis
from virtuoso.engine.documents import Edition, rounded, status_of
from virtuoso.engine.lens_states import lens_states
from virtuoso.engine.pairing import Shown
from virtuoso.engine.view import MarketView
from virtuoso.scoring.account import Account, account
from virtuoso.scoring.explanation import explain, explain_account
from virtuoso.scoring.sensitivity import Case, Formula, WhatIf
from virtuoso.wire.board import COMPONENT_ORDER
from virtuoso.wire.charts import FormingBar
from virtuoso.wire.details import (
    BookIntegrity,
    ComponentDetail,
    ConfidenceDetail,
    DimensionDetail,
    DimensionPart,
    FeedAge,
    MemberDetail,
    MissingRecord,
    OtherVenue,
    PressureRecord,
    ScoreAccount,
    SymbolDetail,
    WhatIfRecord,
)
from virtuoso.wire.symbols import SymbolRecord


def dimension_details(view: MarketView, source: Source, now: Millis) -> tuple[DimensionDetail, ...]:
    """Take the six lenses of one symbol apart; `now` on the venue's clock."""
    states = lens_states(view.dimensions, view.inputs, now)
    return tuple(
        DimensionDetail(
            name=lens.name,
            label=LABELS[lens.name],
            value=rounded(lens.value, 2),
            state=state,
            as_of=lens.as_of,
            source=source,
            reason=lens.reason,
            record=lens.record,
            parts=tuple(
                DimensionPart(name, rounded(value, 6), UNITS.get(name, "z"))
                for name, value in lens.parts
            ),
        )
        for lens, state in zip(view.dimensions, states, strict=True)
    )


def _component(name: ComponentName, score: ConfluenceScore) -> ComponentDetail:
    part = score.components[name]
    added = next((each for each in score.contributions if each.component == name), None)
    points = {} if added is None else dict(added.members.items())
    # by place and without a call for each number: there are a hundred members, and a hundred of
    # these a second
    members = tuple(
        [
            MemberDetail(
                each,
                family,
                round(weight, 6),
                None if x is None else round(x, 9),
                None if value is None else round(value, 2),
                None if (added_points := points.get(each)) is None else round(added_points, 4),
                as_of,
                reason,
                have,
                need,
            )
            for each, family, weight, x, value, _, as_of, reason, have, need in part.members
        ]
    )
    if isinstance(part, Absent):
        return ComponentDetail(
            name=name,
            score=None,
            weight=None,
            contribution=None,
            shown=None,
            completeness=round(part.completeness, 4),
            freshness=None,
            as_of=None,
            reason=part.reason,
            members=members,
            have=part.have,
            need=part.need,
        )
    return ComponentDetail(
        name=name,
        score=round(part.score, 2),
        weight=None if added is None else round(added.weight, 6),
        contribution=None if added is None else added.points,
        shown=None if added is None else added.shown,
        completeness=round(part.completeness, 4),
        freshness=round(part.freshness, 4),
        as_of=part.as_of,
        reason=None,
        members=members,
    )


def _what_if(found: WhatIf) -> WhatIfRecord:
    return WhatIfRecord(
        component=found.component,
        member=found.member,
        case="neutral" if found.case is Case.NEUTRAL else "absent",
        score=rounded(found.score, 4),
        change=rounded(found.change, 4),
        coverage=round(found.coverage, 4),
        reason=found.reason,
    )


def _account(found: Account, formula: Formula) -> ScoreAccount:
    """Put the account of a score into its record, with what the score was made with."""
    return ScoreAccount(
        points_up=round(found.points_up, 4),
        points_down=round(found.points_down, 4),
        up=tuple(PressureRecord(p.component, p.member, round(p.points, 4)) for p in found.up),
        down=tuple(PressureRecord(p.component, p.member, round(p.points, 4)) for p in found.down),
        missing=tuple(
            MissingRecord(
                component=each.component,
                members=each.members,
                reason=each.reason,
                have=each.have,
                need=each.need,
                coverage=round(each.coverage, 6),
                confidence=rounded(each.confidence, 4),
            )
            for each in found.missing
        ),
        neutral=None if found.neutral is None else _what_if(found.neutral),
        absent=None if found.absent is None else _what_if(found.absent),
        without=tuple(_what_if(each) for each in found.without),
        coverage=round(found.coverage, 6),
        coverage_floor=found.coverage_floor,
        rho=tuple(tuple(row) for row in formula.rho.round(9).tolist()),
        weights=tuple(round(each, 9) for each in formula.definition.ordered_weights),
    )


def _other_venue(shown: Shown) -> OtherVenue | None:
    other = shown.other
    if other is None:
        return None
    return OtherVenue(
        venue=other.instrument.venue,
        symbol=other.instrument.symbol,
        state=other.price.state,
        price=other.price.value,
        price_difference_bps=rounded(other.price_difference_bps, 2),
        score=rounded(other.score, 2),
        score_difference=rounded(other.score_difference, 2),
        speaks=other.speaks,
    )


def detail_document(edition: Edition, shown: Shown, record: SymbolRecord) -> SymbolDetail:
    """Build `/api/symbols/{symbol}`."""
    view = shown.view
    score, confidence = view.score, view.score.confidence
    status, reasons = status_of((record,), edition)
    found = None
    if view.formula is not None:
        found = account(score, view.formula)
    return SymbolDetail(
        status=status,
        timestamp=edition.timestamp,
        as_of=score.as_of,
        source=record.source,
        data_source="cache",
        record=record,
        components=tuple(_component(name, score) for name in COMPONENT_ORDER),
        confidence=None
        if confidence is None
        else ConfidenceDetail(
            value=round(confidence.value, 6),
            agreement=round(confidence.agreement, 6),
            completeness=round(confidence.completeness, 6),
            freshness=round(confidence.freshness, 6),
            record=rounded(confidence.record, 6),
            record_reason=confidence.record_reason,
        ),
        z=rounded(score.z, 6),
        definition=score.definition,
        explanation=explain(score, view.direction)
        + (() if found is None else explain_account(found)),
        account=None if found is None or view.formula is None else _account(found, view.formula),
        forming={
            timeframe: FormingBar(
                each.open_time, each.open, each.high, each.low, each.close, each.volume
            )
            for timeframe, each in view.forming.items()
        },
        inputs=tuple(
            FeedAge(each.kind, each.as_of, each.state, each.reason) for each in view.inputs
        ),
        reasons=reasons,
        epoch=edition.epoch,
        seq=edition.cycle.seq,
        now=edition.cycle.now,
        book=BookIntegrity(
            synced_since=view.book.synced_since,
            gaps=view.book.gaps,
            resyncs=view.book.resyncs,
            distrusted_since=view.book.distrusted_since,
        ),
        other_venue=_other_venue(shown),
        dimensions=dimension_details(view, record.source, edition.cycle.now),
    )
