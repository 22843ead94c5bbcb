"""Legends: those that are shipped, and what is refused."""

import re
from pathlib import Path

import pytest
import rasterio

from reben.land_cover.legend import Legend, corine_legend, read_legend
from reben.land_cover.nomenclature import NO_CODE, read_nomenclature
from reben.runtime.errors import ConfigError

RESOURCES = Path("resources")
HEADER = "value,code,name,colour\n"


@pytest.mark.parametrize("path", sorted(RESOURCES.glob("legends/*.csv")), ids=lambda p: p.stem)
def test_a_shipped_legend_has_the_nomenclature_of_its_own_classes(path: Path) -> None:
    shipped = read_legend(path)
    classes = read_nomenclature(RESOURCES / "nomenclature" / path.name)
    assert classes == {code: name for code, (name, _) in shipped.classes.items()}
    assert len({colour for _, colour in shipped.classes.values()}) == len(shipped.classes)
    assert shipped.map_name != path.stem
    assert shipped.credit


def test_the_values_of_the_maps() -> None:
    values = {
        path.stem: {v for v, code in read_legend(path).codes.items() if code != NO_CODE}
        for path in RESOURCES.glob("legends/*.csv")
    }
    assert values == {
        "esa_worldcover": {*range(10, 101, 10), 95},
        "clcplus_backbone": {*range(1, 12), 253},
        "esri_annual": {1, 2, 4, 5, 7, 8, 9, 11},
        "dynamic_world": set(range(9)),
        "corine": set(range(1, 45)),
    }
    assert read_legend(RESOURCES / "legends/dynamic_world.csv").name(100) == "Water"
    corine = corine_legend()
    assert (corine.codes[1], corine.codes[44]) == (111, 523)
    assert read_nomenclature(RESOURCES / "nomenclature/bigearthnet_19.csv").keys() <= (
        corine.classes.keys()
    )


def test_worldcover_is_named_and_coloured_as_its_files_are(reference: Path) -> None:
    (path,) = (reference / "land_cover/esa_worldcover").glob("*.tif")
    ours = read_legend(RESOURCES / "legends/esa_worldcover.csv")
    with rasterio.open(path) as dataset:
        names = dict(re.findall(r"^(\d+) +(.+)$", dataset.tags()["legend"], re.MULTILINE))
        colours = dataset.colormap(1)
    assert {str(code): name for code, (name, _) in ours.classes.items()} == names
    for code, (_, colour) in ours.classes.items():
        assert colour == "#{:02x}{:02x}{:02x}".format(*colours[code][:3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("value;code\n", "expected the columns value,code,name,colour, found value;code"),
        (f"{HEADER}x,10,A,#000000\n", "line 2: the value 'x' is not a whole number"),
        (f"# a\n{HEADER}1,0,A,#000000\n", "line 3: the code '0' .* 0 is nodata in a reference"),
        (f"{HEADER}1,999,A,#000000\n", "line 2: the code '999' .* leave the code empty"),
        (
            f"{HEADER}1,40000,A,#000000\n",
            "line 2: the code '40000' is not .* 1 to 32767",
        ),
        (f"{HEADER}1,1,,#000000\n", "line 2: the name '' is empty"),
        (f"{HEADER}1,1,=A(),#000000\n", "line 2: the name '=A.*' .*formula"),
        (f"{HEADER}1,1,A,red\n", "line 2: the colour 'red' is not of the form #rrggbb"),
        (f"{HEADER}1,1,A,#000000\n1,2,B,#000001\n", "line 3: the value 1 is repeated"),
        (f"{HEADER}1,1,A,#000000\n2,1,B,#000000\n", "line 3: the code 1 is B .*, but A .* before"),
        (f"{HEADER}1,1,A,B,#000000\n", "line 2: expected 4 cells, found 5"),
        (f'{HEADER}1,1,"A,#000000\n2,2,B",#000000\n', "line 2: is no line of a CSV file"),
        (f"{HEADER}1,1,{'A' * 200_000},#000000\n", "line 2: is no line of a CSV file"),
        (f"{HEADER}1,{'1' * 5000},A,#000000\n", "line 2: the code '1111"),
        (f"{HEADER}1,,A,\n", "expected values with codes, found none"),
    ],
)
def test_a_bad_legend_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(ConfigError, match=rf"l\.csv.*{message}"):
        read_legend(tmp_path / "l.csv")


def test_a_legend_tells_what_the_map_is_called_and_how_to_credit_it(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(f"# name: My map\n# credit: me, CC0\n# x\n{HEADER}7,1,A,#ABCDEF\n8,,,\n")
    own = read_legend(path)
    assert (own.map_name, own.credit) == ("My map", "me, CC0")
    assert own.codes == {7: 1, 8: NO_CODE}
    assert Legend.from_dict(own.to_dict()).classes == own.classes == {1: ("A", "#abcdef")}
    path.write_text(f"{HEADER}7,1,A,#abcdef\n")
    assert read_legend(path).map_name == "own"
