"""The laws of the score, examined on every recorded market: `make proofs`."""
