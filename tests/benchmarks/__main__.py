"""`make bench`: every ratio of docs/performance.md, measured in one run."""

import platform
from importlib.metadata import version

from rich.console import Console
from rich.table import Table

from benchmarks import (
    bench_alerts,
    bench_cache,
    bench_fanout,
    bench_frames,
    bench_http,
    bench_scoring,
    bench_second,
    bench_socket,
    bench_store,
)

PACKAGES = ("ccxt", "msgspec", "numba", "numpy", "picows", "ta-lib", "uvicorn")


def main() -> None:
    """Measure and print; the exit code says nothing, machines are shared."""
    table = Table(title="Ratios, ours against the reference, CPU time unless said")
    for heading in ("", "what", "against", "ratio", "target", "spread"):
        table.add_column(heading)
    measured = (
        *bench_frames.measure(),
        *bench_socket.rows(),
        *bench_scoring.rows(),
        *bench_second.rows(),
        *bench_http.rows(),
        *bench_cache.rows(),
        *bench_alerts.rows(),
        *bench_store.rows(),
        *bench_fanout.rows(),
    )
    for row in measured:
        table.add_row(row.name, row.what, row.reference, f"{row.ratio:.3f}", row.target, row.spread)
    console = Console(width=150)
    console.print(table)
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    console.print(f"Python {platform.python_version()}, {versions}", soft_wrap=True)


if __name__ == "__main__":
    main()
