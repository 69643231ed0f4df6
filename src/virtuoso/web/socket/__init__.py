"""The socket `/ws`: each client gets the newest of what it asked for, at its own rhythm.

line           one connection as bytes see it: frames out, how much waits, the end
changes        in which sequence each row changed last
projection     rows as ready frames: each encoded once however many read it
view           a choice of rows in one projection, shared by all clients who made it
client         one client: what it asked for and what it was sent
pace           a rhythm: when the clients of one are served
alerts         the newest alert messages, numbered
signals        the open signals, out of the engine's document of them
published      documents of the engine as messages: the overview, details of symbols
hub            all clients: places, limits, heartbeats, eviction, the end
"""
