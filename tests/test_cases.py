import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from hybridopt.case import Case, read_case
from hybridopt.case_findings import models_in
from hybridopt.case_json import json_schema
from hybridopt.case_schema import CaseFile
from hybridopt.cases import builtin_cases, case_file, template
from hybridopt.errors import InputError

# Table 7 of the paper, MW.
IEEE9_LOAD = [
    *(102.375, 94.5, 78.75, 78.75, 102.375, 141.75, 157.5, 126, 126, 102.375, 126, 126),
    *(110.25, 126, 126, 126, 157.5, 299.25, 315, 247.275, 247.275, 236.25, 157.5, 110.25),
]


def keys_of(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        for below in models_in(field.annotation):
            yield from keys_of(below)


@pytest.mark.parametrize("name", builtin_cases())
def test_builtin_case_reads_and_has_a_readme(name: str) -> None:
    case = read_case(name)
    assert case.name == name
    assert case.title
    assert case.file == case_file(name)
    assert (case_file(name).parent / "README.md").is_file()


def test_studies_of_the_paper_are_built_in() -> None:
    assert {"ieee9", "ieee30", "ieee9_cheapest", "ieee30_cheapest"} <= builtin_cases().keys()


def test_ieee9_load_is_the_printed_one() -> None:
    horizon = read_case("ieee9").horizon(range(1, 10))
    assert horizon.load_factor @ np.full(9, 35.0) == pytest.approx(IEEE9_LOAD, abs=1e-9)
    assert horizon.peak(np.ones(9)) == 18


def test_ieee30_classes_share_one_peak_at_which_the_load_is_the_networks_own() -> None:
    case = read_case("ieee30")
    factor = case.horizon(range(1, 31)).load_factor
    assert (factor[18] == 1.0).all()
    assert (np.delete(factor, 18, axis=0) < 1.0).all()
    for curve in case.load.classes.values():
        assert curve[18] == max(curve) == 1.0


@pytest.mark.parametrize("name", ["ieee9", "ieee30"])
def test_cheapest_differs_in_title_and_objectives_only(name: str) -> None:
    case, cheapest = read_case(name), read_case(f"{name}_cheapest")
    differ = {key for key in CaseFile.model_fields if getattr(case, key) != getattr(cheapest, key)}
    assert differ == {"extends", "title", "objectives"}
    assert case.objectives == ("unserved_mwh", "operating_cost")
    assert cheapest.objectives == ("unserved_mwh", "plan_cost")


def test_shares_in_the_readme_are_those_in_the_table() -> None:
    shares = read_case("ieee30").load.shares
    names = ("residential", "industrial", "commercial")
    text = (case_file("ieee30").parent / "README.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (\d+) \| [\d.]+ \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", text, re.MULTILINE
    )
    assert {int(bus): tuple(map(float, row)) for bus, *row in rows} == {
        bus: tuple(given[name] for name in names) for bus, given in shares.items()
    }


def test_published_json_schema_is_current() -> None:
    published = (case_file("ieee9").parents[1] / "case.schema.json").read_text(encoding="utf-8")
    assert published == json_schema()


def test_json_schema_has_every_key_and_asks_for_no_network_in_an_extension() -> None:
    schema = json.loads(json_schema())
    known = set(schema["properties"])
    for table in schema["$defs"].values():
        known |= set(table["properties"])
        assert table["additionalProperties"] is False
    assert known == set(keys_of(CaseFile))
    assert "required" not in schema
    assert '"null"' not in json_schema()


def read_template(folder: Path, text: str) -> Case:
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    return read_case(folder / "mine.toml")


def test_template_is_a_case(tmp_path: Path) -> None:
    case = read_template(tmp_path, template())
    assert case.event is not None
    assert case.resources.offer_any


def test_template_shows_every_key() -> None:
    shown = set(re.findall(r"^#?([a-z_]+) = ", template(), re.MULTILINE))
    shown |= {
        part
        for key in re.findall(r"^#?\[+([a-z_.]+)", template(), re.MULTILINE)
        for part in key.split(".")
    }
    assert shown == set(keys_of(CaseFile))


SETTINGS = re.findall(r"^#([a-z_\d]+ = .*)$", template(), re.MULTILINE)
TABLES = re.findall(r"^#\[+[a-z_.]+\]+$(?:\n#.*)+", template(), re.MULTILINE)
IN_A_TABLE = {line.removeprefix("#") for table in TABLES for line in table.splitlines()}


@pytest.mark.parametrize("setting", [line for line in SETTINGS if line not in IN_A_TABLE] + TABLES)
def test_every_commented_setting_of_the_template_can_be_used(setting: str, tmp_path: Path) -> None:
    text = template().replace(f"#{setting}\n", f"{setting}\n")
    if setting in TABLES:
        text = template().replace(setting, re.sub("^#", "", setting, flags=re.MULTILINE))
    assert text != template()
    try:
        read_template(tmp_path, text)
    except InputError as error:
        # An example of an alternative stands beside what it replaces or needs.
        for finding in error.findings:
            assert re.search("give either|cannot be read|has no curve", finding.message), finding


def test_values_shown_as_defaults_are_the_defaults(tmp_path: Path) -> None:
    """Every commented setting that isn't named here changes nothing when it is used."""
    examples = {
        *("5", "vm_min", "vm_max", "branch_limit", "cost_per_km", "costs", "operating_cost"),
        *("max_mw", "sizes_mw", "profile", "penetration_limit", "classes", "shares"),
        *("default_shares", "selected", "stall_generations", "max_wall_s", "extends"),
        *("ratings", "generators", "time_limit_s", "max_evaluations", "ramps"),
        *("2", "import_price", "log_file", "valve_point", "prohibited_mw"),
    }
    lines = [line for line in SETTINGS if line not in IN_A_TABLE]
    text = template()
    for line in lines:
        if line.split(" = ")[0] not in examples:
            text = text.replace(f"#{line}\n", f"{line}\n")
    used, plain = read_template(tmp_path, text), read_template(tmp_path, template())
    assert used.model_fields_set > plain.model_fields_set
    assert used.model_dump() == plain.model_dump()
