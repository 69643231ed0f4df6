"""Recordings of a feed's line: written beside a run, verified, and played again.

Reading order: format (what a file is), events (facts that no frame brought), writer, reader,
text (recordings of others, line by line), decode (frames back to events), replay.
"""
