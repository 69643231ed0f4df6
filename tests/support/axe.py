"""The accessibility rules of axe-core, run in a page."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def violations(page: Page) -> list[str]:
    """Give what axe finds, rule by rule with the first places."""
    if not AXE.is_file():
        pytest.skip("no axe-core: run npm ci in web")
    page.evaluate(AXE.read_text("utf-8"))
    found: list[dict[str, Any]] = page.evaluate(
        """async tags => (await axe.run({runOnly: tags})).violations.map(each => ({
            id: each.id, nodes: each.nodes.slice(0, 3).map(node => node.html.slice(0, 160)),
        }))""",
        TAGS,
    )
    return [f"{each['id']}: {each['nodes']}" for each in found]
