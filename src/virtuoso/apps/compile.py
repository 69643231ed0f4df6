"""Fills the kernel cache, so that the first start is as quick as every other."""

import sys
from pathlib import Path

from virtuoso.apps.loading import loading
from virtuoso.components.price_structure import PriceStructure
from virtuoso.components.technical import Technical
from virtuoso.components.volume import Volume
from virtuoso.indicators.compile import compile_kernels

PACKAGE = Path(__file__).parents[1]


def compile_all() -> int:
    """Compile every kernel anew; 0 when done.

    What was compiled before is removed first: the cache of a kernel does not notice when a kernel
    it calls has changed in another file.
    """
    for pattern in ("*.nbi", "*.nbc"):
        for stale in PACKAGE.rglob(pattern):
            stale.unlink(missing_ok=True)
    load_all()
    sys.stdout.write("kernels compiled\n")
    return 0


def load_all() -> None:
    """Have every kernel ready, compiling those that are not in the cache.

    It takes a moment, or tens of seconds without a cache: not while a loop has others to serve.
    """
    with loading():
        compile_kernels()
        for component in (Technical(), Volume(), PriceStructure()):
            component.compile_kernels()
