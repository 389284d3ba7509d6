"""Holds one slot until it is killed: `slot_holder.py DSN POOL LIMIT LEASE_S`. Says `held` once it has it."""

from __future__ import annotations

import asyncio
import sys

from pydantic import SecretStr

from broker.leases import Slots


async def hold(dsn: str, pool: str, limit: int, lease_s: float) -> None:
    async with Slots(SecretStr(dsn), pool, limit, lease_s=lease_s) as slots, slots.slot(30):
        sys.stdout.write("held\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(hold(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
