"""A hand-written fake for every port, and builders for what they carry."""
