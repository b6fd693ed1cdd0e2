"""Lightkeeper keeps Docker registry logins for Amazon Lightsail container services alive."""

__version__ = "0.1.0"
