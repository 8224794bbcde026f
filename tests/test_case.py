import pickle
from pathlib import Path

import numpy as np
import pytest

from hybridopt.case import BranchRef, Case, parse_branch, read_case
from hybridopt.cases import builtin_cases
from hybridopt.errors import InputError

LEAST = 'network = "case9"\n'
DAY = ", ".join(["0.5"] * 18 + ["1"] + ["0.5"] * 5)


def read(folder: Path, text: str, name: str = "my.toml") -> Case:
    (folder / name).write_text(text, encoding="utf-8")
    return read_case(folder / name)


def findings(folder: Path, text: str) -> list[str]:
    """What is wrong with a case, without the folder."""
    with pytest.raises(InputError) as caught:
        read(folder, text)
    return [line.replace(f"{folder}/", "") for line in str(caught.value).splitlines()]


def test_least_case_has_the_documented_defaults(tmp_path: Path) -> None:
    case = read(tmp_path, LEAST)
    assert (case.name, case.file) == ("my", tmp_path / "my.toml")
    assert (case.currency, case.budget, case.value_of_lost_load) == ("USD", 0.0, 5000.0)
    assert case.event is None
    assert case.objectives == ("unserved_mwh", "operating_cost")
    assert not case.resources.offer_any
    assert case.economics.hours == (18, 19, 20, 21, 22, 23, 24)
    assert (case.horizon([1, 2]).load_factor == np.ones((24, 2))).all()


BAD = {
    "unknown key, and the one that was meant": (
        LEAST + "bugdet = 3",
        "my.toml:2 bugdet: unknown key; did you mean 'budget'?",
    ),
    "key below the wrong table": (
        LEAST + '[event]\nlines = ["5-6"]\nbudget = 3',
        "my.toml:4 [event] budget: unknown key; 'budget' belongs above the first [table]",
    ),
    "key above its table": (
        LEAST + "max_units = 3",
        "my.toml:2 max_units: unknown key; 'max_units' belongs in [resources.dg] or in [siting]",
    ),
    "unknown key in an inline table": (
        LEAST + "budget = 1\n[resources.lines]\ncost = 1\n"
        "candidates = [\n{from_bus=1, to_bus=2, r_ohm_per_km=1, x_ohm_per_km=1, max_i_kA=1}]",
        "my.toml:6 [resources.lines.candidates[0]] max_i_ka: is required",
        "my.toml:6 [resources.lines.candidates[0]] max_i_kA: unknown key; did you mean 'max_i_ka'?",
    ),
    "unknown key in an array of tables": (
        LEAST + "[[costs.generators]]\ngenerator = 2\npolynomial = [1]\n\n"
        "[[costs.generators]]\ngenerator = 3\npolynomial = [1]\nx = 1",
        "my.toml:9 [costs.generators[1]] x: unknown key",
    ),
    "no network": ("title = 'x'", "my.toml network: is required"),
    "negative budget": (LEAST + "budget = -3", "my.toml:2 budget: must be at least 0, found -3"),
    "infinite budget": (
        LEAST + "budget = inf",
        "my.toml:2 budget: must be a finite number, found inf",
    ),
    "NaN": (
        LEAST + "value_of_lost_load = nan",
        "my.toml:2 value_of_lost_load: must be a finite number, found nan",
    ),
    "no budget for resources": (
        LEAST + "[resources.dg]\nmax_units = 1",
        "my.toml budget: is required",
    ),
    "true for a number": (
        LEAST + "budget = true",
        "my.toml:2 budget: must be a number, found true",
    ),
    "true for a whole number": (
        LEAST + "[genetic]\npopulation = true",
        "my.toml:3 [genetic] population: must be a whole number, found true",
    ),
    "number for true": (
        LEAST + "[dispatch]\nmerge_equal_hours = 1",
        "my.toml:3 [dispatch] merge_equal_hours: must be true or false, found 1",
    ),
    "text for a number": (
        LEAST + "budget = '3'",
        "my.toml:2 budget: must be a number, found '3'",
    ),
    "number for text": ("network = 9", "my.toml:1 network: must be text, found 9"),
    "value for a table": (
        LEAST + "genetic = 3",
        "my.toml:2 genetic: must be a table, found 3",
    ),
    "value for a list": (
        LEAST + "objectives = 'plan_cost'",
        "my.toml:2 objectives: must be a list, found 'plan_cost'",
    ),
    "unknown objective": (
        LEAST + "objectives = ['unserved_mwh', 'plan_costs']",
        (
            "my.toml:2 objectives[1]: must be one of unserved_mwh, unserved_peak_mw, "
            "operating_cost, plan_cost, loss_mwh, curtailed_mwh, found 'plan_costs'; "
            "did you mean 'plan_cost'?"
        ),
    ),
    "objective of another kind": (
        LEAST + "objectives = [[3]]",
        (
            "my.toml:2 objectives[0]: must be one of unserved_mwh, unserved_peak_mw, "
            "operating_cost, plan_cost, loss_mwh, curtailed_mwh, found [3]"
        ),
    ),
    "objective named twice": (
        LEAST + "objectives = ['plan_cost', 'plan_cost']",
        "my.toml:2 objectives: objective 'plan_cost' is listed twice",
    ),
    "no objective": (
        LEAST + "objectives = []",
        "my.toml:2 objectives: lists nothing",
    ),
    "weight of an objective": (
        LEAST + "objectives = [{plan_cost = 0}]",
        "my.toml:2 [objectives[0]]: the weight of plan_cost must be a number above 0, found 0",
    ),
    "dispatch mode": (
        LEAST + "dispatch_mode = 'wimmer'",
        "my.toml:2 dispatch_mode: must be 'each' or 'winner', found 'wimmer'",
    ),
    "23 hours": (
        LEAST + f"[load]\ncurve = [{', '.join(['1'] * 23)}]",
        "my.toml:3 [load] curve: must have 24 values (one per hour), found 23",
    ),
    "25 hours": (
        LEAST + f"[load]\ncurve = [{', '.join(['1'] * 25)}]",
        "my.toml:3 [load] curve: must have 24 values (one per hour), found 25",
    ),
    "negative and NaN factors": (
        LEAST + "[load]\ncurve = [\n-0.5,\nnan,\n" + ", ".join(["1"] * 22) + "]",
        "my.toml:4 [load] curve[0]: must be at least 0, found -0.5",
        "my.toml:5 [load] curve[1]: must be a finite number, found nan",
    ),
    "profile above the rating": (
        LEAST + "[resources.dg]\nprofile = [1.5, " + ", ".join(["1"] * 23) + "]",
        "my.toml:3 [resources.dg] profile[0]: must lie in [0, 1], found 1.5",
    ),
    "curve and classes": (
        LEAST + f"[load]\ncurve = [{DAY}]\nclasses = {{a = [{DAY}]}}",
        "my.toml:4 [load.classes]: give either curve or classes, not both",
    ),
    "share of a class without a curve": (
        LEAST + f"[load]\nclasses = {{a = [{DAY}]}}\nshares = {{5 = {{b = 1}}}}",
        "my.toml:4 [load.shares.5]: class 'b' has no curve; the classes are a",
    ),
    "shares that don't add up": (
        LEAST + f"[load.classes]\na = [{DAY}]\nb = [{DAY}]\n"
        "[load.shares]\n5 = {a = 0.5, b = 0.4}\n6 = {a = 1.5}\n[load]\ndefault_shares = {a = 0.1}",
        "my.toml:6 [load.shares.5]: the shares must add up to 1, found 0.9",
        "my.toml:7 [load.shares.6] a: must lie in [0, 1], found 1.5",
        "my.toml:9 [load.default_shares]: the shares must add up to 1, found 0.1",
    ),
    "bus label of a share": (
        LEAST + f"[load]\nclasses = {{a = [{DAY}]}}\nshares = {{five = {{a = 1}}}}",
        "my.toml:4 [load.shares.five]: the key must be a bus label (a whole number), found 'five'",
    ),
    "event that removes nothing": (
        LEAST + "[event]\nlines = []",
        "my.toml:2 [event]: removes nothing; list an element, or leave the table out",
    ),
    "branch of another form": (
        LEAST + "[event]\nlines = [true, [5, 6, 7], -1, '']",
        *(
            f'my.toml:3 [event] lines[{i}]: must be "FROM-TO" or [FROM, TO] (bus labels), '
            f"a name, or a pandapower index, found {found}"
            for i, found in enumerate(["true", "[5, 6, 7]", "-1", "''"])
        ),
    ),
    "branch listed both ways": (
        LEAST + "[event]\nlines = ['5-6', [6, 5]]",
        "my.toml:3 [event] lines: branch (6, 5) is listed twice",
    ),
    "element of another form": (
        LEAST + "[event]\ngenerators = [2.0, true]",
        (
            "my.toml:3 [event] generators[0]: must be a bus label (a whole number) or a name, "
            "found 2.0"
        ),
        (
            "my.toml:3 [event] generators[1]: must be a bus label (a whole number) or a name, "
            "found true"
        ),
    ),
    "element listed twice": (
        LEAST + "[event]\nloads = [5, 5]",
        "my.toml:3 [event] loads: element 5 is listed twice",
    ),
    "duplicate sites": (
        LEAST + "[resources.dg]\nbuses = [5, 6, 5]",
        "my.toml:3 [resources.dg] buses: bus 5 is listed twice",
    ),
    "sites of another form": (
        LEAST + "[resources.dg]\nbuses = 'any'",
        "my.toml:3 [resources.dg] buses: must be \"all\" or a list of bus labels, found 'any'",
    ),
    "no site": (
        LEAST + "budget = 1\n[resources.dg]\nmax_units = 1\nbuses = []",
        (
            "my.toml:5 [resources.dg] buses: lists no bus for the units that max_units allows; "
            '"all" is every bus'
        ),
    ),
    "ranges of DG": (
        LEAST + "[resources.dg]\nmax_units = -1\npower_factor = 1.3\nsizes_mw = [10, 0]\n"
        "cost_per_mw = -1\nreactive = 'none'",
        "my.toml:3 [resources.dg] max_units: must be at least 0, found -1",
        "my.toml:4 [resources.dg] power_factor: must lie in (0, 1], found 1.3",
        "my.toml:5 [resources.dg] sizes_mw[1]: must be above 0, found 0",
        "my.toml:6 [resources.dg] cost_per_mw: must be at least 0, found -1",
        "my.toml:7 [resources.dg] reactive: must be 'power_factor' or 'unlimited', found 'none'",
    ),
    "power factor of nothing": (
        LEAST + "[resources.dg]\npower_factor = 0",
        "my.toml:3 [resources.dg] power_factor: must lie in (0, 1], found 0",
    ),
    "largest below smallest": (
        LEAST + "[resources.dg]\nmin_mw = 5\nmax_mw = 4",
        "my.toml:4 [resources.dg] max_mw: must be at least min_mw = 5, found 4",
    ),
    "two ways to say a cost": (
        LEAST + "[resources.dg]\noperating_cost_per_mwh = 3\noperating_cost = [0, 3]\n"
        "sizes_mw = [3]\nmax_mw = 3",
        (
            "my.toml:4 [resources.dg] operating_cost: give either operating_cost_per_mwh or "
            "operating_cost, not both"
        ),
        "my.toml:6 [resources.dg] max_mw: give either sizes_mw or max_mw, not both",
    ),
    "lines without a cost": (
        LEAST + "budget = 1\n[resources.lines]\ndamaged = true",
        "my.toml:3 [resources.lines]: needs cost or cost_per_km (0 if closing a branch is free)",
    ),
    "more circuits than any line has": (
        LEAST + "[[resources.lines.candidates]]\nfrom_bus = 1\nto_bus = 2\nlength_km = 1\n"
        "r_ohm_per_km = 0.1\nx_ohm_per_km = 0.1\nmax_i_ka = 1\ncost = 1\nparallel = 100000",
        "my.toml:10 [resources.lines.candidates[0]] parallel: must be at most 1000, found 100000",
    ),
    "a line without an impedance": (
        LEAST + "[[resources.lines.candidates]]\nfrom_bus = 1\nto_bus = 2\nlength_km = 1e-9\n"
        "r_ohm_per_km = 0.1\nx_ohm_per_km = 0.1\nmax_i_ka = 1\ncost = 1",
        (
            "my.toml:2 [resources.lines.candidates[0]]: x_ohm_per_km times length_km must be at "
            "least 1e-09 ohm"
        ),
    ),
    "a line that is open": (
        LEAST + "[[resources.lines.candidates]]\nfrom_bus = 1\nto_bus = 2\nlength_km = 1\n"
        "r_ohm_per_km = 1e30\nx_ohm_per_km = 0.1\nmax_i_ka = 1\ncost = 1",
        (
            "my.toml:2 [resources.lines.candidates[0]]: r_ohm_per_km times length_km must be at "
            "most 1e+09 ohm"
        ),
    ),
    "branch cost named both ways": (
        LEAST + "budget = 1\n[resources.lines]\ncosts = {5-6 = 1, 6-5 = 2}",
        "my.toml:4 [resources.lines.costs]: branch '6-5' is listed twice",
    ),
    "generator cost given twice": (
        LEAST + "[[costs.generators]]\ngenerator = 2\npolynomial = [1]\n"
        "[[costs.generators]]\ngenerator = 2\npolynomial = [2]",
        "my.toml:2 [costs] generators: generator 2 is listed twice",
    ),
    "hours of the day": (
        LEAST + "[economics]\nhours = [0, 24, 25]",
        "my.toml:3 [economics] hours[0]: must lie in [1, 24], found 0",
        "my.toml:3 [economics] hours[2]: must lie in [1, 24], found 25",
    ),
    "limits the wrong way round": (
        LEAST + "[limits]\nvm_min = 1.1\nvm_max = 0.9",
        "my.toml:4 [limits] vm_max: must lie above vm_min = 1.1, found 0.9",
    ),
    "priorities": (
        LEAST + "[priorities]\nfive = 1\n5 = 0",
        "my.toml:3 [priorities] five: the key must be a bus label (a whole number), found 'five'",
        "my.toml:4 [priorities] 5: must be above 0, found 0",
    ),
    "genetic settings against the population": (
        LEAST + "[genetic]\npopulation = 4\nselected = 5\ntournament_size = 5\nelite = 4\n"
        "mutation_rate = 2",
        "my.toml:4 [genetic] selected: must be at most the population of 4, found 5",
        "my.toml:5 [genetic] tournament_size: must be at most the population of 4, found 5",
        "my.toml:6 [genetic] elite: must be below the population of 4, found 4",
        "my.toml:7 [genetic] mutation_rate: must lie in [0, 1], found 2",
    ),
    "not TOML": (
        LEAST + "budget = ",
        "my.toml:2: not valid TOML: Invalid value...",
    ),
    "not TOML, a key twice": (
        LEAST + "\n" + LEAST,
        "my.toml:3: not valid TOML: Cannot overwrite a value...",
    ),
    "missing CSV, and everything else all the same": (
        LEAST + "budget = -1\n[load]\ncurve = 'day.csv'",
        "my.toml:4 [load] curve: day.csv: cannot be read: No such file or directory",
        "my.toml:2 budget: must be at least 0, found -1",
    ),
    "parent that isn't there, and everything else all the same": (
        "extends = 'ieee8'\nbudget = -1",
        (
            "my.toml:1 extends: 'ieee8': no case file of this name and no built-in case "
            f"({', '.join(builtin_cases())}); did you mean 'ieee9'?"
        ),
        "my.toml:2 budget: must be at least 0, found -1",
    ),
    "itself as parent": (
        "extends = 'my.toml'",
        "my.toml:1 extends: 'my.toml' makes the case extend itself...",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_every_finding_has_its_place(name: str, tmp_path: Path) -> None:
    text, *expected = BAD[name]
    found = findings(tmp_path, text)
    shown = [
        said[: len(wanted) - 3] + "..." if wanted.endswith("...") else said
        for said, wanted in zip(found, expected, strict=False)
    ]
    assert shown + found[len(expected) :] == expected


def test_case_that_is_nowhere() -> None:
    with pytest.raises(InputError, match=r"^ieee90: no case file .*; did you mean 'ieee9'\?$"):
        read_case("ieee90")


def test_text_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_bytes(b'title = "caf\xe9"\n' + LEAST.encode())
    with pytest.raises(InputError, match=r"my.toml: is not UTF-8 text"):
        read_case(tmp_path / "my.toml")


def test_windows_text(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + LEAST.encode() + b'title = """a\nb"""\nbudget = -1\n'
    (tmp_path / "my.toml").write_bytes(text.replace(b"\n", b"\r\n"))
    with pytest.raises(InputError, match=r"my.toml:4 budget"):
        read_case(tmp_path / "my.toml")


CSV = {
    "header": (
        "hour,value\n1,1\n",
        "day.csv:1: the header must be hour,factor, found 'hour,value'",
    ),
    "empty": ("", "day.csv:1: the header must be hour,factor, found ''"),
    "short": (
        "hour,factor\n" + "".join(f"{h},1\n" for h in range(1, 24)),
        "day.csv: must have 24 hours, found 23; missing: 24",
    ),
    "twice": ("hour,factor\n1,1\n1,1\n", "day.csv:3: hour 1 stands here a second time"),
    "range": (
        "hour,factor\n0,1\n",
        "day.csv:2: hour must be a whole number from 1 to 24, found '0'",
    ),
    "text": ("hour,factor\n1,x\n", "day.csv:2: factor must be a number, found 'x'"),
    "cells": ("hour,factor\n\n1,1,1\n", "day.csv:3: must have 2 cells, found 3"),
    "quote": ('hour,factor\n1,"1"x\n', "day.csv:2: is not a CSV table: ',' expected after '\"'"),
}


@pytest.mark.parametrize("name", CSV)
def test_bad_tables(name: str, tmp_path: Path) -> None:
    text, wanted = CSV[name]
    (tmp_path / "day.csv").write_text(text)
    found = findings(tmp_path, LEAST + "[load.classes]\na = 'day.csv'")
    assert found == [f"my.toml:3 [load.classes] a: {wanted}"]


def test_values_out_of_range_stand_in_their_table(tmp_path: Path) -> None:
    rows = [f"{hour},1" for hour in range(24, 0, -1)]
    rows[2] = "22,-1"
    rows[3] = "21,nan"
    (tmp_path / "day.csv").write_text("\n".join(["hour,factor", *rows]))
    assert findings(tmp_path, LEAST + "[load]\ncurve = 'day.csv'") == [
        "day.csv:4 [load] curve[21]: must be at least 0, found -1.0",
        "day.csv:5 [load] curve[20]: must be a finite number, found nan",
    ]


def test_shares_in_a_table(tmp_path: Path) -> None:
    classes = LEAST + f"[load]\nclasses = {{a = [{DAY}]}}\nshares = 'shares.csv'\n"
    (tmp_path / "shares.csv").write_text("class,bus,share\na,5,1\n")
    assert read(tmp_path, classes).load.shares == {5: {"a": 1.0}}
    (tmp_path / "shares.csv").write_text("class,bus,share\na,5,0.5\na,x,1\n")
    assert findings(tmp_path, classes) == [
        "shares.csv:2 [load.shares.5]: the shares must add up to 1, found 0.5",
        "shares.csv:3 [load.shares.x]: the key must be a bus label (a whole number), found 'x'",
    ]
    (tmp_path / "shares.csv").write_text("class,bus,share\na,5,0.5\na,5,0.5\n")
    wanted = "shares.csv:3: bus 5, class 'a' stands here a second time"
    assert findings(tmp_path, classes) == [f"my.toml:4 [load] shares: {wanted}"]


def test_extends_merges_tables_and_replaces_lists(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    base = LEAST + (
        "budget = 3\n[event]\nlines = ['5-6', '8-9']\ngenerators = [2]\n"
        "[resources.lines]\ncost = 1\n[load]\ncurve = 'day.csv'\n"
    )
    rows = [f"{hour},{hour / 24}" for hour in range(1, 25)]
    (tmp_path / "base" / "day.csv").write_text("\n".join(["hour,factor", *rows]))
    (tmp_path / "base" / "case.toml").write_text(base)
    (tmp_path / "middle.toml").write_text("extends = 'base'\nbudget = 4\n")
    case = read(tmp_path, "extends = 'middle.toml'\n[event]\nlines = ['4-5']\n")
    assert case.budget == 4
    assert case.event is not None
    assert (case.event.lines, case.event.generators) == (("4-5",), (2,))
    assert case.load.curve is not None
    assert case.load.curve[11] == 0.5
    assert case.network_path == tmp_path / "base" / "case9"
    where = [
        case.finding(key, "x").place.replace(f"{tmp_path}/", "")
        for key in ("budget", "event.lines[0]", "event.generators[0]", "load.curve[2]", "title")
    ]
    assert where == [
        "middle.toml:2 budget",
        "my.toml:3 [event] lines[0]",
        "base/case.toml:5 [event] generators[0]",
        "base/day.csv:4 [load] curve[2]",
        "my.toml title",
    ]


def test_findings_in_a_parent_name_the_parent(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(LEAST + "budget = -1\n[load]\ncurve = 'no.csv'")
    assert findings(tmp_path, "extends = 'base.toml'\nvalue_of_lost_load = -1") == [
        "base.toml:4 [load] curve: no.csv: cannot be read: No such file or directory",
        "my.toml:2 value_of_lost_load: must be at least 0, found -1",
        "base.toml:2 budget: must be at least 0, found -1",
    ]


def test_circle_of_parents(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("extends = 'my.toml'\n")
    (found,) = findings(tmp_path, "extends = 'other.toml'\n")
    assert found.startswith("other.toml:1 extends: 'my.toml' makes the case extend itself")


@pytest.mark.parametrize(
    ("inherited", "own", "left"),
    [
        (f"classes = {{a = [{DAY}]}}\ndefault_shares = {{a = 1}}", f"curve = [{DAY}]", {"curve"}),
        (f"curve = [{DAY}]", f"classes = {{a = [{DAY}]}}", {"classes"}),
    ],
)
def test_an_alternative_drops_what_was_inherited(
    inherited: str, own: str, left: set[str], tmp_path: Path
) -> None:
    (tmp_path / "base.toml").write_text(f"{LEAST}[load]\nscale = 2\n{inherited}")
    case = read(tmp_path, f"extends = 'base.toml'\n[load]\n{own}")
    assert case.load.model_fields_set == {"scale"} | left


def test_inherited_shares_of_a_bus_are_replaced_as_one(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(
        f"{LEAST}[load.classes]\na = [{DAY}]\nb = [{DAY}]\n"
        "[load.shares]\n5 = {a = 0.5, b = 0.5}\n6 = {a = 0.5, b = 0.5}\n"
    )
    case = read(tmp_path, "extends = 'base.toml'\n[load.shares]\n5 = {a = 1}\n")
    assert case.load.shares == {5: {"a": 1.0}, 6: {"a": 0.5, "b": 0.5}}


def test_objectives_follow_the_dispatch_mode_unless_given(tmp_path: Path) -> None:
    winner = LEAST + "dispatch_mode = 'winner'\n"
    assert read(tmp_path, winner).objectives == ("unserved_peak_mw", "plan_cost")
    given = read(tmp_path, winner + "objectives = [{unserved_mwh = 5000, plan_cost = 1}]")
    assert given.objective_weights == ({"unserved_mwh": 5000.0, "plan_cost": 1.0},)
    plain = read(tmp_path, LEAST + "objectives = ['loss_mwh']")
    assert plain.objective_weights == ({"loss_mwh": 1.0},)


@pytest.mark.parametrize(
    ("written", "branch"),
    [
        ("5-6", BranchRef(5, 6)),
        (" 5 - 6 # 2 ", BranchRef(5, 6, 2)),
        ((5, 6), BranchRef(5, 6)),
        ("line 5-6", "line 5-6"),
        ("5-6#0", "5-6#0"),
        (5, 5),
    ],
)
def test_branch_names(written: str | int | tuple[int, int], branch: BranchRef | str | int) -> None:
    assert parse_branch(written) == branch


def test_branch_ref_is_written_as_it_is_read() -> None:
    assert [str(BranchRef(5, 6)), str(BranchRef(5, 6, 2))] == ["5-6", "5-6#2"]


CLASSES = (
    LEAST + "[load]\nscale = 2\n[load.classes]\n"
    f"home = [{DAY}]\nshop = [{', '.join(['0.25'] * 12 + ['0.75'] * 12)}]\n"
    "[load.shares]\n5 = {home = 0.5, shop = 0.5}\n6 = {shop = 1}\n"
)


def test_horizon_weighs_classes_by_their_shares(tmp_path: Path) -> None:
    profile = "[resources.dg]\nprofile = [" + ", ".join(["0"] * 23 + ["1"]) + "]\n"
    horizon = read(tmp_path, CLASSES + profile).horizon([4, 6, 5], load_buses=[5, 6])
    assert horizon.load_factor.shape == (24, 3)
    assert horizon.load_factor[0].tolist() == [2.0, 0.5, 2 * (0.5 * 0.5 + 0.5 * 0.25)]
    assert horizon.load_factor[18].tolist() == [2.0, 1.5, 2 * (0.5 * 1 + 0.5 * 0.75)]
    assert horizon.dg_profile.tolist() == [0.0] * 23 + [1.0]
    assert horizon.hours.tolist() == list(range(1, 25))
    assert horizon.dt_h == 1.0
    assert horizon.peak([0, 0, 3]) == 18
    assert horizon.peak([0, 3, 0]) == 12
    with pytest.raises(ValueError, match="read-only"):
        horizon.load_factor[0, 0] = 1


def test_horizon_names_buses_that_are_missing_and_loads_without_shares(tmp_path: Path) -> None:
    case = read(tmp_path, CLASSES)
    with pytest.raises(InputError) as caught:
        case.horizon([4, 5], load_buses=[4, 5])
    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines() == [
        "my.toml:7 [load.shares] 4: bus 4 has load but no share of any class; add default_shares",
        "my.toml:9 [load.shares.6]: bus 6 is not in the network",
    ]
    default = read(tmp_path, CLASSES + "[load.default_shares]\nshop = 1\n")
    assert default.horizon([4, 5, 6]).load_factor[0, 0] == 0.5


def test_one_class_needs_no_shares(tmp_path: Path) -> None:
    case = read(tmp_path, LEAST + f"[load.classes]\nhome = [{DAY}]\n")
    assert case.horizon([7]).load_factor[:, 0].tolist() == [0.5] * 18 + [1] + [0.5] * 5


def test_dg_cost_polynomial(tmp_path: Path) -> None:
    for written, polynomial in (
        ("operating_cost_per_mwh = 7", (0, 7)),
        ("operating_cost = [1, 2, 3]", (1, 2, 3)),
    ):
        case = read(tmp_path, LEAST + "[resources.dg]\n" + written)
        assert case.resources.dg.cost_polynomial == polynomial


def test_case_is_frozen_and_survives_pickling(tmp_path: Path) -> None:
    case = read(tmp_path, CLASSES)
    again = pickle.loads(pickle.dumps(case))  # noqa: S301
    assert again == case
    assert again.finding("load.scale", "x") == case.finding("load.scale", "x")
    with pytest.raises(ValueError, match="frozen"):
        case.budget = 3  # type: ignore[misc]


def test_a_broken_table_causes_no_further_findings(tmp_path: Path) -> None:
    text = LEAST + "[load]\nclasses = {a = 'no.csv'}\nshares = {5 = {a = 1}}"
    (found,) = findings(tmp_path, text)
    assert found.startswith("my.toml:3 [load.classes] a: no.csv: cannot be read")
