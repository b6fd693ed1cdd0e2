"""Each speaks to one outside system, and to none of its siblings."""
