"""Any other venue, through CCXT: its words made ours, its websocket clients guarded.

venues     what must be known of a venue beyond CCXT's own words, as data
contracts  which of its markets we take, and under which name
mapping    CCXT's unified structures to our events
frames     what is checked before the library sees a frame
guard      the watch over the library's websocket clients
answers    what is asked for each kind of data, and what comes back
minutes    closed candles, soon after each minute
history    the past, through the unified calls
"""
