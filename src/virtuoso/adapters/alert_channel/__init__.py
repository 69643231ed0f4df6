"""Where alerts are told: Discord, any program by a signed webhook, and what Apprise knows.

`addresses` says which addresses are allowed, `http` sends to them and judges answers, `words`
writes the texts, `chart` draws the picture.
"""
