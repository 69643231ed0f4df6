"""Six lenses beside the score: they describe, and never vote. Section 4 of docs/scoring.md."""
