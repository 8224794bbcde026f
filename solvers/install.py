"""Install what pip cannot: a current Ipopt under cyipopt, and PyNumero's ASL library.

``python3 solvers/install.py --venv .venv`` prepares the system and an empty environment.
``python -m hybridopt.solvers.install`` (or this file, run by the environment's Python) then
builds both libraries inside the environment it runs in.

Only the standard library is imported: the first call comes before anything is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

MIN_PYTHON = (3, 11)
MIN_IPOPT = (3, 14)

# The casadi wheel is the one package that carries Ipopt 3.14 together with its headers
# (Debian's own Ipopt, 3.11, takes twice the time). hybridopt never imports casadi.
IPOPT_WHEEL = "casadi>=3.7,<4"
CYIPOPT = "cyipopt>=1.5,<2"

CONDA_INSTALL = "conda install --channel conda-forge cyipopt pynumero_libraries"

ASL_HEADERS = Path("/usr/include/ampl-netlib-solvers")
ASL_NAME = "libpynumero_ASL" + (".dylib" if sys.platform == "darwin" else ".so")

CYIPOPT_PROBE = f"import cyipopt; raise SystemExit(cyipopt.IPOPT_VERSION < {MIN_IPOPT})"
ASL_PROBE = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"


class InstallError(Exception):
    """Something is missing that this script cannot bring; the message says what to do."""


def asl_library() -> Path:
    """Return where this environment keeps PyNumero's ASL library, present or not.

    Our own build lies in ``lib/hybridopt``; conda puts its package into ``lib``.
    """
    conda = Path(sys.prefix) / "lib" / ASL_NAME
    return conda if conda.exists() else conda.parent / "hybridopt" / ASL_NAME


def missing_packages() -> list[str]:
    """Return the Debian packages that the set-up needs and this machine lacks."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    needs = {
        "g++": shutil.which("g++"),
        "pkg-config": shutil.which("pkg-config"),
        "libamplsolver-dev": (ASL_HEADERS / "asl.h").exists(),
        f"{version}-dev": header.exists(),
        f"{version}-venv": importlib.util.find_spec("ensurepip"),
    }
    return [package for package, found in needs.items() if not found]


def install_packages() -> None:
    """Install the missing Debian packages, without asking anything."""
    missing = missing_packages()
    if not missing:
        return
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300"]
    install = [*apt, "install", "-y", "--no-install-recommends", *missing]
    by_hand = f"run this as root, then try again: apt-get install {' '.join(missing)}"
    if not shutil.which("apt-get"):
        raise InstallError(
            f"apt-get is not here to install {' '.join(missing)} (Debian's names);\n"
            "on other systems use conda with environment.yml"
        )
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise InstallError(by_hand)
        # At a terminal sudo may ask for a password; anywhere else it must not wait for one.
        sudo = ["sudo"] if sys.stdin.isatty() else ["sudo", "-n"]
        apt, install = [*sudo, *apt], [*sudo, *install]
    print("system packages:", *missing, flush=True)
    # One broken third-party source fails an update whose other lists are fine.
    subprocess.run([*apt, "update", "-qq"], stdin=subprocess.DEVNULL, check=False)
    if subprocess.run([*install, "-qq"], stdin=subprocess.DEVNULL, check=False).returncode:
        raise InstallError(by_hand)


def make_venv(venv: Path) -> None:
    """Make an empty environment, unless a finished one is there (it holds a file ``ready``)."""
    if (venv / "ready").exists():
        return
    print(f"environment: {venv}", flush=True)
    run([sys.executable, "-m", "venv", "--clear", str(venv)])


def install_cyipopt() -> None:
    """Build cyipopt against the Ipopt in the casadi wheel."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, IPOPT_WHEEL])
    spec = importlib.util.find_spec("casadi")
    if spec is None or spec.origin is None:
        raise InstallError("casadi was installed but is not found; try: make setup")
    with tempfile.TemporaryDirectory() as folder:
        # The link keeps spaces in the environment's path away from pkg-config.
        casadi = Path(folder) / "casadi"
        casadi.symlink_to(Path(spec.origin).parent, target_is_directory=True)
        (Path(folder) / "ipopt.pc").write_text(
            "Name: ipopt\nDescription: Ipopt of the casadi wheel\nVersion: 3.14\n"
            f"Cflags: -I{casadi}/include/coin-or\nLibs: -L{casadi} -lipopt\n"
        )
        build = os.environ | {
            "PKG_CONFIG_PATH": folder,
            # The compiled module finds Ipopt in the folder casadi, wherever the environment
            # is: it lies in the folder cyipopt, before version 1.7 beside it.
            "LDFLAGS": "-Wl,-rpath,$ORIGIN/../casadi -Wl,-rpath,$ORIGIN/casadi",
        }
        # No cache: a wheel kept there may have been linked to another Ipopt.
        run(
            [
                *pip,
                "--no-cache-dir",
                "--no-binary",
                "cyipopt",
                "--force-reinstall",
                "--no-deps",
                CYIPOPT,
            ],
            build,
        )


def install_asl() -> None:
    """Compile PyNumero's ASL library from the source in the Pyomo package."""
    spec = importlib.util.find_spec("pyomo")
    if spec is None or spec.origin is None:
        raise InstallError("Pyomo is missing; first: pip install hybridopt")
    source = Path(spec.origin).parent / "contrib/pynumero/src/AmplInterface.cpp"
    library = asl_library()
    library.parent.mkdir(parents=True, exist_ok=True)
    # Renamed only when complete, so an interrupted build leaves no half library behind.
    unfinished = library.with_suffix(".unfinished")
    compile_shared = ["g++", "-O2", "-shared", "-fPIC", "-DBUILDING_PYNUMERO_ASL"]
    files = [f"-I{ASL_HEADERS}", str(source), "-o", str(unfinished), "-lamplsolver"]
    run([*compile_shared, *files])
    unfinished.replace(library)


def run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run a command; its failure ends the set-up with the command's name."""
    if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode:
        raise InstallError(f"this command failed: {shlex.join(command)}")


def works(probe: str, *arguments: str) -> bool:
    """Tell whether a line of Python succeeds in a fresh process."""
    command = [sys.executable, "-c", probe, *arguments]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def install_libraries(force: bool) -> None:
    """Build what is missing in the environment this runs in, or all of it anew."""
    cyipopt_works = not force and works(CYIPOPT_PROBE)
    asl_works = not force and works(ASL_PROBE, str(asl_library()))
    if cyipopt_works and asl_works:
        return
    if sys.prefix == sys.base_prefix:
        raise InstallError(
            "run this with the Python of a virtual environment (make setup makes one);\n"
            f"in conda: {CONDA_INSTALL}"
        )
    install_packages()
    if not cyipopt_works:
        print("building cyipopt on Ipopt 3.14", flush=True)
        install_cyipopt()
        if not works(CYIPOPT_PROBE):
            raise InstallError("cyipopt was built but does not load Ipopt 3.14")
    if not asl_works:
        print("building PyNumero's ASL library", flush=True)
        install_asl()
        if not works(ASL_PROBE, str(asl_library())):
            raise InstallError(f"{asl_library()} was built but does not load")


def main() -> int:
    """Prepare system and environment (``--venv``), or build the libraries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venv", type=Path, help="install system packages, make this environment")
    parser.add_argument("--force", action="store_true", help="build both libraries anew")
    arguments = parser.parse_args()
    try:
        if sys.version_info < MIN_PYTHON:
            found = ".".join(map(str, sys.version_info[:3]))
            raise InstallError(f"Python {found} is too old; try: make PYTHON=python3.12 setup")
        if arguments.venv:
            install_packages()
            make_venv(arguments.venv)
        else:
            install_libraries(arguments.force)
    except InstallError as error:
        print(f"hybridopt set-up: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
