"""One measurement with wrk: requests per second, latencies, errors."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from envbuild import programs

_DONE = """
done = function(summary, latency, requests)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  io.write(string.format("RESULT %d %d %f %f %d\\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one run of wrk saw."""

    rate: float
    p50_ms: float
    p99_ms: float
    errors: int


def wrk_path() -> str | None:
    """Return where wrk is, or None."""
    return shutil.which("wrk")


def measure(url: str, body: str, headers: Mapping[str, str], connections: int, seconds: int) -> Load:
    """Post `body` over so many connections for so many seconds, after a second to warm up."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        lines = ['wrk.method = "POST"', f"wrk.body = {json.dumps(body)}"]
        lines += [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]
        script.write_text("\n".join(lines) + _DONE)
        command = [wrk_path() or "wrk", "-t1", f"-c{connections}", "-s", str(script), "--timeout", "10s", url]
        programs.run([*command, "-d1"], timeout=60)
        found = programs.run([*command, f"-d{seconds}"], timeout=seconds + 60).stdout
    result = re.search(r"RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+)", found)
    if result is None:
        raise ValueError(f"wrk did not say what it measured: {found}")
    requests, microseconds, p50, p99, errors = map(float, result.groups())
    return Load(rate=requests / microseconds * 1e6, p50_ms=p50 / 1000, p99_ms=p99 / 1000, errors=int(errors))
