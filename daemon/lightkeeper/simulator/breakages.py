"""Answers that do not arrive: cut, reset, dripping, hanging, endless, or not HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Final

from lightkeeper.simulator.wire import End, Fault, Scene, Stage

_OK: Final = b"HTTP/1.1 200 OK\r\n"
_DRIP_SECONDS: Final = 0.3
_ENDLESS_SECONDS: Final = 0.01


def _bytewise(text: bytes) -> Iterator[bytes]:
    return (text[index : index + 1] for index in range(len(text)))


def _half_head(scene: Scene) -> Iterable[bytes]:
    return [scene.head()[:40]]


def _half_body(scene: Scene) -> Iterable[bytes]:
    body = scene.login()
    return [scene.head(content_length=len(body)), body[: len(body) // 2]]


def _head_alone(scene: Scene) -> Iterable[bytes]:
    return [scene.head(content_length=len(scene.login()))]


def _chunked(scene: Scene) -> bytes:
    return scene.head(transfer_encoding="chunked")


CONNECTIONS: Final = (
    Fault("close_on_accept", "The connection is closed before a byte is read", stage=Stage.ACCEPT),
    Fault(
        "reset_on_accept",
        "The connection is reset (RST) before a byte is read",
        end=End.RESET,
        stage=Stage.ACCEPT,
    ),
    Fault(
        "hang_on_accept",
        "The connection is taken and never read; with TLS, the handshake hangs",
        end=End.HANG,
        stage=Stage.ACCEPT,
    ),
)

CUTS: Final = (
    Fault("close_after_request", "Closed after the request, without an answer"),
    Fault("reset_after_request", "Reset (RST) after the request, without an answer", end=End.RESET),
    Fault(
        "lost_answer",
        "A credential is issued, but the connection is reset before the answer",
        end=End.RESET,
        issues=True,
    ),
    Fault("hang_before_status", "No answer ever comes", end=End.HANG),
    Fault("close_in_headers", "Closed among the headers", _half_head),
    Fault("reset_in_headers", "Reset (RST) among the headers", _half_head, end=End.RESET),
    Fault(
        "hang_in_headers", "Nothing more comes after half of the headers", _half_head, end=End.HANG
    ),
    Fault("hang_before_body", "The headers come, the body never does", _head_alone, end=End.HANG),
    Fault("close_in_body", "Closed after half of the body", _half_body),
    Fault("reset_in_body", "Reset (RST) after half of the body", _half_body, end=End.RESET),
    Fault("hang_in_body", "Nothing more comes after half of the body", _half_body, end=End.HANG),
    Fault(
        "close_in_chunk", "Closed in the midst of a chunk", lambda s: [_chunked(s), b"ff\r\nhalf"]
    ),
    Fault(
        "drip_headers",
        "A good answer at a byte each 0.3 s from the first header on",
        lambda s: _bytewise(b"".join(s.answer(s.login()))),
        pause_seconds=_DRIP_SECONDS,
    ),
    Fault(
        "drip_body",
        "A good answer whose body comes at a byte each 0.3 s",
        lambda s: chain(_head_alone(s), _bytewise(s.login())),
        pause_seconds=_DRIP_SECONDS,
    ),
    Fault(
        "connect_silence",
        "As a proxy: the tunnel is granted, and nothing comes out of it",
        lambda _: [b"HTTP/1.1 200 Connection established\r\n\r\n"],
        end=End.HANG,
    ),
)

ENDLESS: Final = (
    Fault(
        "endless_headers",
        "Headers without an end",
        lambda _: chain([_OK], repeat(b"X-More: of the same\r\n" * 20)),
        pause_seconds=_ENDLESS_SECONDS,
    ),
    Fault(
        "endless_chunks",
        "A chunked body without an end",
        lambda s: chain([_chunked(s)], repeat(b"100\r\n" + b" " * 256 + b"\r\n")),
        pause_seconds=_ENDLESS_SECONDS,
    ),
    Fault(
        "endless_1xx",
        "Interim answers (102 Processing) without an end",
        lambda _: repeat(b"HTTP/1.1 102 Processing\r\n\r\n"),
        pause_seconds=_ENDLESS_SECONDS,
    ),
)

NOT_HTTP: Final = (
    Fault("garbage", "Bytes that are not HTTP", lambda _: [b"\x00\x01 this is not HTTP\r\n\r\n"]),
    Fault("bad_status_line", "A status that is no number", lambda _: [b"HTTP/1.1 abc OK\r\n\r\n"]),
    Fault("bad_chunk_size", "A chunk whose size is no number", lambda s: [_chunked(s), b"zz\r\n"]),
    Fault("huge_header", "A header of 20 kB", lambda s: s.answer(x_huge="x" * 20_000)),
    Fault(
        "header_not_utf8",
        "A header with bytes that are no UTF-8",
        lambda s: s.answer(s.login(), x_odd="\xff\xfe"),
    ),
    Fault(
        "two_lengths",
        "Two different `Content-Length` headers",
        lambda _: [_OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"],
    ),
    Fault(
        "length_and_chunked",
        "`Content-Length` together with a chunked body",
        lambda s: s.answer(b"2\r\n{}\r\n0\r\n\r\n", transfer_encoding="chunked"),
    ),
    Fault(
        "switching_protocols",
        "Status 101, as if another protocol had been asked for",
        lambda s: s.answer(s.login(), 101, connection="upgrade", upgrade="simulated"),
    ),
    Fault(
        "continue_first",
        "A good answer behind `100 Continue`",
        lambda s: [b"HTTP/1.1 100 Continue\r\n\r\n", *s.answer(s.login())],
        issues=True,
    ),
)
