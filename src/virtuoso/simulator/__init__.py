"""The simulator: venues on this machine that speak the public protocols of Bybit V5 and Binance.

Reading order: listings (what is traded), factors (why prices move), history (the past),
book and order_flow (one order book and those who trade in it), market (all of it, step by step),
binance/ (the second venue on the same market), frames, rest and stream (Bybit's doors), client
and hub (connections), faults, garbage and rest_faults (what can go wrong), load, recording (a
recorded market in place of the invented one), synthetic and recorded (both venues on either),
server.

It shares no code with the feeds: what the two sides have in common is the venues' documentation
and the recorded frames that the tests hold both against.
"""
