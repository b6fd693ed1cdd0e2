"""Tests of what decides: plain values in, plain values out."""
