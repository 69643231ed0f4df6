"""Serves what the engine published: the dashboards, REST and the socket. Computes nothing."""
