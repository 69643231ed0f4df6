"""Over history, in batch, with the code that also runs live."""
