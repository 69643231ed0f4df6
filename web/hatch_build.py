"""Build hook of the wheel: the dashboards are built and travel inside it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Dashboards(BuildHookInterface[Any]):
    """Runs web/build.py, which its stamp makes free when nothing changed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages, except for an editable install, which serves what `make web` built."""
        if version == "editable":
            return
        build = Path(self.root) / "web" / "build.py"
        subprocess.run([sys.executable, str(build)], check=True)
        build_data["artifacts"].append("src/virtuoso/web/static/**")
