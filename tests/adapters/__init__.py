"""Tests of the adapters, each against the system that it speaks to."""
