"""Snakemake that queries Slurm for its jobs every second; otherwise unchanged.

The plugin waits ten seconds longer after every check without news, for clusters with many
users, and no option disables that. On two cores it took half of the time of these tests.
"""

import asyncio

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def sleep(_: RemoteExecutor) -> None:
    await asyncio.sleep(1)


RemoteExecutor.sleep = sleep
main()
