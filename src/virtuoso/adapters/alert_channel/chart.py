"""A small picture of an alert's last hour: score and price. Drawn off the loop."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Final

from PIL import Image, ImageDraw, ImageFont

WIDTH: Final = 480
HEIGHT: Final = 200
EDGE: Final = 10
_BACK: Final = (24, 27, 33)
_GRID: Final = (58, 63, 73)
_TEXT: Final = (200, 205, 214)
_SCORE: Final = (86, 182, 255)
_PRICE: Final = (240, 178, 74)

Points = Sequence[tuple[float, float]]


def chart_png(details: Mapping[str, object], title: str) -> bytes | None:
    """Draw it; None where fewer than two points of both are known."""
    chart = details.get("chart")
    if not isinstance(chart, Mapping):
        return None
    scores, prices = _points(chart.get("score")), _points(chart.get("price"))
    if len(scores) < 2 and len(prices) < 2:
        return None
    image = Image.new("RGB", (WIDTH, HEIGHT), _BACK)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default()
    times = [at for at, _ in (*scores, *prices)]
    begin, end = min(times), max(times)
    middle = HEIGHT // 2
    _panel(draw, font, scores, (begin, end), (20, middle - 4), _SCORE, "score", (0.0, 100.0))
    _panel(draw, font, prices, (begin, end), (middle + 12, HEIGHT - EDGE), _PRICE, "price", None)
    draw.text((EDGE, 4), title.encode("ascii", "replace").decode()[:70], _TEXT, font=font)
    out = BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _points(given: object) -> Points:
    if not isinstance(given, Sequence) or isinstance(given, str):
        return ()
    return [
        (float(each[0]), float(each[1]))
        for each in given[:500]
        if isinstance(each, Sequence)
        and len(each) == 2
        and isinstance(each[0], int | float)
        and isinstance(each[1], int | float)
    ]


def _panel(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    points: Points,
    times: tuple[float, float],
    rows: tuple[int, int],
    color: tuple[int, int, int],
    label: str,
    fixed: tuple[float, float] | None,
) -> None:
    top, bottom = rows
    draw.rectangle((EDGE, top, WIDTH - EDGE, bottom), outline=_GRID)
    if len(points) < 2:
        draw.text((EDGE + 4, top + 2), f"{label}: not known", _TEXT, font=font)
        return
    values = [value for _, value in points]
    low, high = fixed or (min(values), max(values))
    span, length = (high - low) or 1.0, (times[1] - times[0]) or 1.0
    line = [
        (
            EDGE + (at - times[0]) / length * (WIDTH - 2 * EDGE),
            bottom - (value - low) / span * (bottom - top),
        )
        for at, value in points
    ]
    if fixed is not None:
        half = (top + bottom) // 2
        draw.line((EDGE, half, WIDTH - EDGE, half), fill=_GRID)
    draw.line(line, fill=color, width=2)
    draw.text((EDGE + 4, top + 2), f"{label} {values[-1]:,.6g}", color, font=font)
