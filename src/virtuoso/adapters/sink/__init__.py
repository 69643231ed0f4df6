"""Copies of what is recorded for other programs. Losing one changes nothing else."""
