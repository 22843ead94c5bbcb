"""Steps acquire and acquire_l2a: fetch one product, check it, and unpack it.

In: a row of the product table. Out: for an L1C product a folder that holds
``{product}.SAFE`` (sen2cor needs the original name), for an L2A product the ``.SAFE`` itself.
Downloads in progress are kept in ``.fetch-{out}`` next to the output, so a killed job
resumes where it stopped.
"""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from reben.cdse import credentials, object_store
from reben.cdse.access_token import TokenSource
from reben.cdse.archive_check import check_file
from reben.cdse.catalogue import Catalogue, Entry
from reben.cdse.download import Downloader
from reben.cdse.service import Service
from reben.config.product_table import Product, read_products
from reben.runtime import cli
from reben.runtime.errors import ConfigError, ProductError
from reben.runtime.files import atomic_directory, check_space
from reben.safe import archive
from reben.safe.manifest import check_whole

log = logging.getLogger(__name__)


def acquire(product: Product, out: Path, service: Service) -> int:
    """Fetch or copy a product, check it, and put it at `out` in one rename.

    Args:
        product: the product to fetch.
        out: folder of the L1C product, or the ``.SAFE`` of an L2A product.
        service: addresses of CDSE; used for source ``cdse`` only.

    Returns:
        The number of files checked against the manifest.

    Raises:
        ConfigError: the local path does not exist, or there are no credentials.
        DownloadError: the download from CDSE failed.
        ProductError: the product is damaged, malicious or not the requested one.
    """
    fetched = out.with_name(f".fetch-{out.name}")
    with atomic_directory(out) as part:
        safe = part / f"{product.product}.SAFE" if product.level == "L1C" else part
        safe.mkdir(exist_ok=True)
        try:
            if product.source == "local":
                _copy(product, safe)
            else:
                _fetch(product, safe, fetched, service)
            archive.restore_empty_folders(safe)
            checked = check_whole(safe, product.product)
        except ProductError as error:
            # The download is complete but unusable: the next try must not trust it.
            shutil.rmtree(fetched, ignore_errors=True)
            # The folder of this try is gone by the time anyone reads the message.
            origin = product.path or product.product
            raise ProductError(str(error).replace(str(safe), origin)) from error
    shutil.rmtree(fetched, ignore_errors=True)
    return checked


def _copy(product: Product, safe: Path) -> None:
    """Copy or unpack a local product."""
    path = Path(product.path)
    if path.is_dir():
        if links := [p for p in path.rglob("*") if p.is_symlink()]:
            raise ProductError(f"{path}: refused: {links[0]} is a link; expected plain files")
        check_space(safe, sum(p.stat().st_size for p in path.rglob("*")), f"a copy of {path}")
        shutil.copytree(path, safe, dirs_exist_ok=True, copy_function=shutil.copyfile)
    elif path.is_file():
        if problem := check_file(path, int(product.size or 0), product.checksum):
            raise ProductError(
                f"{path}: does not match the product table: {problem}. Fix the row or the file"
            )
        archive.unpack(path, product.product, safe)
    else:
        raise ConfigError(
            f"{product.product}: expected a .SAFE folder or zip at {path}, found nothing; "
            "check `path` in the product table"
        )


def _fetch(product: Product, safe: Path, fetched: Path, service: Service) -> None:
    """Fetch a product from CDSE, over S3 if its keys are set, otherwise over HTTPS."""
    fetched.mkdir(parents=True, exist_ok=True)
    with service.client() as client:

        def entry() -> Entry:
            found = Catalogue(client, service).by_id(product.id)
            if found.name != product.product:
                raise ConfigError(
                    f"{product.product}: its id {product.id} belongs to {found.name}; fix the "
                    "row of the product table (`make products` writes it)"
                )
            return found

        keys = credentials.s3_keys(service.s3)
        if keys is not None:
            s3_path = product.s3_path or entry().s3_path
            store = fetched / "objects"
            object_store.fetch(product.product, s3_path, store, service, keys)
            # Copied, not moved: if the job is killed here, nothing is fetched twice.
            shutil.copytree(store, safe, dirs_exist_ok=True, copy_function=shutil.copyfile)
            return
        tokens = TokenSource(client, service, credentials.account(service.identity))
        stated = int(product.size or 0), product.checksum
        zipped = fetched / f"{product.id}.zip"
        Downloader(client, service, tokens).fetch(
            product.product,
            f"{service.download}/Products({product.id})/$value",
            zipped,
            stated if all(stated) else entry().content,
            lambda: entry().content,
        )
    archive.unpack(zipped, product.product, safe)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the step from the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--products", type=Path, required=True, help="product table")
    parser.add_argument("--tile", required=True, help="tile that the product becomes")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    products = read_products(args.products)
    if args.tile not in products:
        raise ConfigError(f"{args.products}: expected a product of tile {args.tile}, found none")
    product = products[args.tile]
    checked = acquire(product, args.out, Service.from_environment())
    log.info("%s: %d files, all match the manifest", product.product, checked)


if __name__ == "__main__":
    cli.run(main)
