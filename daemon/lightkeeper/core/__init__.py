"""Decides: pure functions on frozen values.

Imports the standard library and itself. Time and chance are arguments; nothing here sleeps, logs,
reads a clock or touches a file.
"""
