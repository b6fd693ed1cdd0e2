"""Small classes that implement a port."""
