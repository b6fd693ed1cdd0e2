"""Replicas of a daemon that share one Lease, one state and the Secrets of some namespaces."""
