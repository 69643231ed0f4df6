"""The simulator's second venue: the same coins as Binance USD-M lists them.

Reading order: contracts (what is listed), market (its prices, books and trades), frames, rest
and weights, stream.
"""
