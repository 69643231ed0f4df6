"""What carries messages between our parts, one file per technology."""
