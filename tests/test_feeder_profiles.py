"""Load factors by hour: which column is for which load, and everything that can be wrong."""

import copy

import numpy as np
import pandapower as pp
import pytest

from hybridopt.errors import InputError
from hybridopt.feeder_profiles import read_factor_column, read_load_factors
from hybridopt.network import read_network


@pytest.fixture
def net():
    """Three loads: two at bus 4 (named North), one without a name at bus 7."""
    net = pp.create_empty_network()
    pp.create_bus(net, 10.0, index=4, name="North")
    pp.create_bus(net, 10.0, index=7)
    pp.create_bus(net, 10.0, index=9, name="7")  # bus 7 stays the one with this index
    pp.create_load(net, 4, 1.0, name="Mill", index=3)
    pp.create_load(net, 4, 1.0, name="School", index=1)
    pp.create_load(net, 7, 1.0, index=8)
    return net


@pytest.fixture
def write(tmp_path):
    def into(text):
        path = tmp_path / "p.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return into


def findings(read, *arguments):
    with pytest.raises(InputError) as caught:
        read(*arguments)
    return [str(f).rpartition("/")[2] for f in caught.value.findings]


def test_one_factor_for_all_in_any_order_of_rows(net, write):
    factors = read_load_factors(write("hour,factor\n2,0.5\n3,0\n1,1.25\n"), net)
    np.testing.assert_array_equal(factors, np.tile([[1.25], [0.5], [0]], (1, 3)))


@pytest.mark.parametrize("bus", ["bus 4", "4", "North", "bus north", " BUS  4 "])
def test_own_column_goes_before_the_buss_and_that_before_factor(net, write, bus):
    text = f"factor,mill,hour,{bus}\n1,2,1,3\n4,5,2,6\n"
    np.testing.assert_array_equal(read_load_factors(write(text), net), [[2, 3, 1], [5, 6, 4]])


@pytest.mark.parametrize("bus", ["bus 7", "7"])
def test_an_index_names_its_own_bus(net, write, bus):
    factors = read_load_factors(write(f"hour,{bus},factor\n1,2,1\n"), net)
    assert factors.tolist() == [[1, 1, 2]]


def test_loads_of_one_name_share_a_column(net, write):
    net.load["name"] = ["Mill", "Mill", "School"]
    factors = read_load_factors(write("hour,mill,school\n1,2,3\n"), net)
    assert factors.tolist() == [[2, 2, 3]]


def test_loads_out_of_service_need_no_column(net, write):
    net.load.loc[8, "in_service"] = False
    assert read_load_factors(write("hour,north\n1,2\n"), net).tolist() == [[2, 2, 1]]


def test_a_year(net, write):
    text = "hour,factor\n" + "".join(f"{h},{h / 8760}\n" for h in range(1, 8761))
    assert read_load_factors(write(text), net).shape == (8760, 3)
    found = findings(read_load_factors, write(text + "8761,1\n"), net)
    assert found == ["p.csv:8762 hour: must be a whole number from 1 to 8760, found '8761'"]


def test_loads_of_a_builtin_feeder(write):
    net = read_network("baranwu33")
    factors = read_load_factors(write("hour,factor,bus 18,load 33\n1,1,2,3\n"), net)
    assert factors[0, net.load.bus == 18].tolist() == [2]
    assert factors[0, net.load.bus == 33].tolist() == [3]
    assert factors.sum() == 32 + 1 + 2


def test_the_net_is_not_altered(net, write):
    before = copy.deepcopy(net)
    read_load_factors(write("hour,factor\n1,2\n"), net)
    assert pp.toolbox.nets_equal(net, before)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "hour,factor\n1,-1\n2,x\n2,1\n0,nan\nx,1\n1.5,inf\n",
            [
                "p.csv:2 factor: must be at least 0, found -1",
                "p.csv:3 factor: must be a number, found 'x'",
                "p.csv:4 hour: hour 2 stands here a second time, first in line 3",
                "p.csv:5 factor: must be a number, found 'nan'",
                "p.csv:5 hour: must be a whole number from 1 to 8760, found '0'",
                "p.csv:6 hour: must be a whole number from 1 to 8760, found 'x'",
                "p.csv:7 factor: must be a number, found 'inf'",
                "p.csv:7 hour: must be a whole number from 1 to 8760, found '1.5'",
            ],
        ),
        (
            "hour,factor\n1,1\n4,1\n",
            ["p.csv:3 hour: must have every hour up to 4; missing: 2, 3"],
        ),
        (
            "hour,mil,bus 9,bus 4,north\n1,1,1,1,-1\n",
            [
                "p.csv:1: column 'mil' is neither a load nor a bus; did you mean 'mill'?",
                "p.csv:1: column 'bus 9': no load stands at this bus",
                "p.csv:1: columns 'bus 4' and 'north' are for the same load",
                "p.csv:1: no column for load 8 (bus 7), and no column factor for all others",
                "p.csv:2 north: must be at least 0, found -1",
            ],
        ),
        ("factor\n1\n", ["p.csv:1: column is missing: hour"]),
        ("hour,factor,factor\n1,1,1\n", ["p.csv:1: column 'factor' stands here more than once"]),
        ("hour,factor,\n1,1,1\n", ["p.csv:1: a column has no name"]),
        ("hour,factor\n1\n", ["p.csv:2: must have 2 cells, found 1"]),
        ("hour,factor\n", ["p.csv: has no rows"]),
        ("", ["p.csv: has no rows"]),
    ],
)
def test_bad_tables_of_factors(net, write, text, expected):
    assert findings(read_load_factors, write(text), net) == expected


def test_missing_file(net, tmp_path):
    assert findings(read_load_factors, tmp_path / "p.csv", net) == [
        "p.csv: cannot be read: No such file or directory"
    ]


def test_profile_of_generators(write):
    path = write("hour,factor\n2,1\n1,0\n3,0.5\n")
    assert read_factor_column(path, 3).tolist() == [0, 1, 0.5]
    assert findings(read_factor_column, path, 24) == [
        "p.csv:1 hour: has 3 hours, but the loads have 24"
    ]


def test_bad_profiles_of_generators(write):
    path = write("hour,factor\n1,1.5\n2,-0.5\n")
    assert findings(read_factor_column, path, 2) == [
        "p.csv:2 factor: must be from 0 to 1, found 1.5",
        "p.csv:3 factor: must be from 0 to 1, found -0.5",
    ]
    path = write("hour,share\n1,1\n")
    assert "p.csv:1: columns are missing: factor; found hour,share" in findings(
        read_factor_column, path, 1
    )
