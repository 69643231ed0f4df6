"""Binance USD-M perpetuals. Read the modules in this order.

frames          what the venue writes
parse           what that means: bytes and times in, market events out
rest            what its REST answers mean
settings        the addresses, and how patient the feed is
subscriptions   the streams of an instrument, and who shares a connection
book_bridge     differences of a book and the REST book they begin with
trade_ids       the trades that did not come
silence         the streams that should have spoken
topics          which streams give nothing, and telling so
intake          what frames become: bridges, trade numbers, the way out
rest_books      fetching REST books within the budget, the most needed first
conversation    one websocket
handover        a new connection takes over from an old one
group           a pair of connections and its life
stream          the feed: groups of instruments
"""
