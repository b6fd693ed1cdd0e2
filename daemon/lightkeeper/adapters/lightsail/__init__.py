"""Asks Lightsail for registry logins, through aiobotocore.

shared = SharedAws()
issuer = LightsailIssuer(AwsSource(region="eu-central-1"), shared, clock)
"""

from __future__ import annotations

from lightkeeper.adapters.lightsail.issuer import LightsailIssuer
from lightkeeper.adapters.lightsail.source import AwsSource, SharedAws, profile_region

__all__ = ["AwsSource", "LightsailIssuer", "SharedAws", "profile_region"]
