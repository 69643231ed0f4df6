"""Six independent views of one market. None knows another."""
