"""These run in an environment without TensorFlow, `make test-without-tensorflow`, and nowhere else."""

from importlib.util import find_spec

collect_ignore_glob = ["test_*.py"] if find_spec("tensorflow") else []
