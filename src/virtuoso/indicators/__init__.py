"""Pure maths, one idea per file: numba kernels with a carried state."""
