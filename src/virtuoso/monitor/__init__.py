"""Watches the others from outside, and answers on a port of its own."""
