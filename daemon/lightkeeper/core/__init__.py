"""Decides: pure functions on frozen values.

Imports the standard library and itself. Time and chance are arguments; nothing here sleeps, logs,
reads a clock or touches a file.

What a login keeps is told `gc=False`: a frozen value, made of others that were there before it, is
never part of a cycle, and a collection that looks at those of a thousand logins stalls the loop.
"""
