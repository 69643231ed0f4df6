"""Where it is kept who changed what, one file per technology."""
