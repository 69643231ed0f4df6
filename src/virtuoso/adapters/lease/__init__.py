"""Where the one writer is named, one file per technology."""
