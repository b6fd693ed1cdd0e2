"""YAML, flags and environment become one frozen Config, or every error with file and line."""
