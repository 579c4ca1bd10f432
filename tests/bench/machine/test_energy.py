"""Energy of the processor: counters of a made-up machine."""

from bench.machine.energy import PackageEnergy


def package(root, number, microjoules, most=10**9):
    """Writes the counter of a package, with a part of it that must not be counted twice."""
    for name in (f"intel-rapl:{number}", f"intel-rapl:{number}:0"):
        (root / name).mkdir(exist_ok=True)
        (root / name / "energy_uj").write_text(f"{microjoules}\n")
        (root / name / "max_energy_range_uj").write_text(f"{most}\n")


def test_packages_are_added_and_run_over(tmp_path):
    """Two packages, of which one's counter began anew."""
    package(tmp_path, 0, 5_000_000)
    package(tmp_path, 1, 999_000_000)
    energy = PackageEnergy(tmp_path)
    package(tmp_path, 0, 8_000_000)
    package(tmp_path, 1, 1_000_000)

    assert energy.used() == {"joules": 5.0}


def test_absent_counters_say_why(tmp_path):
    """A virtual machine has none."""
    assert "virtual machines" in PackageEnergy(tmp_path).used()["reason"]
    (tmp_path / "intel-rapl:0").mkdir()
    assert "root" in PackageEnergy(tmp_path).used()["reason"]
