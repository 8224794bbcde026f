"""The doctor finds what is missing and names the command that mends it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pyomo.common import fileutils
from pyomo.contrib.pynumero.asl import AmplInterface

from hybridopt import doctor
from hybridopt.doctor import Check
from hybridopt.solvers import available, install


def by_name() -> dict[str, Check]:
    return {check.name: check for check in doctor.checks()}


def use_asl(monkeypatch: pytest.MonkeyPatch, library: Path) -> None:
    """Let this file be the environment's ASL library, and no other be found."""
    monkeypatch.setattr(doctor, "asl_library", lambda: library)
    monkeypatch.setattr(available, "asl_library", lambda: library)
    monkeypatch.setattr(fileutils, "find_library", lambda name: None)
    monkeypatch.setattr(AmplInterface, "libname", None)


def test_this_environment_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert [check for check in doctor.checks() if not check.ok] == []
    assert doctor.doctor() == 0
    printed = capsys.readouterr().out
    assert "To mend it" not in printed
    for part in ("Ipopt", "MUMPS", "Pyomo", "pandapower", "DEAP", "numba", "pandas", "cyipopt"):
        assert part in printed
    assert re.search(r"HiGHS +1\.\d", printed)


def test_ipopt_is_the_one_that_runs() -> None:
    version = by_name()["Ipopt"].found.split(".")
    assert tuple(map(int, version)) >= (3, 14)


def test_missing_cyipopt_is_reported_not_raised() -> None:
    # A fresh process: nothing that `import hybridopt` brings may need cyipopt either.
    code = "import sys; sys.modules['cyipopt'] = None; from hybridopt.doctor import doctor; "
    process = subprocess.run(
        [sys.executable, "-c", code + "sys.exit(doctor())"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    assert process.returncode == 1
    assert "Traceback" not in process.stdout + process.stderr
    assert f"{sys.executable} -m hybridopt.solvers.install" in process.stdout


def test_missing_asl_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_asl(monkeypatch, tmp_path / "missing.so")
    found = by_name()
    assert not found["ASL library"].ok
    assert found["ASL library"].mend.endswith("-m hybridopt.solvers.install")
    assert not found["test solve"].ok
    assert found["Ipopt"].ok, "cyipopt alone still knows its Ipopt"
    assert doctor.doctor() == 1
    # The same command mends both parts and is printed once.
    assert capsys.readouterr().out.count(f"{sys.executable} -m hybridopt") == 1


def test_broken_asl_library_is_built_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken.so"
    broken.write_text("not a library")
    use_asl(monkeypatch, broken)
    check = by_name()["ASL library"]
    assert not check.ok
    assert check.mend.endswith("--force")


def test_old_ipopt_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MIN_IPOPT", (99, 0))
    check = by_name()["Ipopt"]
    assert not check.ok
    assert "99.0 is needed" in check.found


def test_wrong_version_of_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "version", lambda name: "3.0.0" if name == "pandas" else "6.8")
    check = by_name()["pandas"]
    assert not check.ok
    assert "pip install" in check.mend
    assert "<3" in check.mend


@pytest.mark.parametrize(("name", "module"), [("DEAP", "deap"), ("HiGHS", "highspy")])
def test_absent_package(monkeypatch: pytest.MonkeyPatch, name: str, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    check = by_name()[name]
    assert not check.ok
    assert f"{module}>=" in check.mend


def test_conda_gets_condas_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    use_asl(monkeypatch, tmp_path / "missing.so")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert by_name()["ASL library"].mend.startswith("conda install")


# Set-up


def test_library_lies_inside_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert install.asl_library().parent == tmp_path / "lib" / "hybridopt"
    condas = tmp_path / "lib" / install.ASL_NAME
    condas.parent.mkdir()
    condas.touch()
    assert install.asl_library() == condas


def test_nothing_is_installed_when_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "missing_packages", list)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("ran a command"))
    install.install_packages()


def test_missing_tools_become_package_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install.shutil, "which", lambda _: None)
    monkeypatch.setattr(install.importlib.util, "find_spec", lambda _: None)
    venv = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    assert {"g++", "pkg-config", venv} <= set(install.missing_packages())


@pytest.mark.parametrize("tool", ["apt-get", "sudo"])
def test_without_apt_or_sudo_the_packages_are_named(
    monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    monkeypatch.setattr(install, "missing_packages", lambda: ["g++"])
    monkeypatch.setattr(install.shutil, "which", lambda name: None if name == tool else name)
    monkeypatch.setattr(install.os, "geteuid", lambda: 1000)
    with pytest.raises(install.InstallError, match=r"g\+\+"):
        install.install_packages()


@pytest.mark.parametrize(("at_terminal", "expected"), [(True, ["sudo"]), (False, ["sudo", "-n"])])
def test_sudo_waits_for_a_password_only_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, at_terminal: bool, expected: list[str]
) -> None:
    ran: list[list[str]] = []

    def record(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(install, "missing_packages", lambda: ["g++"])
    monkeypatch.setattr(install.shutil, "which", lambda name: name)
    monkeypatch.setattr(install.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"isatty": lambda _: at_terminal})())
    monkeypatch.setattr(subprocess, "run", record)
    install.install_packages()
    assert [c[: len(expected)] for c in ran] == [expected, expected]
    assert all("DEBIAN_FRONTEND=noninteractive" in c for c in ran)
    assert "-n" in ran[0] or at_terminal
    assert ran[1][-2:] == ["g++", "-qq"]


def test_finished_environment_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(install, "run", lambda command, environment=None: commands.append(command))
    install.make_venv(tmp_path)
    assert commands[0][-2:] == ["--clear", str(tmp_path)]
    (tmp_path / "ready").touch()
    install.make_venv(tmp_path)
    assert len(commands) == 1
