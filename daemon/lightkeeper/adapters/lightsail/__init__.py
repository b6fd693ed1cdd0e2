"""Asks Lightsail for registry logins, through aiobotocore.

callers = Callers(SharedAws())
issuer = LightsailIssuer(AwsSource(region="eu-central-1"), callers, clock)
"""

from __future__ import annotations

from lightkeeper.adapters.lightsail.caller import Callers
from lightkeeper.adapters.lightsail.issuer import LightsailIssuer
from lightkeeper.adapters.lightsail.source import AwsSource, SharedAws, profile_region

__all__ = ["AwsSource", "Callers", "LightsailIssuer", "SharedAws", "profile_region"]
