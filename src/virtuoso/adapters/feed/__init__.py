"""Feeds and histories of the venues, and of recorded files.

Reading order: capabilities (who gives what), numbers and unreadable (what a frame may hold),
connection (keeping one alive), bybit and binance (frames, parse, stream), replay, then the
histories: limits, ccxt_history, file_history.
"""
