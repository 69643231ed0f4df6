"""Where published documents lie, one file per technology."""
