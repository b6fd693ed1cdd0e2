"""What the C library gives back: seen from outside, in processes of their own."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_MEASURE = """
import threading
from pathlib import Path
from lightkeeper.adapters.heap import keep_heap_small

def mib(which):
    (line,) = [x for x in Path("/proc/self/status").read_text().splitlines() if which in x]
    return int(line.split()[1]) // 1024

if {is_kept_small}:
    keep_heap_small()
"""

_THREADS = """
before = mib("VmSize")
met = threading.Barrier(5)

def work():
    bytes(2000)
    met.wait()
    met.wait()

for _ in range(4):
    threading.Thread(target=work).start()
met.wait()
print(mib("VmSize") - before)
met.wait()
"""

_TEXTS = """
bytearray(30 << 20)
texts = [bytearray(b"x") * (1 << 20) for _ in range(20)]
pin = bytearray(100 << 10)
before = mib("VmRSS")
del texts
print(before - mib("VmRSS"))
"""


def measured(script: str, *, is_kept_small: bool) -> int:
    """In MiB."""
    source = _MEASURE.format(is_kept_small=is_kept_small) + script
    done = subprocess.run([sys.executable, "-c", source], check=True, stdout=subprocess.PIPE)
    return int(done.stdout)


def test_threads_have_no_heaps_of_their_own() -> None:
    """Of 64 MiB each, which is not resident before it is used."""
    assert measured(_THREADS, is_kept_small=True) < 64


def test_large_texts_that_are_freed_are_given_back() -> None:
    assert measured(_TEXTS, is_kept_small=True) >= 19


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone is like this")
def test_by_itself_the_c_library_keeps_both() -> None:
    """Else there would be nothing to set."""
    assert measured(_THREADS, is_kept_small=False) > 4 * 64
    assert measured(_TEXTS, is_kept_small=False) < 19
