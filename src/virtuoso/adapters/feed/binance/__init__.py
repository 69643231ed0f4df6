"""Binance USD-M: frames (what it writes), parse (what it means), book_bridge, stream."""
