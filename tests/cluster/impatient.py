"""Snakemake that asks Slurm once a second how its jobs are; else the very same.

The plugin waits ten seconds longer after every check in vain, for the sake of clusters with
many users, and no option stops it. On two cores that was half of the time of these tests.
"""

import asyncio

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def sleep(_: RemoteExecutor) -> None:
    await asyncio.sleep(1)


RemoteExecutor.sleep = sleep
main()
