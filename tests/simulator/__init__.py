"""Tests of the simulator: over real sockets, asked by the clients that it has to convince."""
