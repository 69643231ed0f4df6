"""Fills the kernel cache, so that the first start is as quick as every other."""

import sys

from virtuoso.components.price_structure import PriceStructure
from virtuoso.components.technical import Technical
from virtuoso.components.volume import Volume
from virtuoso.indicators.compile import compile_kernels


def compile_all() -> int:
    """Compile every kernel; 0 when done."""
    compile_kernels()
    for component in (Technical(), Volume(), PriceStructure()):
        component.compile_kernels()
    sys.stdout.write("kernels compiled\n")
    return 0
