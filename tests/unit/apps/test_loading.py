"""Loading of modules."""

import gc

import pytest

from virtuoso.apps.loading import loading


def test_garbage_is_searched_again_after_loading_also_when_it_failed() -> None:
    """As it was before."""
    assert gc.isenabled()
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert gc.isenabled()
    gc.disable()
    try:
        with loading():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
