"""`python -m benchmarks.bare KUBECONFIG`: what lightkube alone does, told line by line.

A line of stdin is a round in JSON; when it is done a line of stdout says from when to when it took.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.async_client import AsyncClient
from lightkube.core.exceptions import ApiError
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, Secret

_AT_ONCE = 8
_NOT_FOUND = 404
_MANAGER = "bare"

Call = Callable[[str], Awaitable[object]]


def main() -> None:
    """Serve until the end of stdin."""
    asyncio.run(_serve(sys.argv[1]))


async def _serve(kubeconfig: str) -> None:
    client = AsyncClient(config=KubeConfig.from_file(kubeconfig))
    try:
        for line in iter(sys.stdin.readline, ""):
            asked = json.loads(line)
            begin = time.monotonic()
            await _each(asked["namespaces"], _call(client, asked))
            print(json.dumps({"begin": begin, "end": time.monotonic()}), flush=True)
    finally:
        await client.close()


def _call(client: AsyncClient, asked: dict[str, Any]) -> Call:
    """What is done of each namespace."""

    async def make(name: str) -> None:
        await client.create(Namespace(metadata=ObjectMeta(name=name)))

    async def apply(namespace: str) -> None:
        secret = _secret(asked["secret"], namespace, asked["name"])
        await client.apply(secret, field_manager=_MANAGER)

    async def look_and_apply(namespace: str) -> None:
        try:
            await client.get(Secret, asked["name"], namespace=namespace)
        except ApiError as exc:
            if exc.status.code != _NOT_FOUND:
                raise
        await apply(namespace)

    calls: dict[str, Call] = {"make": make, "apply": apply, "look and apply": look_and_apply}
    return calls[asked["round"]]


def _secret(like: dict[str, Any], namespace: str, name: str) -> Secret:
    """As Lightkeeper's own."""
    metadata = like["metadata"]
    return Secret(
        type=like["type"],
        data=like["data"],
        metadata=ObjectMeta(
            name=name,
            namespace=namespace,
            labels=metadata["labels"],
            annotations=metadata["annotations"],
        ),
    )


async def _each(namespaces: list[str], call: Call) -> None:
    """So many at a time: by as many workers, which costs less than a task for each."""
    left: Iterator[str] = iter(namespaces)

    async def work() -> None:
        for namespace in left:
            await call(namespace)

    async with asyncio.TaskGroup() as tasks:
        for number in range(_AT_ONCE):
            tasks.create_task(work(), name=f"worker {number}")


if __name__ == "__main__":
    main()
