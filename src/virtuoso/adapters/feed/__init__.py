"""Feeds and histories of the venues, and of recorded files.

Reading order: capabilities (who gives what), numbers and unreadable (what a frame may hold),
connection (keeping one alive), bybit and binance (frames, parse, stream), recording (a feed's line
kept and played again), limits (what may be asked; with line, breaker and bans), governed (CCXT
under limits), then the histories: ccxt_history, file_history.
"""
