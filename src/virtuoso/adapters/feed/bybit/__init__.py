"""Bybit V5 linear: frames (what it writes), parse (what it means), stream (how to get it)."""
