"""What got slower, from made-up traces: stages, layers, and the sentence that names them."""

import pytest

from bench.compare import explain
from bench.compare.variant import Command, Variant, VariantPair
from bench.results import store
from bench.results.cell import NO_MODEL, Cell
from bench.run import xprof

SQUEEZENET = Cell(model="squeezenet", batch_size=8)
CALL = "StatefulPartitionedCall/"


def operation(name, seconds, kind="Conv2D"):
    return {"type": kind, "name": name, "seconds": seconds}


@pytest.fixture
def explained(tmp_path, measured):
    """Explains a pair of which each variant has the operations given; `status` is what measuring comes to."""

    def make(base, candidate, *, cell=SQUEEZENET, status="ok", variants=None):
        spawned = []
        variants = variants or [Variant(name=name, cell=cell, python=f"/{name}") for name in ("base", "candidate")]

        def spawn(job, *, command, variables):
            spawned.append((command[0], variables["PYTHONPATH"], job.trace))
            return measured(status=status, reason="too large" if status != "ok" else "")

        def read(_):
            return base if spawned[-1][0] == "/base" else candidate

        (explanation,) = explain.explain([VariantPair(*variants)], tmp_path, spawn=spawn, read=read)
        return explanation, spawned

    return make


@pytest.mark.parametrize(
    ("kind", "name", "place"),
    [
        ("_MklNativeFusedConv2D", CALL + "squeezenet_1/fire3_expand3x3_1/Relu", ("forward", "fire3_expand3x3")),
        ("Conv2D", "squeezenet/conv2d_2_1/convolution", ("forward", "conv2d_2")),
        (
            "_MklNativeConv2DBackpropFilterWithBias",
            CALL + "gradient_tape/squeezenet_1/fire3_squeeze_1/convolution/Conv2DBackpropFilter",
            ("backward", "fire3_squeeze"),
        ),
        ("AssignAddVariableOp", CALL + "adam/AssignAddVariableOp_21", ("optimizer", "AssignAddVariableOp")),
        ("Mean", "Mean", ("forward", "Mean")),
        ("DecodeJpeg", "DecodeJpeg", ("decode", "DecodeJpeg")),
    ],
)
def test_place_names_stage_and_layer(kind, name, place):
    """Names as TensorFlow gives them; what no layer made is named by its type."""
    assert explain.place(SQUEEZENET, kind, name) == place


@pytest.mark.parametrize(
    ("kind", "stage"),
    [
        ("ReadFile", "read"),
        ("DecodeJpeg", "decode"),
        ("ResizeBilinear", "resize, crop"),
        ("BatchDatasetV2", "batch"),
        ("Cast", "input"),
    ],
)
def test_place_of_a_pipeline_is_by_type(kind, stage):
    """A pipeline has no layers: its stages are told apart by what operations do."""
    assert explain.place(Cell(model=NO_MODEL, pipeline="photos_parallel"), kind, f"a/b/{kind}") == (stage, kind)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("Iterator::Root::Prefetch::MapAndBatch", ("waiting", "MapAndBatch")),
        ("Iterator::Root::Prefetch", ("waiting", "Prefetch")),
        ("Iterator::Root::Prefetch::ParallelInterleaveV4[71]::TFRecord", ("read", "TFRecord")),
    ],
)
def test_place_tells_waiting_from_work(name, place):
    """An iterator of tf.data waits for the threads that work; one that reads files reads."""
    assert explain.place(Cell(model=NO_MODEL, pipeline="records_parallel"), "Dataset", name) == place


def test_sentence_names_what_works_not_what_waits():
    """Where decoding takes longer, all that waits for it takes longer, too, and more of it."""
    decode, waiting = ("decode", "DecodeJpeg"), ("waiting", "MapAndBatch")
    slowed = explain.Explanation(
        cell="records", base={decode: 0.05, waiting: 0.1}, candidate={decode: 0.45, waiting: 1.3}
    )

    assert slowed.sentence() == "records: 100% of the 400 ms more a step lie in DecodeJpeg (decode +400 ms)"


def test_explain_names_the_layer_that_was_widened(explained):
    """What is the same cancels out; one layer's forward and backward growth is named with its stages."""
    same = operation("squeezenet_1/stem_1/Relu", 0.010)
    base = [same, operation("squeezenet_1/fire3_expand3x3_1/Relu", 0.004)]
    candidate = [
        same,
        operation("squeezenet_1/fire3_expand3x3_1/Relu", 0.007),
        operation("gradient_tape/squeezenet_1/fire3_expand3x3_1/x", 0.006),
    ]
    explanation, spawned = explained(base, candidate)

    assert explanation.sentence().endswith("lie in fire3_expand3x3 (backward +6.00 ms, forward +3.00 ms)")
    assert explanation.stages()["forward"] == (pytest.approx(0.014), pytest.approx(0.017))
    assert [python for python, *_ in spawned] == ["/base", "/candidate", "/candidate", "/base"]
    assert len({trace for *_, trace in spawned}) == 4


def test_explain_says_where_no_layer_stands_out(explained):
    """Growth that is spread over many is called that."""
    base = [operation(f"squeezenet_1/layer{number}x_1/Relu", 0.001) for number in range(6)]
    candidate = [operation(f"squeezenet_1/layer{number}x_1/Relu", 0.002) for number in range(6)]

    assert "spread over many operations" in explained(base, candidate)[0].sentence()


def test_explain_says_what_got_faster(explained):
    """Less is named as well."""
    sentence = explained([operation("m/dense_1/x", 0.008)], [operation("m/dense_1/x", 0.002)])[0].sentence()

    assert "100% of the 6.00 ms less a step lie in dense" in sentence


@pytest.mark.parametrize("status", ["oom", "n/a"])
def test_explain_says_why_there_is_no_trace(explained, status):
    """A variant that cannot be traced leaves a sentence, not figures."""
    explanation, spawned = explained([], [], status=status)

    assert f"not explained: base (base): {status}: too large" in explanation.sentence()
    assert len(spawned) == 1


def test_explain_of_commands_is_refused(explained):
    """Of any command nothing is known."""
    explanation, _ = explained([], [], variants=[Command(line="true"), Command(line="true")])

    assert "a command tells nothing" in explanation.problem


def test_table_fits_a_terminal_and_json_has_every_change(explained, terminal):
    """Stages stand above what changed most."""
    explanation, _ = explained([operation("m/dense_1/x", 0.002)], [operation("m/dense_1/x", 0.003)])
    shown = terminal(explanation.table())

    assert max(map(len, shown.splitlines())) <= 80
    assert "+1.00 ms" in shown
    assert explanation.plain()["changes"] == [
        {"stage": "forward", "layer": "dense", "base_seconds": 0.002, "candidate_seconds": 0.003}
    ]


def test_kept_explanation_says_the_same(explained, paired, tmp_path):
    """The store gives back what was explained, and why something was not."""
    pairs = [paired(1.1)]
    known, _ = explained([operation("m/dense_1/x", 0.002)], [operation("m/dense_1/x", 0.003), operation("m/new/x", 1)])
    unknown, _ = explained([], [], status="oom")
    for explanation in (known, unknown):
        store.append(explanation.result(pairs), tmp_path)
    loaded = store.load(explain.Explained, tmp_path).results

    assert [kept.explanation for kept in loaded] == [known, unknown]
    assert {kept.comparison for kept in loaded} == {pairs[0].comparison}


def test_operations_of_no_trace_is_unreadable():
    """A folder without a trace is said to be one."""
    with pytest.raises(xprof.Unreadable, match="no trace"):
        xprof.operations([])
