"""Tests of Lightkeeper: the tree mirrors `daemon/lightkeeper/`; see CONTRIBUTING.md."""
