"""Build hook: the wheel depends on what requirements/run.in names."""

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RunRequirements(MetadataHookInterface):
    """Reads run.in, so that a dependency is named once."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in `dependencies`."""
        lines = (Path(self.root) / "requirements" / "run.in").read_text("utf-8").splitlines()
        wanted = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        metadata["dependencies"] = [line for line in wanted if line != "hatchling"]
