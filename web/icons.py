"""Draws the icons of the home screen from the shapes of public/icon.svg: `python web/icons.py`."""

import re
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

PUBLIC: Final = Path(__file__).resolve().parent / "public"
SIDE: Final = 32
"""Of the drawing's own coordinates."""
FINER: Final = 8
"""Drawn so many times larger, then made smaller: the edges are smooth then."""
ICONS: Final = (
    # file, pixels, share of the drawing, round corners: maskable ones are cut to a circle of 80 %
    ("icon-180.png", 180, 0.92, False),
    ("icon-192.png", 192, 1.0, True),
    ("icon-512.png", 512, 1.0, True),
    ("icon-maskable-512.png", 512, 0.72, False),
)


def shapes(svg: str) -> list[tuple[str, list[tuple[float, float]]]]:
    """Colour and corners of each path; the icon uses M, L, H, V and Z in both spellings only."""
    found = []
    for path, colour in re.findall(r'<path d="([^"]+)" fill="([^"]+)"', svg):
        corners: list[tuple[float, float]] = []
        x = y = 0.0
        for command, text in re.findall(r"([MmLlHhVvZz])([^MmLlHhVvZz]*)", path):
            numbers = [float(each) for each in re.findall(r"-?\d*\.?\d+", text)]
            relative = command.islower()
            if command in "Hh":
                x = numbers[0] + (x if relative else 0)
            elif command in "Vv":
                y = numbers[0] + (y if relative else 0)
            elif command in "MmLl":
                for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
                    x, y = (x + dx, y + dy) if relative else (dx, dy)
                    corners.append((x, y))
                continue
            if command not in "Zz":
                corners.append((x, y))
        found.append((colour, corners))
    return found


def draw(svg: str, pixels: int, share: float, *, rounded: bool) -> Image.Image:
    """Make one icon; its ground fills the square, but for the corners when it is rounded."""
    size = pixels * FINER
    ground = re.search(r'<rect[^>]*fill="([^"]+)"', svg)
    colour = ground[1] if ground else "#000000"
    image = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((0, 0, size - 1, size - 1), size * 7 / SIDE if rounded else 0, colour)
    scale, margin = size * share / SIDE, size * (1 - share) / 2
    for fill, corners in shapes(svg):
        pen.polygon([(margin + x * scale, margin + y * scale) for x, y in corners], fill)
    small = image.resize((pixels, pixels), Image.Resampling.LANCZOS)
    return small if rounded else small.convert("RGB")


def main() -> None:
    """Write all of them."""
    svg = (PUBLIC / "icon.svg").read_text("utf-8")
    for name, pixels, share, rounded in ICONS:
        draw(svg, pixels, share, rounded=rounded).save(PUBLIC / name, optimize=True)


if __name__ == "__main__":
    main()
