"""Feeders as pairs of CSV files: what they become, and everything that can be wrong with them."""

import json

import numpy as np
import pandapower as pp
import pytest
from command_line import hybridopt

from hybridopt.cases import feeder_files
from hybridopt.errors import InputError
from hybridopt.network import read_network
from hybridopt.network_csv import net_from_csv
from hybridopt.network_feeder import feeder_from_net

BUSES = """\
bus,type,vn_kv,p_kw,q_kvar
1,slack,10,0,0
2,load,10,100,50
3,load,10,-20,-7.5
"""
BRANCHES = """\
branch,from_bus,to_bus,r_ohm,x_ohm,closed_initially,max_i_ka
1,1,2,0.5,0.25,1,0.2
2,2,3,0.5,0.25,1,
3,3,1,0,0,0,
"""
# Buses, branches and open ones, kW, kvar of cases/feeders/README.md.
SIZES = {
    "civanlar16": (16, 16, 3, 28700, 5900),
    "baranwu33": (33, 37, 5, 3715, 2300),
    "feeder69": (69, 73, 5, 3802.1, 2694.7),
    "tpc84": (84, 96, 13, 28350.9, 20700),
    "zhang118": (118, 132, 15, 22709.72, 17041.068),
    "ramirez417": (415, 473, 59, 27372.3, 13237),
}


@pytest.fixture
def pair(tmp_path):
    """Write a pair and read it; None leaves a file out."""

    def read(buses=BUSES, branches=BRANCHES):
        for kind, content in (("buses", buses), ("branches", branches)):
            if content is not None:
                data = content if isinstance(content, bytes) else content.encode()
                (tmp_path / f"f_{kind}.csv").write_bytes(data)
        return net_from_csv(tmp_path / "f", "f")

    return read


@pytest.fixture
def found(pair):
    """What is wrong with a pair, as texts."""

    def findings(*contents):
        with pytest.raises(InputError) as caught:
            pair(*contents)
        return [str(finding) for finding in caught.value.findings]

    return findings


@pytest.mark.parametrize("name", SIZES)
def test_builtin_feeders_have_the_published_sizes(name):
    net = read_network(name)
    *_, p_kw, q_kvar = SIZES[name]
    assert (len(net.bus), len(net.line), int((~net.line.in_service).sum())) == SIZES[name][:3]
    assert net.load.p_mw.sum() * 1000 == pytest.approx(p_kw)
    assert net.load.q_mvar.sum() * 1000 == pytest.approx(q_kvar)
    assert net.bus.index[0] == 1
    assert (net.f_hz, net.sn_mva) == (50, 1)


def test_every_builtin_feeder_is_listed():
    assert set(feeder_files()) == set(SIZES)


def test_a_pair_becomes_a_net(pair):
    net = pair()
    assert net.bus.index.tolist() == [1, 2, 3]
    assert net.bus.name.tolist() == ["1", "2", "3"]
    assert net.ext_grid[["bus", "vm_pu"]].to_numpy().tolist() == [[1, 1.0]]
    assert net.load.bus.tolist() == [2, 3]
    np.testing.assert_allclose(net.load.p_mw, [0.1, -0.02])
    np.testing.assert_allclose(net.load.q_mvar, [0.05, -0.0075])
    assert net.line.name.tolist() == ["1", "2"]
    assert net.line.max_i_ka.tolist() == [0.2, 99999]
    assert (net.line.length_km == 1).all()
    assert (net.line.c_nf_per_km == 0).all()
    assert net.switch[["bus", "element", "et", "closed", "name"]].to_numpy().tolist() == [
        [3, 1, "b", False, "3"]
    ]
    assert "switchable" not in net.line
    assert feeder_from_net(net).branch_name == (1, 2, 3)


def test_optional_columns(pair):
    net = pair(
        "bus,name,type,vn_kv,p_kw,q_kvar,x,y,min_vm_pu,max_vm_pu,vm_pu\n"
        "A,Source,slack,10,5,1,0.5,2,,,1.02\nB,,LOAD,10,1,1,,,0.95,1.05,\n",
        "branch,name,from_bus,to_bus,r_ohm,x_ohm,closed_initially,max_i_ka,switchable\n"
        "1,,A,B,0,1,1.0,,0\n2,Tie,A,B,0,0,0,,\n3,,A,B,1e-7,0,0,,1\n",
    )
    assert net.bus.index.tolist() == [0, 1]
    assert net.bus.name.tolist() == ["Source", "B"]
    assert json.loads(net.bus.geo[0])["coordinates"] == [0.5, 2]
    assert net.bus.min_vm_pu.tolist()[1] == 0.95
    assert np.isnan(net.bus.max_vm_pu[0])
    assert net.ext_grid.vm_pu.tolist() == [1.02]
    assert net.load.bus.tolist() == [0, 1]
    assert net.line.switchable.tolist() == [False, True]
    assert net.switch.switchable.tolist() == [True]
    feeder = feeder_from_net(net)
    assert feeder.branch_name == (1, 3, "Tie")
    assert feeder.switchable.tolist() == [False, True, True]
    assert feeder.bus_x.tolist()[0] == 0.5


def test_spreadsheets_write_whole_numbers_with_a_point_and_a_byte_order_mark(pair):
    buses = BUSES.replace("\n2,", "\n2.0,").replace("\n", "\r\n")
    assert pair(b"\xef\xbb\xbf" + buses.encode()).bus.index.tolist() == [1, 2, 3]


def test_huge_labels_are_names_not_indices(pair):
    net = pair(BUSES.replace("3,load", "3000000000,load"), BRANCHES.replace("3", "3000000000"))
    assert net.bus.index.tolist() == [0, 1, 2]
    assert net.bus.name.tolist() == ["1", "2", "3000000000"]


UNRATED = (
    "must be empty where r_ohm and x_ohm are 0 (a switch, which has no rating); or give the branch "
    "a small impedance"
)


def test_everything_is_said_at_once(found):
    buses = (
        "bus,type,vn_kv,p_kw,q_kvar,min_vm_pu,max_vm_pu,x,y,vm_pu\n"
        "1,load,10,1,1,,,,,\n"
        "1,load,10,a,nan,1.1,0.9,1,,1.0\n"
        "3,foo,0,inf,,-1,0,,,\n"
        "4,load,20,1,1,,,,,\n"
        ",load,20,1,1,,,,,\n"
    )
    branches = (
        "branch,from_bus,to_bus,r_ohm,x_ohm,closed_initially,max_i_ka,switchable,name\n"
        "1,1,9,1,1,1,,,\n"
        "1,1,1,-1,-2,2,0,,\n"
        "3,1,4,x,1,1,,maybe,\n"
        "4,1,3,0,0,,1,,3\n"
        ",1,,1,1,1,,,\n"
    )
    expected = [
        "f_buses.csv:1: type must be slack at one bus at least: nothing feeds the feeder",
        "f_buses.csv:3: bus '1' stands here a second time, first in line 2",
        "f_buses.csv:3: p_kw must be a number, found 'a'",
        "f_buses.csv:3: q_kvar must be a number, found 'nan'",
        "f_buses.csv:3: min_vm_pu lies above max_vm_pu: 1.1 > 0.9",
        "f_buses.csv:3: y must be given, as the other coordinate is",
        "f_buses.csv:3: vm_pu is the voltage of a slack bus; leave it empty here",
        "f_buses.csv:4: type must be slack or load, found 'foo'",
        "f_buses.csv:4: vn_kv must be more than 0, found 0",
        "f_buses.csv:4: p_kw must be a number, found 'inf'",
        "f_buses.csv:4: q_kvar must be a number, found nothing",
        "f_buses.csv:4: min_vm_pu must be at least 0, found -1",
        "f_buses.csv:4: max_vm_pu must be more than 0, found 0",
        "f_buses.csv:6: bus must not be empty",
        "f_branches.csv:2: to_bus must be one of the buses, found '9'",
        "f_branches.csv:3: branch '1' stands here a second time, first in line 2",
        "f_branches.csv:3: to_bus is the same bus as from_bus, '1'",
        "f_branches.csv:3: r_ohm must be at least 0, found -1",
        "f_branches.csv:3: x_ohm must be at least 0, found -2",
        "f_branches.csv:3: closed_initially must be 0 or 1, found '2'",
        "f_branches.csv:3: max_i_ka must be more than 0, found 0",
        "f_branches.csv:4: to_bus has another vn_kv than from_bus: 20 and 10 kV",
        "f_branches.csv:4: r_ohm must be a number, found 'x'",
        "f_branches.csv:4: switchable must be 0 or 1, found 'maybe'",
        "f_branches.csv:5: closed_initially must be 0 or 1, found nothing",
        f"f_branches.csv:5: max_i_ka {UNRATED}",
        "f_branches.csv:5: name '3' stands here a second time, first in line 4",
        "f_branches.csv:6: branch must not be empty",
        "f_branches.csv:6: to_bus must not be empty",
    ]
    assert sorted(found(buses, branches)) == sorted(expected)


COLUMNS = "bus,type,vn_kv,p_kw,q_kvar"


@pytest.mark.parametrize(
    ("buses", "says"),
    [
        (b"", f"f_buses.csv:1: is empty; its first line must name the columns: {COLUMNS}"),
        (b" \n\n", f"f_buses.csv:1: is empty; its first line must name the columns: {COLUMNS}"),
        (bytes(range(256)), "f_buses.csv:1: is no CSV table: it holds binary data"),
        (b"bus\xff\xfe", "f_buses.csv:1: is not UTF-8 text: invalid start byte"),
        (COLUMNS, "f_buses.csv:1: has no rows"),
        (BUSES + "9,load,10\n", "f_buses.csv:5: must have 5 cells, found 3"),
        (
            BUSES.replace("q_kvar", "q_kw"),
            "f_buses.csv:1: unknown column 'q_kw'; did you mean 'p_kw'?",
        ),
        (
            BUSES.replace("q_kvar", "p_kw"),
            "f_buses.csv:1: column 'p_kw' stands here more than once",
        ),
        (BUSES + '9,"load,10\n', "f_buses.csv:5: is not a CSV table: unexpected end of data"),
    ],
)
def test_damaged_tables_of_buses_leave_the_branches_to_be_checked(found, buses, says):
    findings = found(buses, BRANCHES.replace("0.5,0.25,1,\n", "0.5,-0.25,1,\n"))
    assert says in findings
    assert "f_branches.csv:3: x_ohm must be at least 0, found -0.25" in findings
    missing = [finding for finding in findings if "columns are missing" in finding]
    assert len(findings) == 2 + len(missing)


def test_missing_files_of_a_pair(found, tmp_path):
    says = (
        f"f_branches.csv: file not found: {tmp_path / 'f_branches.csv'}; it goes with f_buses.csv"
    )
    assert found(BUSES, None) == [says]
    (tmp_path / "f_buses.csv").unlink()
    assert len(found(None, None)) == 2
    assert found(None, BRANCHES)[0].startswith("f_buses.csv: file not found")


def test_names_that_give_a_pair(pair, tmp_path):
    pair()
    for name in ("f", "f_buses.csv", "f_branches.csv", str(tmp_path / "f")):
        assert len(read_network(name, tmp_path).bus) == 3
    (tmp_path / "f_branches.csv").unlink()
    with pytest.raises(InputError, match=r"^f_branches.csv: file not found"):
        read_network("f", tmp_path)


def test_hint_for_a_misspelt_feeder():
    with pytest.raises(InputError, match=r"did you mean 'baranwu33'\?"):
        read_network("baranwu3")
    with pytest.raises(InputError, match=r"NAME_buses\.csv"):
        read_network("feeder.csv")


def test_parallel_branches_and_tiny_impedances_have_a_power_flow(pair):
    branches = BRANCHES.replace("3,3,1,0,0,0,", "3,1,2,0.5,0.25,0,\n4,2,3,1e-7,0,0,")
    net = pair(BUSES, branches)
    assert len(net.line) == 4
    pp.runpp(net)
    assert net.converged


@pytest.mark.parametrize("pairs", ["f", "baranwu33"])
def test_dispatch_takes_feeders(pair, tmp_path, pairs):
    pair(BUSES.replace("-20,-7.5", "20,7.5"))
    run = hybridopt("dispatch", pairs, "--json", folder=tmp_path)
    summary = json.loads(run.out)
    assert summary["status"] == "optimal"
    assert summary["fully_served"]


def test_dispatch_says_what_is_wrong_with_a_pair(pair, tmp_path):
    with pytest.raises(InputError):
        pair(BUSES.replace("100,50", "x,50"), BRANCHES.replace("0.2\n", "-1\n"))
    assert hybridopt("dispatch", "f", folder=tmp_path).findings == [
        "f_buses.csv:3: p_kw must be a number, found 'x'",
        "f_branches.csv:2: max_i_ka must be more than 0, found -1",
    ]
