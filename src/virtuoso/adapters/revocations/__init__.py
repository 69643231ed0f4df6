"""Which sessions were ended before their time, one file per technology."""
