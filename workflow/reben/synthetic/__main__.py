"""Write synthetic inputs: the demo, one of anywhere on Earth, or a single product of any size."""

from collections.abc import Sequence
from pathlib import Path

from reben.runtime import cli
from reben.synthetic.demo import write_demo
from reben.synthetic.product import write_product
from reben.synthetic.spec import ProductSpec
from reben.synthetic.world import write_world


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``demo``, ``world`` or ``product``."""
    parser = cli.parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    demo = commands.add_parser("demo", help="all inputs of the demo")
    world = commands.add_parser("world", help="all inputs of a demo without CORINE")
    world.add_argument(
        "--worldcover", type=Path, required=True, help="tile N00E006 of ESA WorldCover 2021"
    )
    product = commands.add_parser("product", help="one product")
    for command in (demo, world, product):
        command.add_argument("--out", type=Path, required=True, help="folder to write to")
    for command in (demo, product):
        command.add_argument("--seed", type=int, default=0, help="seed of the landscape")
    product.add_argument("--name", required=True, help="product name, L1C or L2A, without .SAFE")
    product.add_argument("--epsg", type=int, required=True, help="UTM zone, such as 32633")
    product.add_argument("--x-min", type=int, required=True, help="left edge, metres")
    product.add_argument("--y-max", type=int, required=True, help="upper edge, metres")
    product.add_argument(
        "--side-m", type=int, default=109_800, help="side of the tile, a multiple of 60 m"
    )
    product.add_argument("--cloud-fraction", type=float, default=0.05)
    product.add_argument("--nodata-wedge", type=float, default=0.0)
    product.add_argument(
        "--entropy", type=float, default=1.0, help="noise factor; 1 makes files of realistic size"
    )
    args = parser.parse_args(argv)

    if args.command == "demo":
        write_demo(args.out, args.seed)
        return
    if args.command == "world":
        write_world(args.out, args.worldcover)
        return
    spec = ProductSpec(
        args.name,
        args.epsg,
        args.x_min,
        args.y_max,
        args.side_m,
        cloud_fraction=args.cloud_fraction,
        nodata_wedge=args.nodata_wedge,
        seed=args.seed,
    )
    write_product(args.out, spec, args.entropy)


if __name__ == "__main__":
    cli.run(main)
