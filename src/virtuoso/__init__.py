"""Real-time confluence scores for perpetual futures."""
