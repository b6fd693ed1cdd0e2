"""One suite for a fake and for the adapter that it stands for."""
