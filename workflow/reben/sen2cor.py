"""Step run_sen2cor: process an L1C product to L2A with ESA's sen2cor.

In: a folder with one L1C ``.SAFE``. Out: the L2A ``.SAFE`` under the tile's name, so that
the processing time in sen2cor's own name does not affect later steps. sen2cor works in a
new folder on the node's scratch disk; only a product that proves complete is copied, once,
next to the output and renamed to it. However this process ends, sen2cor ends with it.
"""

import hashlib
import itertools
import logging
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import rasterio

from reben.domain.bands import RESOLUTION_M
from reben.domain.names import ProductName
from reben.runtime import cli
from reben.runtime.errors import ProductError, RebenError, ToolError
from reben.runtime.files import atomic_directory, check_space
from reben.runtime.milestones import Milestones
from reben.runtime.processes import run_program
from reben.safe.archive import restore_empty_folders
from reben.safe.jpeg2000 import GDAL_ENV, StripReader
from reben.safe.jpeg2000_driver import require_jpeg2000
from reben.safe.manifest import stated_images
from reben.safe.metadata import L2AProduct
from reben.sen2cor_version import check_version, environment
from reben.storage.raster_files import require_zones

log = logging.getLogger(__name__)

_ROWS = 1024
#: Scratch that sen2cor needs, as a multiple of its input: 5 GB for 800 MB.
_SCRATCH_FACTOR = 6
#: Room for its product, as a multiple of its input.
_PRODUCT_FACTOR = 1.5
_KILLED = (
    ". It was killed, probably because memory ran out: allow fewer tiles at once "
    "with `--resources mem_mb=`, or give the rule more `mem_mb`"
)
#: Fraction of the job's time for sen2cor: the rest is for reporting before the scheduler ends it.
_SHARE_OF_TIME = 0.95


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
        l1c: folder with one L1C ``.SAFE``.
        out: ``.SAFE`` folder of the tile; an existing one is replaced.
        command: ``L2A_Process`` or its path.
        gipp: sen2cor's parameter file, or None for the one it was installed with.
        limit_min: time limit of the job, minutes; sen2cor is stopped before that.
        threads: cores that it may use.
        scratch_root: where sen2cor works; None: next to `out`.

    Raises:
        ProductError: the input is not an L1C product, or the output is incomplete.
        SpaceError: a disk is too full.
        ToolError: sen2cor failed or hung.
    """
    source = _only_product(l1c, "L1C")
    tile = ProductName.parse(source.name).tile
    restore_empty_folders(source)
    out.parent.mkdir(parents=True, exist_ok=True)
    with _scratch(out, scratch_root or out.parent) as scratch:
        check_space(scratch, _SCRATCH_FACTOR * _size(source), "sen2cor")
        needed = int(_PRODUCT_FACTOR * _size(source))
        check_space(out.parent, needed, f"the product {out.stem}")
        arguments = [command, "--output_dir", str(scratch)]
        if gipp is not None:
            arguments += ["--GIP_L2A", str(gipp.resolve())]
        name = ProductName.parse(source.name)
        steps = Milestones(f"T{name.mgrs} {name.day}: sen2cor")
        _process([*arguments, str(source.resolve())], scratch, limit_min, threads, steps)
        made = _only_product(scratch, "L2A")
        with _kept_aside(made, out, scratch.parent):
            check_product(made, tile)
            if scratch_root is not None:
                check_space(out.parent, _size(made), f"the product {out.stem}")
                with atomic_directory(out, replaces=_names(made)) as part:
                    shutil.copytree(made, part, dirs_exist_ok=True)
                return
        if out.is_dir():
            shutil.rmtree(out)
        made.replace(out)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def aside(out: Path) -> Path:
    """Where the product of a tile is kept that did not pass its check."""
    return out.parent.with_name(f"{out.parent.name}_kept") / out.name


@contextmanager
def _kept_aside(made: Path, out: Path, scratch_root: Path) -> Iterator[None]:
    """Keep 40 minutes of work if what comes after them fails, for whatever reason.

    Beside the folder of the output, or, where that has no room, on the scratch disk. The next such
    product of the tile takes its place.
    """
    try:
        yield
    except Exception as error:
        try:
            kept = aside(out)
            kept.parent.mkdir(exist_ok=True)
            check_space(kept.parent, _size(made), f"the product {out.stem}")
            with atomic_directory(kept, replaces=_names(made)) as part:
                shutil.copytree(made, part, dirs_exist_ok=True)
        except (OSError, RebenError):
            kept = scratch_root / f"kept-{out.name}"
            shutil.rmtree(kept, ignore_errors=True)
            made.rename(kept)
        advice = (
            f"sen2cor's product is kept as {kept}: if it is right after all, rename it to "
            f"{made.name} and name it in the product table as a local L2A product, else delete it"
        )
        if isinstance(error, RebenError):
            raise type(error)(f"{error}. {advice}") from error
        log.error(advice)
        raise


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*"))


def check_product(safe: Path, tile: str) -> None:
    """Check that sen2cor's product is complete by reading every pixel of every native band.

    Raises:
        ProductError: an image is missing or not as the manifest has it, or the product is not
            that of `tile`.
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
    for path, stated in stated_images(safe, (*images.values(), classes)).items():
        stated.check(path)
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
    """The only product of a level in a folder.

    Raises:
        ProductError: there is none, or there are several.
    """
    found = sorted(p for p in folder.glob(f"S2*_MSI{level}_*.SAFE") if p.is_dir())
    if len(found) != 1:
        names = ", ".join(p.name for p in found) or "none"
        raise ProductError(
            f"{folder}: expected one {level} product, found {names}"
            + (". sen2cor ended without making one; see its output above" * (level == "L2A"))
        )
    return found[0]


@contextmanager
def _scratch(out: Path, root: Path) -> Iterator[Path]:
    """A new folder in `root`, removed afterwards, as are those of killed tries at `out`."""
    # Many builds may share a scratch disk, so the name needs more than the tile.
    place = hashlib.sha256(os.fsencode(out.resolve())).hexdigest()[:12]
    prefix = f".part-{out.name}-{place}-"
    for left in root.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=root)).resolve()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _process(
    arguments: list[str], scratch: Path, limit_min: float, threads: int, progress: Milestones
) -> None:
    """Run sen2cor, passing on its output line by line.

    Raises:
        ToolError: it cannot be started, ends with an error or exceeds the limit.
    """
    log.info("running %s", shlex.join(arguments))
    last = ""

    def pass_on(line: str) -> None:
        nonlocal last
        last = line.strip() or last
        log.info("sen2cor: %s", line)
        progress.take(line)

    limit_min *= _SHARE_OF_TIME
    try:
        status = run_program(arguments, environment(threads), limit_min * 60, pass_on)
    except TimeoutError as error:
        raise ToolError(
            f"sen2cor: expected an end within {limit_min:g} min, stopped it then; the last line "
            f"was {last!r}. Give the rule more `runtime`, or check whether the disk is full"
        ) from error
    except OSError as error:
        raise ToolError(
            f"sen2cor: cannot start {arguments[0]!r} ({error}); check sen2cor.command"
        ) from error
    if status != 0:
        # sen2cor does not report a full disk, only what it failed to write.
        free_gb = shutil.disk_usage(scratch).free / 1e9
        raise ToolError(
            f"sen2cor: expected exit status 0, found {status}; the last line was {last!r}. Its "
            f"full output is above; {free_gb:.1f} GB were free on its scratch disk"
            + _KILLED
            * (status in (-signal.SIGKILL, 128 + signal.SIGKILL))
        )


@contextmanager
def _kept(job_log: Path | None) -> Iterator[None]:
    """Keep the log of this try as ``….try-1.log`` next to it, unless the try succeeds.

    Snakemake removes a job's log before its next try; the second name survives that, even if
    this process is killed.
    """
    if job_log is None:
        yield
        return
    names = (job_log.with_suffix(f".try-{number}{job_log.suffix}") for number in itertools.count(1))
    kept = next(name for name in names if not name.exists())
    try:
        os.link(job_log, kept)
    except OSError as error:
        log.warning("%s: if this try fails, the next one removes its log (%s)", job_log, error)
    yield
    kept.unlink(missing_ok=True)


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
    parser.add_argument("--gipp", default="", help="sen2cor's parameter file")
    parser.add_argument("--limit-min", type=float, required=True, help="time limit, minutes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scratch", type=Path, help="where sen2cor works, or next to the output")
    parser.add_argument("--log", type=Path, help="log of this try, kept if it fails")
    args = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _terminate)
    gipp = Path(args.gipp) if args.gipp else None
    with _kept(args.log):
        # What the product is checked with: now, not after sen2cor's 40 minutes.
        require_jpeg2000()
        require_zones()
        check_version(args.command, args.version)
        if gipp is not None and not gipp.is_file():
            raise ToolError(f"{gipp}: expected sen2cor's GIPP file, found none; check sen2cor.gipp")
        run_sen2cor(
            args.l1c, args.out, args.command, gipp, args.limit_min, args.threads, args.scratch
        )
    log.info("%s: 12 bands and the scene classification are complete", args.out.name)


if __name__ == "__main__":
    cli.run(main)
