"""How a training computed its steps."""

from bench.training.run import TrainingRun
from bench.training.way import way_of


def test_way_of_a_training():
    """Older ones, which do not say it, are of TensorFlow."""
    settings = {"backend": "torch", "precision": "mixed_bfloat16", "torch_compile": True, "batch_size": 8}
    known = {"model": "dense", "variant": "ours", "seed": 1, "campaign": "c", "status": "ok", "started": ""}
    training = TrainingRun(**known, settings=settings)
    assert str(way_of(training)) == "torch, mixed_bfloat16, torch.compile, batch 8"
    assert training.frameworks == ("torch", "keras")
    assert str(way_of(TrainingRun(**known))) == "tensorflow, float32"
