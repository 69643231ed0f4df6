"""Where the alert rules of a person lie."""
