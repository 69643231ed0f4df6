"""Where saved versions of the settings are kept, one file per technology."""
