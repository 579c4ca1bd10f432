"""What one lane of a race did."""

import json

import pytest

from bench.input.loaders import result
from bench.input.loaders.result import Turns
from bench.results import store
from flowers_core.errors import InputError


def test_what_is_stored_comes_back(tmp_path):
    """Also after a damaged line, and one of a newer program."""
    one = Turns(race="r", lane="records/grain", rates=(1.0, 2.0), cpu_seconds=(0.1, 0.2), machine={"host": "lab"})
    path = store.append_turns(one, tmp_path)
    path.write_text(path.read_text() + json.dumps({**one.to_json(), "format": 99}) + "\n{half")
    assert store.load_turns(tmp_path) == (one,)


def test_what_is_no_record_of_turns_is_refused():
    """A line that lacks what all have."""
    with pytest.raises(InputError, match="no turns"):
        result.from_json({"format": 1, "lane": "records/grain"})
