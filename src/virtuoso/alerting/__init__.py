"""Rules over published numbers: when one fires, when it clears, and what it would have done.

Reading order: numbers (what a rule may look at), conditions (true, false or unknown), rules, watch
(one rule through time), storms (many at once), rehearsal (a rule over what was recorded).
"""
