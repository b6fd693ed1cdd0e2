"""Tells people and Prometheus: the only place that logs and counts."""
