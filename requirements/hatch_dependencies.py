"""Build hook: the wheel depends on what requirements/run.in names."""

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RunRequirements(MetadataHookInterface):
    """Reads run.in, so that a dependency is named once."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in `dependencies`, and what is optional."""
        metadata["dependencies"] = self._named("run")
        metadata["optional-dependencies"] = {"channels": self._named("channels")}

    def _named(self, name: str) -> list[str]:
        lines = (Path(self.root) / "requirements" / f"{name}.in").read_text("utf-8").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
