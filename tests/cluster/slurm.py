"""A complete Slurm on this machine: munged, slurmctld and slurmd on loopback, in one folder.

No systemd, no cgroups, no accounting database, no user except the one who runs it (root, as
slurmd requires). The daemons run in the foreground as children of this process and end
with it. The plugin's job step drops ``SLURM_CONF``, so that ``srun`` within a job reads
``/etc/slurm/slurm.conf``: while the cluster runs, that is a link to ours, and ours is
locked. A link to an unlocked one was left by a killed run.
"""

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SYSTEM_CONF = Path("/etc/slurm/slurm.conf")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
PACKAGES = "slurm-wlm slurmctld slurmd slurm-client munge"
#: Part of the folder's name: distinguishes our links from the machine's configuration.
PREFIX = "reben-slurm-"

_CONF = """\
ClusterName=ci
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/ctld
SlurmdSpoolDir={folder}/slurmd
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
ReturnToService=2
EnforcePartLimits=ALL
PropagateResourceLimits=NONE
SlurmdParameters=config_overrides
MinJobAge=3600
KillWait=2
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000
PartitionName=main Nodes={host} Default=YES MaxTime=600 DefaultTime=5 State=UP
"""


class SlurmError(Exception):
    """The cluster cannot be started, or must not be touched."""


@dataclass(frozen=True)
class Job:
    """Slurm's record of a job.

    Attributes:
        number: its id.
        name: name of Snakemake's run.
        rule: its rule.
        tile: its tile, or empty.
        state: such as ``COMPLETED`` or ``TIMEOUT``.
        mem_mb: its memory.
        limit_min: its time limit.
        array: whether it is part of an array.
    """

    number: int
    name: str
    rule: str
    tile: str
    state: str
    mem_mb: int
    limit_min: int
    array: bool

    @classmethod
    def of(cls, record: Mapping[str, str]) -> Self:
        """Parse a record of ``scontrol show job``."""
        rule, _, tile = record["Comment"].strip().removeprefix("rule_").partition("_wildcards_")
        memory = re.search(r"mem=([\d.]+)([MG])", record["TRES"])
        assert memory, record["TRES"]
        hours, minutes, _ = map(int, record["TimeLimit"].split(":"))
        return cls(
            int(record["JobId"]),
            record["JobName"],
            rule,
            tile,
            record["JobState"],
            round(float(memory[1]) * {"M": 1, "G": 1024}[memory[2]]),
            60 * hours + minutes,
            "ArrayJobId" in record,
        )


class Slurm:
    """The running cluster.

    Attributes:
        folder: everything that it writes, logs included.
        environment: variables that its commands need.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}

    def command(self, *words: str) -> str:
        """Run a Slurm command; returns what it prints."""
        return subprocess.run(
            words, env=self.environment, check=True, capture_output=True, text=True, timeout=30
        ).stdout

    def jobs(self, first: int = 0) -> list[Job]:
        """The records of all jobs from number `first` on, in the order of submission."""
        lines = self.command("scontrol", "show", "job", "--oneliner", "--all").splitlines()
        # Values may contain spaces; names never do.
        records = [dict(re.findall(r"(?:^| )(\w+)=(.*?)(?= [\w:/]+=|$)", line)) for line in lines]
        jobs = [Job.of(record) for record in records if "JobId" in record]
        return sorted((job for job in jobs if job.number >= first), key=lambda job: job.number)

    def last_job(self) -> int:
        """The highest job number so far, 0 before the first job."""
        return max((job.number for job in self.jobs()), default=0)


@contextmanager
def running_slurm() -> Iterator[Slurm]:
    """Start a cluster, and stop it however the block ends, even by SIGTERM.

    Raises:
        SlurmError: this machine has its own Slurm, or lacks a program.
    """
    refuse_real_slurm(SYSTEM_CONF)
    if os.geteuid() != 0:
        raise SlurmError("slurmd has to be started by root")
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        raise SlurmError(f"{' '.join(missing)} not found; apt-get install {PACKAGES}")
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
            folder = Path(name)
            _write_conf(folder)
            with _linked(SYSTEM_CONF, folder / "slurm.conf"), _daemons(Slurm(folder)) as slurm:
                yield slurm
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _linked(link: Path, conf: Path) -> Iterator[None]:
    with conf.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(conf)
        try:
            yield
        finally:
            link.unlink()


@contextmanager
def _daemons(slurm: Slurm) -> Iterator[Slurm]:
    daemons: list[subprocess.Popen[bytes]] = []
    munge = slurm.folder / "munge"
    try:
        daemons.append(
            _daemon(
                slurm, "munged", "--foreground", "--force", f"--socket={munge}/socket",
                f"--key-file={munge}/key", f"--log-file={munge}/log", f"--pid-file={munge}/pid",
                f"--seed-file={munge}/seed", "--num-threads=2",
            )
        )  # fmt: skip
        _wait(slurm, "munged", lambda: (munge / "socket").exists())
        daemons.append(_daemon(slurm, "slurmctld", "-D", "-c"))
        _wait(slurm, "slurmctld", lambda: "is UP" in slurm.command("scontrol", "ping"))
        daemons.append(_daemon(slurm, "slurmd", "-D"))
        _wait(slurm, "slurmd", lambda: "idle" in slurm.command("sinfo", "-h", "-o", "%T"))
        yield slurm
    finally:
        with suppress(subprocess.SubprocessError):
            slurm.command("scancel", "--full", "--signal=KILL", "--state=RUNNING")
            slurm.command("scancel", "--state=PENDING")
            _wait(slurm, "jobs", lambda: not slurm.command("squeue", "-h").strip())
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def refuse_real_slurm(conf: Path) -> None:
    """Make sure that there is no configuration at `conf`; remove leftovers of a killed run.

    Raises:
        SlurmError: there is one.
    """
    if conf.is_symlink() and conf.readlink().parent.name.startswith(PREFIX):
        if _is_locked(conf):
            raise SlurmError(f"{conf}: another run of these tests is in progress")
        conf.unlink()
    elif conf.exists() or conf.is_symlink():
        raise SlurmError(
            f"{conf}: this machine has its own Slurm; these tests start another one and "
            "would disturb it. Run them in a container"
        )


def _is_locked(conf: Path) -> bool:
    with suppress(FileNotFoundError), conf.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _write_conf(folder: Path) -> None:
    for name in ("munge", "ctld", "slurmd"):
        (folder / name).mkdir(mode=0o700)
    (folder / "munge/key").write_bytes(os.urandom(1024))
    (folder / "munge/key").chmod(0o400)
    ctld_port, slurmd_port = _free_ports(2)
    text = _CONF.format(
        host=socket.gethostname(),
        folder=folder,
        ctld_port=ctld_port,
        slurmd_port=slurmd_port,
    )
    (folder / "slurm.conf").write_text(text)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _daemon(slurm: Slurm, *words: str) -> subprocess.Popen[bytes]:
    """Start a daemon that ends when this process does, even by SIGKILL."""
    with (slurm.folder / f"{words[0]}.out").open("wb") as out:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *words],
            env=slurm.environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(slurm: Slurm, what: str, ready: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(subprocess.SubprocessError):
            if ready():
                return
        time.sleep(0.1)
    logs = "\n".join(path.read_text(errors="replace") for path in slurm.folder.glob(f"{what}.*"))
    raise SlurmError(f"{what}: not ready after {seconds:.0f} s\n{logs[-3000:]}")
