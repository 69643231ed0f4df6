"""The simulator: a venue on this machine that speaks the public protocols of Bybit V5.

Reading order: listings (what is traded), factors (why prices move), history (the past),
book and order_flow (one order book and those who trade in it), market (all of it, step by step),
frames (its words on the stream), rest and stream (the two doors), faults, server.

It shares no code with the feeds: what the two sides have in common is the venue's documentation
and the recorded frames that the tests hold both against.
"""
