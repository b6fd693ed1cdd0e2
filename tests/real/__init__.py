"""Real systems, started by the scripts here; a test whose system is missing is skipped."""
