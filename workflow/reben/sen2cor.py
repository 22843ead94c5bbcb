"""Make one L2A product out of an L1C one with ESA's sen2cor.

In: a folder that holds one L1C ``.SAFE``. Out: the L2A ``.SAFE`` under the tile's name,
so that the processing time in sen2cor's own name reaches nothing downstream. sen2cor
works in a fresh folder on the node's scratch disk; only a product that proves whole is
copied beside the output, once, and renamed to it.
"""

import logging
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import rasterio

from reben import cli
from reben.bands import RESOLUTION_M
from reben.errors import ProductError, ToolError
from reben.files import atomic_directory
from reben.names import ProductName
from reben.safe.archive import restore_empty_folders
from reben.safe.metadata import L2AProduct
from reben.sen2cor_version import check_version
from reben.strips import GDAL_ENV, StripReader

_log = logging.getLogger(__name__)

_ROWS = 1024


def run_sen2cor(
    l1c: Path,
    out: Path,
    command: str,
    gipp: Path | None,
    limit_min: float,
    threads: int,
    scratch_root: Path | None = None,
) -> None:
    """Process a product and put the result at `out` in one rename.

    Args:
        l1c: folder that holds one L1C ``.SAFE``.
        out: ``.SAFE`` folder of the tile; what stands there is replaced.
        command: ``L2A_Process`` or its path.
        gipp: sen2cor's own configuration, or None for the one it was installed with.
        limit_min: sen2cor is stopped after this time, minutes.
        threads: cores that it may use.
        scratch_root: where sen2cor works; None: beside `out`.

    Raises:
        ProductError: the input is no L1C product, or the output is not whole.
        ToolError: sen2cor failed or hung.
    """
    source = _only_product(l1c, "L1C")
    tile = ProductName.parse(source.name).tile
    restore_empty_folders(source)
    out.parent.mkdir(parents=True, exist_ok=True)
    with _scratch(out, scratch_root or out.parent) as scratch:
        arguments = [command, "--output_dir", str(scratch)]
        if gipp is not None:
            arguments += ["--GIP_L2A", str(gipp.resolve())]
        _process([*arguments, str(source.resolve())], scratch, limit_min, threads)
        made = _only_product(scratch, "L2A")
        check_product(made, tile)
        if scratch_root is not None:
            with atomic_directory(out) as part:
                shutil.copytree(made, part, dirs_exist_ok=True)
            return
        if out.is_dir():
            shutil.rmtree(out)
        made.replace(out)


def check_product(safe: Path, tile: str) -> None:
    """Check that sen2cor's product is whole, reading every pixel of every native band.

    Raises:
        ProductError: an image is missing, or the product is not that of `tile`.
        RasterError: an image is damaged or of another place or size.
    """
    product = L2AProduct.open(safe)
    for name in (product.name, safe.name):
        if ProductName.parse(name).tile != tile:
            raise ProductError(f"{safe}: expected a product of tile {tile}, found {name}")
    grid = product.grid()
    product.indicators()
    product.footprint()
    images = {band: product.band_file(band) for band in RESOLUTION_M}
    classes = product.image("SCL", 20)
    if classes is None:
        raise ProductError(f"{safe}: expected a scene classification at 20 m, found none")
    with rasterio.Env(**GDAL_ENV):
        for band, path in images.items():
            _read_through(
                StripReader(path, grid, RESOLUTION_M[band]), grid.tile_px(RESOLUTION_M[band])
            )
        _read_through(StripReader(classes, grid, 20, "uint8"), grid.tile_px(20))


def _read_through(reader: StripReader, rows: int) -> None:
    try:
        for start in range(0, rows, _ROWS):
            reader.read(min(_ROWS, rows - start))
    finally:
        reader.close()


def _only_product(folder: Path, level: str) -> Path:
    """The one product of a level in a folder.

    Raises:
        ProductError: there is none, or there are several.
    """
    found = sorted(p for p in folder.glob(f"S2*_MSI{level}_*.SAFE") if p.is_dir())
    if len(found) != 1:
        names = ", ".join(p.name for p in found) or "none"
        raise ProductError(
            f"{folder}: expected one {level} product, found {names}"
            + (". sen2cor ended without making one; see its lines above" * (level == "L2A"))
        )
    return found[0]


@contextmanager
def _scratch(out: Path, root: Path) -> Iterator[Path]:
    """A new folder in `root`, gone afterwards, as are those of killed tries beside `out`.

    Every try has its own, so a sen2cor that outlived its killed job disturbs nobody.
    """
    prefix = f".part-{out.name}-"
    for left in out.parent.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=root)).resolve()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _process(arguments: list[str], scratch: Path, limit_min: float, threads: int) -> None:
    """Run sen2cor, passing its lines on as they come.

    Raises:
        ToolError: it cannot be started, ends with an error or runs over the limit.
    """
    _log.info("running %s", " ".join(arguments))
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    try:
        # A session of its own: L2A_Process is a script, and what it starts must end with it.
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            env=environment,
        )
    except OSError as error:
        raise ToolError(
            f"sen2cor: cannot start {arguments[0]!r} ({error}); check sen2cor.command"
        ) from error
    expired = threading.Event()

    def stop() -> None:
        expired.set()
        _kill(process)

    timer = threading.Timer(limit_min * 60, stop)
    timer.daemon = True
    timer.start()
    last = ""
    try:
        assert process.stdout is not None  # noqa: S101 - asked for above
        for line in process.stdout:
            last = line.strip() or last
            _log.info("sen2cor: %s", line.rstrip())
        status = process.wait()
    finally:
        timer.cancel()
        _kill(process)
    if expired.is_set():
        raise ToolError(
            f"sen2cor: expected an end within {limit_min:g} min, stopped it then; the last line "
            f"was {last!r}. Give the rule more `runtime`, or look whether the disk is full"
        )
    if status != 0:
        # sen2cor hides a full disk behind whatever failed to be written.
        free_gb = shutil.disk_usage(scratch).free / 1e9
        raise ToolError(
            f"sen2cor: expected exit status 0, found {status}; the last line was {last!r}. Its "
            f"whole output is above; {free_gb:.1f} GB were free on its scratch disk"
        )


def _kill(process: "subprocess.Popen[str]") -> None:
    """End sen2cor and everything it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _terminate(signum: int, frame: FrameType | None) -> None:
    """Turn a scheduler's SIGTERM into an exit that cleans up."""
    raise SystemExit(128 + signum)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the step from the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--l1c", type=Path, required=True, help="folder of the L1C product")
    parser.add_argument("--out", type=Path, required=True, help=".SAFE folder of the tile")
    parser.add_argument("--command", required=True, help="L2A_Process or its path")
    parser.add_argument("--version", required=True, help="expected version, such as 2.11")
    parser.add_argument("--gipp", default="", help="sen2cor's configuration file")
    parser.add_argument("--limit-min", type=float, required=True, help="time limit, minutes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scratch", type=Path, help="where sen2cor works; else beside the output")
    args = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _terminate)
    check_version(args.command, args.version)
    gipp = Path(args.gipp) if args.gipp else None
    if gipp is not None and not gipp.is_file():
        raise ToolError(f"{gipp}: expected sen2cor's GIPP file, found none; check sen2cor.gipp")
    run_sen2cor(args.l1c, args.out, args.command, gipp, args.limit_min, args.threads, args.scratch)
    _log.info("%s: 12 bands and the scene classification are whole", args.out.name)


if __name__ == "__main__":
    cli.run(main)
