"""Signals: a confirmed change of direction, what became of it, and what such changes are worth.

Reading order: turns (what was known when a direction changed), levels (stop and targets), course
(one signal along closed candles), tracker (all signals of one series), record (statistics).
Formulas: docs/signals.md.
"""
