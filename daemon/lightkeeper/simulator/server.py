"""The one handler behind both listeners: whom a request is for, and whether a fault meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from email.utils import format_datetime
from typing import Final
from uuid import uuid4

from aiohttp import hdrs, web

from lightkeeper.simulator import companions, control, lightsail, registry
from lightkeeper.simulator.account import Account
from lightkeeper.simulator.errors import JSON, AwsError, written
from lightkeeper.simulator.faults import Script
from lightkeeper.simulator.requests import Endpoint, Request, Requests
from lightkeeper.simulator.signature import Signed, key_id_of
from lightkeeper.simulator.wire import Fault, Played, Scene

_LONGEST: Final = 200
_PATHS: Final = {
    "/v2": Endpoint.REGISTRY,
    "/federation": Endpoint.SSO,
    "/container": Endpoint.CONTAINER,
    "/latest": Endpoint.IMDS,
}


class Front:
    """Meets every request: takes it down, lets the script strike, asks the endpoint."""

    def __init__(self, account: Account, script: Script, requests: Requests) -> None:
        self.account = account
        self.script = script
        self.requests = requests
        self._desk = control.Desk(account=account, script=script, requests=requests)
        self.elsewhere = ""
        """URL of the second listener; its requests are told by the port."""

    def strike(self, asks_for_control: Callable[[], bool]) -> Fault | None:
        """The fault that the connection at the door is to meet; whoever gives orders meets none."""
        if not self.script.awaits(Endpoint.CONNECTION) or asks_for_control():
            return None
        fault = self.script.take(Endpoint.CONNECTION)
        if fault is not None:
            now = self.account.clock.now()
            self.requests.add(Request(at=now, endpoint=Endpoint.CONNECTION, fault=fault.name))
        return fault

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer `request`, or let a fault do so."""
        if request.path.startswith(control.PREFIX):
            return await control.answer(self._desk, request)
        body = await request.read()
        record = self._record(request, body)
        self.requests.add(record)
        fault = self.script.take(record.endpoint)
        if fault is not None:
            record.fault = fault.name
            return Played(fault, await self._scene(fault, record.endpoint))
        signed = Signed(
            method=request.method,
            url=f"http://{request.host}{request.raw_path}",
            headers=request.headers,
            body=body,
        )
        response = await self._respond(record, request, signed)
        record.status = response.status
        response.headers[hdrs.DATE] = format_datetime(self.account.clock.now(), usegmt=True)
        response.headers["x-amzn-RequestId"] = str(uuid4())
        return response

    async def _respond(
        self, record: Request, request: web.BaseRequest, signed: Signed
    ) -> web.Response:
        try:
            return await self._ask(record.endpoint, request, signed)
        except AwsError as error:
            record.code = error.code
            refusal = written(error, record.endpoint)
            return web.Response(status=refusal.status, body=refusal.body, headers=refusal.headers)
        except web.HTTPException as refused:
            return web.Response(status=refused.status, text=refused.text)

    async def _ask(
        self, endpoint: Endpoint, request: web.BaseRequest, signed: Signed
    ) -> web.Response:
        match endpoint:
            case Endpoint.LIGHTSAIL:
                return await lightsail.answer(self.account, request, signed)
            case Endpoint.REGISTRY:
                return await registry.answer(self.account, request)
            case Endpoint.STS:
                return await companions.answer_sts(self.account, signed)
            case Endpoint.SSO:
                return await companions.answer_sso(self.account, request)
            case Endpoint.CONTAINER:
                return await companions.answer_container(self.account)
            case Endpoint.IMDS:
                return await companions.answer_imds(self.account, request)
            case Endpoint.ELSEWHERE:
                return self._answer_elsewhere(request)
            case Endpoint.PROXY | Endpoint.CONNECTION:
                return web.Response(status=502, text="the simulator is no proxy")

    def _answer_elsewhere(self, request: web.BaseRequest) -> web.Response:
        """A false credential for whoever followed a redirect, or the same redirect again."""
        if request.path == "/loop":
            return web.Response(status=307, headers={"Location": f"{self.elsewhere}/loop"})
        body = json.dumps({"registryLogin": self.account.draft().as_answer()}).encode()
        return web.Response(body=body, content_type=JSON)

    async def _scene(self, fault: Fault, endpoint: Endpoint) -> Scene:
        return Scene(
            endpoint=endpoint,
            now=self.account.clock.now(),
            elsewhere=self.elsewhere,
            credential=await self.account.issue() if fault.issues else self.account.draft(),
        )

    def _record(self, request: web.BaseRequest, body: bytes) -> Request:
        endpoint = self._endpoint(request)
        action = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if endpoint is Endpoint.STS:
            action = body.partition(b"Action=")[2].partition(b"&")[0].decode("latin-1")
        return Request(
            at=self.account.clock.now(),
            endpoint=endpoint,
            method=request.method,
            path=request.path[:_LONGEST],
            action=action[:_LONGEST],
            access_key_id=key_id_of(request.headers)[:_LONGEST],
            headers=tuple(name.lower() for name in request.headers),
            user_agent=request.headers.get("User-Agent", "")[:_LONGEST],
        )

    def _endpoint(self, request: web.BaseRequest) -> Endpoint:
        transport = request.transport
        if transport is not None:
            port = transport.get_extra_info("sockname")[1]
            if self.elsewhere.endswith(f":{port}"):
                return Endpoint.ELSEWHERE
        if request.method == hdrs.METH_CONNECT:
            return Endpoint.PROXY
        first = "/" + request.path.strip("/").partition("/")[0]
        if first in _PATHS:
            return _PATHS[first]
        is_form = request.content_type == "application/x-www-form-urlencoded"
        return Endpoint.STS if is_form else Endpoint.LIGHTSAIL
