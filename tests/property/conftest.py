"""How Hypothesis runs here: `make test` lets these tests stand back for those that wait."""

from hypothesis import settings

# how long an example takes says nothing while others have the processor
settings.register_profile("standing back", deadline=None)
settings.load_profile("standing back")
