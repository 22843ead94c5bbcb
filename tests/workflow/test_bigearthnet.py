"""The plan of the full BigEarthNet build, from its product table alone."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_dry_run_plans_125_tiles_with_their_resources() -> None:
    done = subprocess.run(
        ["snakemake", "--dry-run", "--printshellcmds", "--nolock"]
        + ["--configfile=config/bigearthnet.yaml", "--workflow-profile=slurm"],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    counts = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE))
    tiles = {rule for rule, count in counts.items() if count == "125"}
    assert tiles == {
        "acquire",
        "run_sen2cor",
        "check_quality",
        "make_patches",
        "make_reference_maps",
        "label_patches",
        "assign_split",
        "pair_sentinel1",
        "encode_sentinel2",
        "encode_sentinel1",
        "encode_reference_maps",
    }
    for rule in tiles:
        blocks = re.findall(rf"^(?:local)?rule {rule}:\n(?:    .*\n)+", done.stdout, re.MULTILINE)
        assert len(blocks) == 125, rule
        for block in blocks:
            assert re.search(r"mem_mb=\d+", block), block
            assert re.search(r"runtime=\d+", block), block
    # A command that lists every tile would be too long for Linux with some hundred tiles.
    commands = re.findall(r"^Shell command: .*$", done.stdout, re.MULTILINE)
    assert len(commands) > 9 * 125
    assert max(map(len, commands)) < 1500
