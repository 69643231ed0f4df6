"""How much longer than promised a test waits, because others use the machine as well."""

import os

SLACK = float(os.environ.get("VIRTUOSO_TEST_SLACK") or 4)
"""What times of promises are multiplied by; `make faults` runs alone and takes them as they are."""
