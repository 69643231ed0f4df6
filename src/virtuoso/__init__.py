"""Real-time confluence scores for perpetual futures. Read the packages in this order.

domain       what the words mean: Instrument, Trade, Candle, MarketEvent, ConfluenceScore, Absent
ports        what we ask of the world: Clock, Feed, History, Cache, Broker, Store, Ledger, Archive
indicators   pure maths with a carried state, one idea per file
market       the state of one market, and the door before it
components   six views of one market, none knows another
scoring      the views joined: score, confidence, direction, explanation
signals      a confirmed change of direction, what became of it, and what such changes are worth
patterns     named scans over numbers that are computed already
alerting     rules over published numbers
wire         what processes say to each other and to browsers
engine       process 1: events in, scores out
web          process 2: serves what the engine published
client       asks a running web process, from any Python program
monitor      process 3: watches the others
adapters     one folder per port: feed, cache, broker, clock, store
simulator    an exchange on this machine, for demonstrations and tests
apps         composition roots and the command line
testing      a hand-written fake for every port, builders for messages
"""
