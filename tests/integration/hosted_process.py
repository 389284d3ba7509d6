"""A worker with a hosted engine of its own: `hosted_process.py API URL DSN JOBS LEASE_S`. Says how many pictures came.

With 0 jobs it asks for one that never comes, and is killed.
"""

from __future__ import annotations

import sys

from rules.engines import HostedApi
from tests import renders
from tests.hosted_engines import Made
from tests.hosted_server import Server
from workers.engines.port import Rendered


def main(api: str, url: str, dsn: str, jobs: int, lease_s: float) -> None:
    its = Made(api=HostedApi(api), server=Server(url=url), dsn=dsn, lease_s=lease_s, timeout_s=120).engine()
    asked = [renders.request(seed=seed, size=(320, 320)) for seed in range(max(1, jobs))]
    results = its.render(asked, {})
    sys.stdout.write(f"{sum(isinstance(r, Rendered) for r in results)}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
