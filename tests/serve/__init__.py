"""Tests of what the daemon answers."""
