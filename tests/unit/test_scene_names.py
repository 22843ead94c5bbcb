"""Names of Sentinel-1 scenes: what they say, and what follows."""

import pytest

from reben.domain.names import parse_time
from reben.domain.scene_names import SceneName, pass_of
from reben.runtime.errors import ProductError

NAME = "S1A_IW_GRDH_1SDV_20170613T165043_20170613T165108_017018_01C579_7EEC"


@pytest.mark.parametrize("suffix", ["", ".SAFE", "_COG", "_COG.SAFE"])
def test_a_name_gives_patches_named_as_published(suffix):
    scene = SceneName.parse(NAME + suffix)
    assert scene.name == NAME
    assert scene.patch("33UUP", 7, 40).name == "S1A_IW_GRDH_1SDV_20170613T165043_33UUP_7_40"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (NAME.replace("_IW_", "_EW_").replace("GRDH", "GRDM"), "GRD in EW mode with VV.VH"),
        (NAME.replace("1SDV", "1SSV"), "GRD in IW mode with VV alone"),
        (NAME.replace("1SDV", "1SDH"), r"GRD in IW mode with HH\+HV"),
        (NAME.replace("GRDH", "SLC_"), "SLC in IW mode"),
        (NAME[:32], "is not the name of a scene; expected the full name"),
        (NAME.replace("0613T16", "0631T16"), "is not a time"),
    ],
)
def test_another_mode_or_polarisation_is_refused_by_its_name(name, message):
    with pytest.raises(ProductError, match=message):
        SceneName.parse(name)


@pytest.mark.parametrize(
    ("mission", "start", "orbit", "relative"),
    [
        ("S1A", "20170613T165043", 17018, 146),
        ("S1B", "20170612T051809", 6011, 35),
        ("S1C", "20250401T053000", 1700, 129),
        ("S1C", "20260701T053000", 8700, None),
        ("S1D", "20260401T053000", 2100, 134),
    ],
)
def test_relative_orbits_follow_from_absolute_ones(mission, start, orbit, relative):
    scene = SceneName.parse(f"{mission}_IW_GRDH_1SDV_{start}_{start}_{orbit:06}_01C579_7EEC")
    assert scene.relative_orbit == relative


@pytest.mark.parametrize(
    ("time", "epsg", "y", "found"),
    [
        ("20170613T165043", 32633, 5_342_400, "ascending"),
        ("20170617T064724", 32629, 5_834_040, "descending"),
        ("20170925T043256", 32635, 6_971_220, "descending"),
        ("20150309T173017", 32631, 5_000_000, "ascending"),  # the A in the name of pyroSAR's file
        ("20170613T054500", 32701, 8_000_000, "ascending"),  # Samoa: 18 o'clock of the day before
        ("20170613T165043", 32633, 8_900_000, None),
        ("20170613T165043", 32733, 1_000_000, None),
    ],
)
def test_the_local_hour_tells_the_pass_but_near_the_poles(time, epsg, y, found):
    assert pass_of(parse_time(time), epsg, y) == found
