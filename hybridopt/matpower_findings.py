"""What is wrong with a MATPOWER case, each finding with its line.

Column names are MATPOWER's (its manual, appendix B).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybridopt.matpower_costs import check_costs

if TYPE_CHECKING:
    from hybridopt.matpower import MatpowerFile, Table

_NAMES = {
    "bus": "BUS_I TYPE PD QD GS BS AREA VM VA BASE_KV ZONE VMAX VMIN",
    "gen": "GEN_BUS PG QG QMAX QMIN VG MBASE GEN_STATUS PMAX PMIN PC1 PC2 QC1MIN QC1MAX QC2MIN "
    "QC2MAX RAMP_AGC RAMP_10 RAMP_30",
    "branch": "F_BUS T_BUS BR_R BR_X BR_B RATE_A RATE_B RATE_C TAP SHIFT BR_STATUS ANGMIN ANGMAX",
    "gencost": "MODEL STARTUP SHUTDOWN NCOST",
}
COLUMNS = {table: names.split() for table, names in _NAMES.items()}
LEAST = {"bus": 13, "gen": 10, "branch": 11, "gencost": 5}
# Columns in use; those of the second list may be infinite.
USED = {
    "bus": ("BUS_I TYPE PD QD GS BS BASE_KV VMAX VMIN", ""),
    "gen": ("GEN_BUS PG QG VG GEN_STATUS", "PMAX PMIN QMAX QMIN"),
    "branch": ("F_BUS T_BUS BR_R BR_X BR_B TAP SHIFT BR_STATUS", "RATE_A ANGMIN ANGMAX"),
    "gencost": ("MODEL NCOST", ""),
}
IGNORED = {"version", "baseMVA", "areas", "bus_name", "branch_name", "gen_name", "genfuel"}
IGNORED |= {"gentype", "name", "casename", "source", "dclinecost"}
ISOLATED = 4


def column(table: Table, kind: str, name: str, default: float = 0.0) -> np.ndarray:
    """A column of a table, the default where the file leaves it out: (n_row,)."""
    k = COLUMNS[kind].index(name)
    if k >= table.rows.shape[1]:
        return np.full(len(table.rows), default)
    return np.asarray(table.rows[:, k])


def check_matpower(file: MatpowerFile) -> None:
    """Add a finding for everything that is wrong with what a file assigns."""
    _check_scalars(file)
    _check_other_tables(file)
    sound = {kind for kind in COLUMNS if _is_table(file, kind)}
    for kind in COLUMNS:
        if kind in sound:
            _check_numbers(file, kind)
    # Rows that cannot be read have their finding: what is said about values leaves them out.
    broken = {int(finding.place.rpartition(":")[2]) for finding in file.findings}
    known = None
    if "bus" in sound:
        _check_buses(file, broken)
        if broken.isdisjoint(file.tables["bus"].row_line):
            known = column(file.tables["bus"], "bus", "BUS_I")
    if "gen" in sound:
        _check_gens(file, broken, known)
    if "branch" in sound:
        _check_branches(file, broken, known)
    if "gencost" in sound:
        n_gen = len(file.tables["gen"].rows) if "gen" in sound else None
        check_costs(file, broken, n_gen)
    if known is not None and {"gen", "branch"} <= sound:
        _check_isolated(file, broken)


def _check_scalars(file: MatpowerFile) -> None:
    version = file.texts.get("version", str(file.numbers.get("version", "")))
    if "version" not in file.lines:
        message = "mpc.version is missing: only version '2' of MATPOWER's format is read"
        file.note(file.last_line, message)
    elif version not in {"2", "2.0"}:
        file.note(file.lines["version"], f"mpc.version must be '2', found {version!r}")
    base = file.numbers.get("baseMVA")
    if "baseMVA" not in file.lines:
        file.note(file.last_line, "mpc.baseMVA is missing")
    elif base is None or not (np.isfinite(base) and base > 0):
        file.note(file.lines["baseMVA"], f"mpc.baseMVA must be a number above 0, found {base}")


def _check_other_tables(file: MatpowerFile) -> None:
    """Refuse what would change the problem and is not modelled."""
    for name, line in file.lines.items():
        if name in IGNORED or name in COLUMNS:
            continue
        table = file.tables.get(name)
        if table is not None and not len(table.rows):
            continue
        if name == "dcline" and table is not None and table.rows.shape[1] > 2:
            for row, at in zip(table.rows, table.row_line, strict=True):
                if row[2] != 0:
                    file.note(at, "mpc.dcline: a DC line in service, which is not modelled")
        else:
            file.note(line, f"mpc.{name} is not modelled; remove it to go on without it")


def _is_table(file: MatpowerFile, kind: str) -> bool:
    """Whether a table is there with the columns that it must have."""
    table = file.tables.get(kind)
    if kind not in file.lines:
        file.note(file.last_line, f"the file ends, and has no mpc.{kind}: is it cut off?")
    elif table is None:
        if kind in file.numbers or kind in file.texts or kind in file.names:
            file.note(file.lines[kind], f"mpc.{kind} must be a table")
    elif not len(table.rows):
        file.note(table.line, f"mpc.{kind} is empty")
    elif table.rows.shape[1] < LEAST[kind]:
        width = table.rows.shape[1]
        file.note(table.line, f"mpc.{kind} has {width} columns, version 2 has {LEAST[kind]}")
    else:
        return True
    return False


def _check_numbers(file: MatpowerFile, kind: str) -> None:
    """NaN, and infinite values where they mean nothing."""
    table = file.tables[kind]
    noted = {finding.place for finding in file.findings}
    finite, open_ended = (names.split() for names in USED[kind])
    for name in (*finite, *open_ended):
        values = column(table, kind, name)
        wrong = np.isnan(values) if name in open_ended else ~np.isfinite(values)
        for k in np.flatnonzero(wrong):
            if f"{file.source}:{table.row_line[k]}" not in noted:
                file.note(table.row_line[k], f"mpc.{kind}: {name} is {values[k]}, not a number")


def _rows(
    file: MatpowerFile,
    kind: str,
    broken: set[int],
    wrong: np.ndarray,
    message: str,
    *names: str,
) -> None:
    """Note a finding at each wrong row; ``{}`` in the message takes the named columns."""
    table = file.tables[kind]
    for k in np.flatnonzero(wrong):
        if table.row_line[k] not in broken:
            values = [f"{column(table, kind, name)[k]:g}" for name in names]
            file.note(table.row_line[k], f"mpc.{kind}: {message.format(*values)}")


def _check_buses(file: MatpowerFile, broken: set[int]) -> None:
    bus = file.tables["bus"]
    number, kind = column(bus, "bus", "BUS_I"), column(bus, "bus", "TYPE")
    bad = (number < 1) | (number != np.round(number))
    _rows(
        file,
        "bus",
        broken,
        bad,
        "the number of a bus must be whole and positive, found {}",
        "BUS_I",
    )
    _, first = np.unique(number, return_index=True)
    again = np.ones(len(number), dtype=bool)
    again[first] = False
    _rows(file, "bus", broken, again, "bus {} stands twice in the table", "BUS_I")
    message = "TYPE of bus {} must be 1, 2, 3 or 4, found {}"
    _rows(file, "bus", broken, ~np.isin(kind, (1, 2, 3, 4)), message, "BUS_I", "TYPE")
    low, high = column(bus, "bus", "VMIN"), column(bus, "bus", "VMAX")
    message = "VMIN {1} of bus {0} lies above VMAX {2}"
    _rows(file, "bus", broken, low > high, message, "BUS_I", "VMIN", "VMAX")
    negative = column(bus, "bus", "BASE_KV") < 0
    _rows(file, "bus", broken, negative, "BASE_KV of bus {} is negative: {}", "BUS_I", "BASE_KV")


def _check_gens(file: MatpowerFile, broken: set[int], known: np.ndarray | None) -> None:
    gen = file.tables["gen"]
    if known is not None:
        missing = ~np.isin(column(gen, "gen", "GEN_BUS"), known)
        _rows(file, "gen", broken, missing, "there is no bus {} for the generator", "GEN_BUS")
    on = column(gen, "gen", "GEN_STATUS") > 0
    for low, high in (("PMIN", "PMAX"), ("QMIN", "QMAX")):
        crossed = on & (column(gen, "gen", low) > column(gen, "gen", high))
        message = f"{low} {{1}} of the generator at bus {{0}} lies above {high} {{2}}"
        _rows(file, "gen", broken, crossed, message, "GEN_BUS", low, high)
    zero = on & (column(gen, "gen", "VG") <= 0)
    _rows(file, "gen", broken, zero, "VG at bus {} must be above 0, found {}", "GEN_BUS", "VG")
    slanted = on & (column(gen, "gen", "PC1") != column(gen, "gen", "PC2"))
    message = "a capability curve (PC1 {1}, PC2 {2}) at bus {0} is not modelled; set both to 0"
    _rows(file, "gen", broken, slanted, message, "GEN_BUS", "PC1", "PC2")


def _check_branches(file: MatpowerFile, broken: set[int], known: np.ndarray | None) -> None:
    branch = file.tables["branch"]
    at = {name: column(branch, "branch", name) for name in COLUMNS["branch"]}
    for end in ("F_BUS", "T_BUS"):
        message = f"there is no bus {{1}} for branch {{0}}-{{1}} ({end})"
        names = ("T_BUS", "F_BUS") if end == "F_BUS" else ("F_BUS", "T_BUS")
        if known is not None:
            _rows(file, "branch", broken, ~np.isin(at[end], known), message, *names)
    ends = ("F_BUS", "T_BUS")
    loop = at["F_BUS"] == at["T_BUS"]
    _rows(file, "branch", broken, loop, "branch {}-{} begins and ends at one bus", *ends)
    zero = (at["BR_R"] == 0) & (at["BR_X"] == 0)
    message = "branch {}-{} has no impedance (BR_R and BR_X are 0); make its ends one bus"
    _rows(file, "branch", broken, zero, message, *ends)
    status = ~np.isin(at["BR_STATUS"], (0, 1))
    _rows(
        file,
        "branch",
        broken,
        status,
        "BR_STATUS of {}-{} must be 0 or 1, found {}",
        *ends,
        "BR_STATUS",
    )
    _rows(file, "branch", broken, at["TAP"] < 0, "TAP of {}-{} is negative: {}", *ends, "TAP")
    message = "RATE_A of {}-{} is negative: {}"
    _rows(file, "branch", broken, at["RATE_A"] < 0, message, *ends, "RATE_A")
    message = "ANGMIN {2} of branch {0}-{1} lies above ANGMAX {3}"
    _rows(file, "branch", broken, at["ANGMIN"] > at["ANGMAX"], message, *ends, "ANGMIN", "ANGMAX")


def _check_isolated(file: MatpowerFile, broken: set[int]) -> None:
    """Buses that nothing connects, and equipment in service at buses said to be isolated."""
    bus, gen, branch = (file.tables[kind] for kind in ("bus", "gen", "branch"))
    number = column(bus, "bus", "BUS_I")
    off = column(bus, "bus", "TYPE") == ISOLATED
    closed = column(branch, "branch", "BR_STATUS") == 1
    ends = np.array([column(branch, "branch", e) for e in ("F_BUS", "T_BUS")])
    alone = ~off & ~np.isin(number, ends[:, closed]) & (len(number) > 1)
    message = "bus {} is isolated: no branch in service connects it; TYPE 4 leaves it out"
    _rows(file, "bus", broken, alone, message, "BUS_I")
    message = "bus {} is isolated (TYPE 4), but has a load or shunt; set both to 0, or TYPE to 1"
    used = (bus.rows[:, 2:6] != 0).any(axis=1)
    _rows(file, "bus", broken, off & used, message, "BUS_I")
    at_off = np.isin(column(gen, "gen", "GEN_BUS"), number[off])
    message = "the generator at bus {} is in service, the bus is not (TYPE 4)"
    running = column(gen, "gen", "GEN_STATUS") > 0
    _rows(file, "gen", broken, at_off & running, message, "GEN_BUS")
    touching = np.isin(ends, number[off]).any(axis=0) & closed
    message = "branch {}-{} is in service, but ends at a bus that is not (TYPE 4)"
    _rows(file, "branch", broken, touching, message, "F_BUS", "T_BUS")
