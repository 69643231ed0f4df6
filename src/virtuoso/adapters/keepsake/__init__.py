"""Where the last good snapshot is kept, one file per technology."""
