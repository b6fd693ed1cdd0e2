"""Builds and records what this repository holds beside the code; nothing here is shipped."""
