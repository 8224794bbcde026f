"""Conversions at the end of MATPOWER's distribution cases: ohms to per unit, kW to MW.

A case file is a program. Of programs exactly the statements of MATPOWER's own feeders (case33bw,
case69, case118zh, case141, ...) are known here; anything else stays a finding of the reader.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from hybridopt.matpower_findings import column

if TYPE_CHECKING:
    from hybridopt.matpower import MatpowerFile

CONSTANTS = re.compile(r"\[[A-Z0-9_,]+\]=idx_(bus|brch|gen|cost)|define_constants")
FACTOR = re.compile(r"pf=(0?\.\d+|1)")
BASES = {"Vbase=mpc.bus(1,BASE_KV)*1e3", "Sbase=mpc.baseMVA*1e6"}
OHMS = "mpc.branch(:,[BR_RBR_X])=mpc.branch(:,[BR_RBR_X])/(Vbase^2/Sbase)"
KILOWATTS = "mpc.bus(:,[PDQD])=mpc.bus(:,[PDQD])/1e3"
REACTIVE = "mpc.bus(:,QD)=mpc.bus(:,PD)*sin(acos(pf))"
ACTIVE = "mpc.bus(:,PD)=mpc.bus(:,PD)*pf"


def convert(file: MatpowerFile, piece: str) -> bool:
    """Do what a statement says if it is one of those known; whether it is."""
    text = "".join(piece.split()).rstrip(";,").replace(",QD]", "QD]").replace(",BR_X]", "BR_X]")
    factor = FACTOR.fullmatch(text)
    if factor is not None:
        file.formulas["pf"] = float(factor[1])
    elif text in BASES:
        file.formulas[text[:5]] = 1.0
    elif text == OHMS and {"Vbase", "Sbase"} <= file.formulas.keys():
        _per_unit(file)
    elif text == KILOWATTS:
        _scale(file, "PD QD", 1e-3)
    elif text == REACTIVE and "pf" in file.formulas and "bus" in file.tables:
        bus = file.tables["bus"]
        column(bus, "bus", "QD")[:] = column(bus, "bus", "PD")
        _scale(file, "QD", math.sin(math.acos(file.formulas["pf"])))
    elif text == ACTIVE and "pf" in file.formulas:
        _scale(file, "PD", file.formulas["pf"])
    else:
        return CONSTANTS.fullmatch(text) is not None
    return True


def _per_unit(file: MatpowerFile) -> None:
    """Ohms to per unit of the first bus's voltage."""
    branch, bus, base = (file.tables.get("branch"), file.tables.get("bus"), file.numbers)
    if branch is None or bus is None or not len(bus.rows) or not base.get("baseMVA"):
        return  # which is a finding already
    ohm = float(column(bus, "bus", "BASE_KV")[0]) ** 2 / base["baseMVA"]
    if ohm > 0:
        for name in ("BR_R", "BR_X"):
            values = column(branch, "branch", name)
            values /= ohm


def _scale(file: MatpowerFile, names: str, factor: float) -> None:
    if "bus" in file.tables:
        for name in names.split():
            values = column(file.tables["bus"], "bus", name)
            values *= factor
