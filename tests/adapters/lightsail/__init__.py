"""How Lightsail is asked: against the simulator, and against servers that break HTTP."""
