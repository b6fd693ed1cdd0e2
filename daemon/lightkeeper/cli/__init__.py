"""The commands: each parses, calls what it names and prints; none decides."""
