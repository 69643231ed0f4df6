"""The score: its definition, the sum, its confidence, its direction, its words."""
