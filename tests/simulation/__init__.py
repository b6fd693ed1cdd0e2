"""Years of the daemon's life on virtual time, judged at every step by an oracle."""
