"""``hybridopt reliability``: tables, networks, findings, exit codes, JSON."""

import copy
import csv
import json

import numpy as np
import pandapower.networks
import pytest
from command_line import hybridopt
from test_reliability import by_paths

from hybridopt.cases import feeder_files, reliability_files
from hybridopt.errors import InputError
from hybridopt.network_csv import net_from_csv
from hybridopt.network_reliability import model_from_net, read_reliability
from hybridopt.reliability import indices
from hybridopt.reliability_files import Entry, Tables, read_tables
from hybridopt.reliability_model import BREAKER, SWITCH

CUSTOMERS = """bus,source,customers,p_mw,peak_mw,priority
S,1,,,,
A,,10,1,2,2
B,,20,2,3,1
"""
FAILURES = """branch,from_bus,to_bus,length_km,failures_per_km_year,repair_h,from_device
1,S,A,2,0.1,5,breaker
2,A,B,1.5,0.2,4,switch
"""

NO_DEVICE = (
    "own: no branch has a breaker, fuse or switch, so that every fault would interrupt everything; "
    "give from_device and to_device"
)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, "own_customers.csv", CUSTOMERS)
    write(tmp_path, "own_failures.csv", FAILURES)
    return tmp_path


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return name


# Tables


def test_own_tables_by_hand(folder):
    done = hybridopt("reliability", "own", "--json", folder=folder)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    # A: 0.2 faults of 5 h, 0.3 of 1 h until isolated. B: 0.2 of 5 h, 0.3 of 4 h.
    assert found["saifi"] == pytest.approx(0.5)
    assert found["saidi_h"] == pytest.approx((10 * 1.3 + 20 * 2.2) / 30)
    assert found["ens_mwh"] == pytest.approx(1 * 1.3 + 2 * 2.2)
    assert found["aens_kwh"] == pytest.approx(1000 * 5.7 / 30)
    assert found["r_ps_percent"] == pytest.approx(100 * found["asai"])
    assert (found["status"], found["customers"], found["load_mw"]) == ("optimal", 30, 3.0)
    assert list(folder.glob("results*")) == []


def test_built_in_systems_are_listed_and_read():
    shown = hybridopt("cases").out
    for name in reliability_files():
        assert name in shown
        assert read_reliability(name).customers.sum() > 0


def test_result_folder(folder):
    done = hybridopt("reliability", "own", "--out", "there", folder=folder)
    assert done.code == 0, done.err
    assert "SAIDI" in done.out
    assert "h/yr per customer" in done.out
    summary = json.loads((folder / "there/summary.json").read_text())
    with (folder / "there/reliability.csv").open() as file:
        rows = {row["bus"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"A", "B"}
    assert float(rows["B"]["hours_per_year"]) == pytest.approx(2.2)
    assert float(rows["B"]["outage_h"]) == pytest.approx(4.4)
    with (folder / "there/faults.csv").open() as file:
        energy = sum(float(row["ens_mwh_per_year"]) for row in csv.DictReader(file))
    assert energy == pytest.approx(summary["ens_mwh"])

    before = (folder / "there/summary.json").read_bytes()
    (finding,) = hybridopt("reliability", "own", "--out", "there", folder=folder).findings
    assert "exists already" in finding
    assert (folder / "there/summary.json").read_bytes() == before
    assert hybridopt("reliability", "own", "--out", "there", "--force", folder=folder).code == 0


def test_units_stand_beside_none(folder):
    write(folder, "dg.csv", "bus,p_mw,storage_mw,storage_mwh\nB,0,2,2\n")
    done = hybridopt("reliability", "own", "--dg", "dg.csv", "--json", folder=folder)
    found = json.loads(done.out)
    # A fault of branch 1 is isolated only with A, so that 2 MWh carry B for 1 of 4 h.
    assert found["without_units"]["ens_mwh"] - found["ens_mwh"] == pytest.approx(0.2 * 2)
    assert found["units"] == [
        {"bus": "B", "p_mw": 0.0, "storage_mw": 2.0, "storage_mwh": 2.0, "availability": 1.0}
    ]
    peak = hybridopt(
        *("reliability", "own", "--dg", "dg.csv", "--json", "--carry", "peak"), folder=folder
    )
    assert json.loads(peak.out)["ens_mwh"] == found["without_units"]["ens_mwh"]
    late = hybridopt(
        *("reliability", "own", "--dg", "dg.csv", "--json", "--islanding-h", "4.5"), folder=folder
    )
    saved = found["without_units"]["ens_mwh"] - json.loads(late.out)["ens_mwh"]
    assert saved == pytest.approx(0.2 * 2 * 0.5)


def test_profiles(folder):
    write(folder, "dg.csv", "bus,p_mw\nB,2\n")
    write(folder, "sun.csv", "hour,factor\n2,0\n1,1\n")
    write(folder, "load.csv", "hour,factor\n1,0.5\n2,1.5\n")
    done = hybridopt(
        *("reliability", "own", "--dg", "dg.csv", "--dg-profile", "sun.csv"),
        *("--profile", "load.csv", "--json"),
        folder=folder,
    )
    found = json.loads(done.out)
    # Sun in hours of half load: 2 of the 4 h between isolation and repair, each 1 MWh.
    assert found["without_units"]["ens_mwh"] - found["ens_mwh"] == pytest.approx(0.2 * 2 * 1.0)


# Bad input


def test_every_finding_has_its_line(folder):
    write(
        folder,
        "own_customers.csv",
        "bus,source,customers,p_mw,peak_mw,priority,failures_per_year,repair_h\n"
        "S,2,,,,,,\n"
        "A,,,1,,,,\n"
        "A,,-3,nan,,0,,\n"
        "B,,2.5,-1,,1.5,,\n"
        ",,1,1,,,-0.1,x\n",
    )
    write(
        folder,
        "own_failures.csv",
        "branch,from_bus,to_bus,failures_per_year,repair_h,from_device,success,closed\n"
        "1,S,A,-0.1,5,breaker,1.2,1\n"
        "1,A,B,0.1,-5,fuze,0.5,maybe\n",
    )
    findings = hybridopt("reliability", "own", "--out", "there", folder=folder).findings
    assert findings == [
        "own_customers.csv:2 source: must be 0 or 1, found 2",
        "own_customers.csv:4 bus: 'A' stands here a second time, first in line 3",
        "own_customers.csv:4 customers: must be a whole number of at least 0, found -3",
        "own_customers.csv:4 p_mw: must be a number, found 'nan'",
        "own_customers.csv:4 priority: must be a whole number of at least 1, found 0",
        "own_customers.csv:5 customers: must be a whole number of at least 0, found 2.5",
        "own_customers.csv:5 p_mw: must be at least 0, found -1",
        "own_customers.csv:5 priority: must be a whole number of at least 1, found 1.5",
        "own_customers.csv:6 bus: is empty",
        "own_customers.csv:6 failures_per_year: must be at least 0, found -0.1",
        "own_customers.csv:6 repair_h: must be a number, found 'x'",
        "own_failures.csv:2 failures_per_year: must be at least 0, found -0.1",
        "own_failures.csv:2 success: must be a probability from 0 to 1, found 1.2",
        "own_failures.csv:3 branch: '1' stands here a second time, first in line 2",
        "own_failures.csv:3 repair_h: must be at least 0, found -5",
        "own_failures.csv:3 closed: must be a number, found 'maybe'",
        "own_failures.csv:3 from_device: must be switch, fuse, breaker, found 'fuze'",
    ]
    assert not (folder / "there").exists()


def test_what_contradicts_itself(folder):
    write(
        folder,
        "own_customers.csv",
        "bus,customers,p_mw,peak_mw,failures_per_year\nS,,,,\nA,,1,,\nB,5,,,\nC,5,2,1,0.1\n",
    )
    write(
        folder,
        "own_failures.csv",
        "branch,from_bus,to_bus,length_km,failures_per_km_year,failures_per_year,repair_h,closed,transfer_mw\n"
        "1,S,A,1,0.1,0.2,5,,\n"
        "2,A,X,,0.1,,5,,\n"
        "3,B,B,,,,,,3\n"
        "4,A,,,,0.1,,,\n",
    )
    findings = hybridopt("reliability", "own", folder=folder).findings
    assert findings == [
        "own_customers.csv:3: customers is missing: bus A has a load of 1 MW",
        "own_customers.csv:4: p_mw is missing: bus B has customers",
        "own_customers.csv:5: peak_mw 1 lies below p_mw 2, the average load",
        "own_customers.csv:5: repair_h is missing: what fails must be repaired",
        "own_failures.csv:2: failures_per_year and failures_per_km_year: give one of them",
        "own_failures.csv:3 to_bus: no bus is called 'X'",
        "own_failures.csv:3: failures_per_km_year needs length_km",
        "own_failures.csv:4: begins and ends at bus B",
        "own_failures.csv:4: branch 3 has no failure rate; 0 if it never fails",
        "own_failures.csv:4: transfer_mw is for ties, but this branch is closed",
        "own_failures.csv:5: to_bus is missing",
        "own_failures.csv:5: repair_h is missing: what fails must be repaired",
        "own: no bus is a source",
        NO_DEVICE,
    ]


def test_load_that_nothing_feeds(folder):
    write(folder, "own_customers.csv", CUSTOMERS + "C,,1,1,1,1\n")
    (finding,) = hybridopt("reliability", "own", folder=folder).findings
    assert finding == "own: no closed branch connects bus C to a source, so nothing ever feeds it"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("own_failures.csv", "", "has no rows"),
        ("own_failures.csv", "branch,from_buss\n1,S\n", "did you mean 'from_bus'?"),
        ("own_customers.csv", "bus,customers\nA\n", "must have 2 cells, found 1"),
    ],
)
def test_files_that_are_no_tables(folder, name, text, expected):
    write(folder, name, text)
    findings = hybridopt("reliability", "own", folder=folder).findings
    assert any(expected in finding for finding in findings)


def test_one_of_the_pair_is_missing(folder):
    (folder / "own_customers.csv").unlink()
    (finding,) = hybridopt("reliability", "own", folder=folder).findings
    assert finding == "own_customers.csv: cannot be read: No such file or directory"


def test_bad_options_and_units(folder):
    write(
        folder,
        "dg.csv",
        "bus,p_mw,storage_mw,storage_mwh,availability\nX,1,,,\nA,,,,\nB,-1,1,,1.5\n",
    )
    findings = hybridopt("reliability", "own", "--dg", "dg.csv", folder=folder).findings
    assert findings == [
        "dg.csv:2 bus: no bus is called 'X'",
        "dg.csv:3 p_mw: must be a number, found ''",
        "dg.csv:4 p_mw: must be at least 0, found -1",
        "dg.csv:4 availability: must be a probability from 0 to 1, found 1.5",
        "dg.csv:4: storage needs both storage_mw and storage_mwh",
    ]
    write(folder, "sun.csv", "hour,factor\n1,1.1\n1,nan\n3,-1\n0,1\n")
    findings = hybridopt(
        *("reliability", "own", "--dg-profile", "sun.csv", "--carry", "half"),
        *("--islanding-h", "-1", "--out", "own_customers.csv"),
        folder=folder,
    ).findings
    assert findings == [
        "sun.csv:2 factor: must be from 0 to 1, found 1.1",
        "sun.csv:3 factor: must be a number, found 'nan'",
        "sun.csv:3 hour: hour 1 stands here a second time",
        "sun.csv:4 factor: must be from 0 to 1, found -1",
        "sun.csv:5 hour: must be a whole number from 1 to 8760, found '0'",
        "--islanding-h: must be a time of at least 0 h, found -1",
        "--carry: must be average or peak, found 'half'",
        "--dg-profile: says nothing without --dg",
        "--out own_customers.csv: is a file, not a folder",
    ]
    assert (folder / "own_customers.csv").read_text() == CUSTOMERS


def test_profiles_of_different_length(folder):
    write(folder, "dg.csv", "bus,p_mw\nB,2\n")
    write(folder, "sun.csv", "hour,factor\n1,1\n2,0\n")
    write(folder, "load.csv", "hour,factor\n1,1\n2,1\n3,1\n")
    (finding,) = hybridopt(
        *("reliability", "own", "--dg", "dg.csv", "--dg-profile", "sun.csv"),
        *("--profile", "load.csv"),
        folder=folder,
    ).findings
    assert finding == "--dg-profile: has 2 hours, but --profile has 3"


def test_unknown_names():
    (finding,) = hybridopt("reliability", "rbts3").findings
    assert "no such network" in finding
    assert "did you mean 'rbts2'?" in finding
    (finding,) = hybridopt("reliability", "baranwu33").findings
    assert "give --data PREFIX" in finding
    (finding,) = hybridopt("reliability", "rbts2", "--data", "own").findings
    assert finding == "--data: rbts2 has tables of its own; --data is for networks"
    findings = hybridopt("reliability", "nowhere", "--data", "neither").findings
    assert len(findings) == 2


@pytest.mark.parametrize("text", ["", ".", "/", "..", "_customers.csv", "nowhere/own"])
def test_names_of_nothing(text, folder):
    assert hybridopt("reliability", text, folder=folder).findings
    assert hybridopt("reliability", "baranwu33", "--data", text, folder=folder).findings


def test_one_file_stands_for_both(folder):
    done = hybridopt("reliability", "own_failures.csv", "--json", folder=folder)
    assert json.loads(done.out)["system"] == "own"


# Networks


@pytest.fixture
def baranwu33(tmp_path):
    """Tables of the 33-bus feeder: a breaker at the source, switches elsewhere, figures assumed."""
    rows = "".join(f"{bus},{10 * bus}\n" for bus in range(2, 34))
    write(tmp_path, "b33_customers.csv", f"bus,customers\n{rows}")
    write(
        tmp_path,
        "b33_failures.csv",
        "branch,failures_per_year,repair_h,switching_h,from_device\n"
        "line,0.1,5,1,switch\n"
        "1,0.3,6,,breaker\n",
    )
    return tmp_path


def test_a_network_with_tables(baranwu33):
    done = hybridopt("reliability", "baranwu33", "--data", "b33", "--json", folder=baranwu33)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["load_mw"] == pytest.approx(3.715)
    assert found["customers"] == sum(10 * bus for bus in range(2, 34))
    assert found["saifi"] == pytest.approx(0.3 + 31 * 0.1)  # one breaker: everybody, each time
    model = read_reliability("baranwu33", "b33", baranwu33)
    _, hours = by_paths(model)
    assert found["ens_mwh"] == pytest.approx(hours @ model.p_mw)
    assert (~model.closed).sum() == 5


def test_columns_of_a_net_do_as_well_as_tables(baranwu33):
    net = net_from_csv(feeder_files()["baranwu33"], "baranwu33")
    net.bus["customers"] = [np.nan if bus == 1 else 10 * bus for bus in net.bus.index]
    net.line["failures_per_year"] = 0.1
    net.line.loc[net.line.index[0], "failures_per_year"] = 0.3
    net.line["repair_h"] = [6.0] + [5.0] * (len(net.line) - 1)
    net.line["from_device"] = ["breaker"] + ["switch"] * (len(net.line) - 1)
    before = copy.deepcopy(net)
    ours = indices(model_from_net(net))
    theirs = indices(read_reliability("baranwu33", "b33", baranwu33))
    np.testing.assert_allclose(ours.hours, theirs.hours)
    assert net.line.equals(before.line)
    assert net.bus.equals(before.bus)


def test_a_row_of_its_own_goes_before_that_of_its_kind():
    net, tables = case14({"from_device": BREAKER})
    net.line["failures_per_km_year"] = 9.0
    net.line["repair_h"] = 9.0
    own = Entry("3", {"failures_per_km_year": 0.5}, "table")
    model = model_from_net(net, Tables((), (*tables.failures, own)))
    lengths = net.line.length_km.to_numpy()
    assert model.rate[:4] == pytest.approx([0.2, 0.2, 0.5 * lengths[2], 0.2])
    assert (model.repair_h == 5.0).all()


def test_findings_of_a_network(baranwu33):
    write(baranwu33, "b33_customers.csv", "bus,customers\n2,1\n2.0,1\nbus 3,1\n99,1\n")
    write(
        baranwu33,
        "b33_failures.csv",
        "branch,failures_per_year,repair_h,from_device,closed\nline,0.1,5,switch,\n40,1,1,,\n2,,,,0\n",
    )
    findings = hybridopt("reliability", "baranwu33", "--data", "b33", folder=baranwu33).findings
    assert findings == [
        "b33_customers.csv:3 bus: no bus is called '2.0'",
        "b33_customers.csv:4 bus: no bus is called 'bus 3'",
        "b33_customers.csv:5 bus: no bus is called '99'",
        "b33_failures.csv:3 branch: no branch is called '40'; as reconfigure names them",
        "b33_failures.csv:4 closed: is what the network says; leave it out",
    ]


def case14(devices):
    """IEEE 14 with ten customers per MW; branches fail 0.2 times a year for 5 h (assumed)."""
    net = pandapower.networks.case14()
    load = net.load.groupby("bus").p_mw.sum()
    net.bus["customers"] = [round(10 * load.get(bus, 0.0)) for bus in net.bus.index]
    row = {"failures_per_year": 0.2, "repair_h": 5.0, **devices}
    tables = Tables((), tuple(Entry(kind, dict(row), "table") for kind in ("line", "trafo")))
    return net, tables


def test_meshed_network():
    net, tables = case14({"from_device": BREAKER, "to_device": BREAKER})
    assert indices(model_from_net(net, tables)).saifi == 0  # no single branch feeds a load alone
    ties = [(9, 10), (11, 12), (12, 13)]  # 10-11, 12-13 and 13-14 in the literature
    is_tie = [ends in ties for ends in zip(net.line.from_bus, net.line.to_bus, strict=True)]
    net.line.loc[is_tie, "in_service"] = False
    model = model_from_net(net, tables)
    assert (~model.closed).sum() == 3
    found = indices(model)
    # Bus 6 hangs on transformer 5-6 alone now, and 11, 12, 13 on lines from it; 10 and 14 on
    # lines from 9, which two transformers feed. All come back over ties after 1 h, but not 8,
    # which has only transformer 7-8.
    expected = {8: 1, 6: 1, 11: 2, 12: 2, 13: 2, 10: 1, 14: 1}  # by bus of the literature
    for bus in range(1, 15):
        b = model.find(bus - 1)
        assert found.rate[b] == pytest.approx(0.2 * expected.get(bus, 0))
        assert found.hours[b] == pytest.approx((1.0 if bus == 8 else 0.2) * expected.get(bus, 0))


def test_switches_of_a_net_are_devices():
    net, tables = case14({})
    with pytest.raises(InputError, match="no branch has a breaker, fuse or switch"):
        model_from_net(net, tables)
    line = net.line.index[0]
    pandapower.create_switch(net, net.line.from_bus[line], line, et="l", type="CB")
    pandapower.create_switch(net, net.line.to_bus[line], line, et="l", type="LBS")
    model = model_from_net(net, tables)
    assert model.device[0].tolist() == [BREAKER, SWITCH]
    assert (model.device[1:] == 0).all()


def test_tables_are_read_as_they_stand():
    tables = read_tables(reliability_files()["rbts2"])
    assert sum(entry.cells.get("customers", 0) for entry in tables.customers) == 1908
    assert sum(entry.cells.get("p_mw", 0) for entry in tables.customers) == pytest.approx(12.291)
    assert sum(entry.cells.get("peak_mw", 0) for entry in tables.customers) == pytest.approx(
        20.0, abs=2e-3
    )
