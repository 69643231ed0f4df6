"""Patterns: named scans over numbers that are computed already, each with its record or without.

Formulas: docs/signals.md, "Patterns". A scan finds something, nothing, or does not know.
"""
