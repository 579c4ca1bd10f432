"""The setting in which asv measures under a machine's name."""

import pytest

from bench.machine import facts
from bench.results import asv_setting


def test_another_setting_is_not_filed_under_the_same_name(tmp_path, monkeypatch):
    """A quota or a variable is refused with both values; under another name, or as it was, it is measured."""
    asv_setting.check("lab", {}, tmp_path)
    asv_setting.check("lab", {"HOME": "/root"}, tmp_path)
    with pytest.raises(RuntimeError, match=r"'lab' .* XLA_FLAGS none, now --fast\..*asv run --machine NAME"):
        asv_setting.check("lab", {"XLA_FLAGS": "--fast"}, tmp_path)
    monkeypatch.setattr(facts.resources, "usable_cores", lambda *_: 0.5)
    with pytest.raises(RuntimeError, match=r"usable_cores \d+, now 0.5\..*remove .*lab/setting"):
        asv_setting.check("lab", {}, tmp_path)
    asv_setting.check("lab-half", {}, tmp_path)

    assert not list(tmp_path.rglob("*.json"))  # asv would take it for a file of its own


def test_damaged_setting_is_refused(tmp_path):
    """It is not replaced in silence."""
    (tmp_path / "asv/lab").mkdir(parents=True)
    (tmp_path / "asv/lab/setting").write_text("{half")
    with pytest.raises(RuntimeError, match="usable_cores none"):
        asv_setting.check("lab", {}, tmp_path)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["python", "-m", "asv", "run", "HEAD^!"], "host"),
        (["/bin/python", "/bin/asv", "run", "--machine", "lab"], "lab"),
        (["asv", "run", "--machine=lab", "-b", "step"], "lab"),
        (["asv", "run", "-m", "lab"], "lab"),
    ],
)
def test_machine_is_that_of_the_command(tmp_path, command, name):
    """As asv reads it: the host's name unless one is given."""
    assert asv_setting.machine_of(command, "host", tmp_path / "none") == name


def test_only_machine_that_asv_knows_stands_for_another_host(tmp_path):
    """A container of another name files under the one machine of the user's file; of two it takes the host's."""
    known = tmp_path / "machines"
    known.write_text('{"vm": {"cpu": "x"}, "version": 1}')
    alone = asv_setting.machine_of(["asv", "run"], "container", known)
    known.write_text('{"vm": {}, "other": {}, "version": 1}')

    assert alone == "vm"
    assert asv_setting.machine_of(["asv", "run"], "container", known) == "container"
