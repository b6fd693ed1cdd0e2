"""Tells an instance metadata service that does not answer from one that is not there.

The library takes both for "no credentials". A token that is asked for and never comes, on a
connection that was made, is what a container sees whose instance has a hop limit of 1.
"""

from __future__ import annotations

import os
from typing import Final

import aiohttp
from botocore.exceptions import CredentialRetrievalError, NoCredentialsError

_USUAL: Final = "http://169.254.169.254"
_TTL: Final = {"x-aws-ec2-metadata-token-ttl-seconds": "60"}
_TIMEOUT: Final = aiohttp.ClientTimeout(sock_connect=1, sock_read=1, total=3)
_SERVER_ERROR: Final = 500


async def is_metadata_silent(exc: Exception) -> bool:
    """Whether AWS credentials are missing because the metadata service keeps silent."""
    named = getattr(exc, "kwargs", {}).get("provider") == "Ec2InstanceMetadata"
    if not isinstance(exc, NoCredentialsError) and not (
        named and isinstance(exc, CredentialRetrievalError)
    ):
        return False
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return False
    endpoint = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _USUAL
    url = f"{endpoint.rstrip('/')}/latest/api/token"
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session,
            session.put(url, headers=_TTL, allow_redirects=False) as response,
        ):
            return response.status >= _SERVER_ERROR
    except aiohttp.ConnectionTimeoutError:
        return False
    except (aiohttp.ServerDisconnectedError, TimeoutError):
        return True
    except (aiohttp.ClientError, ValueError, OSError):
        return False
