"""The state of one market, and the door before it."""
