"""Sentences that are made from the data say what the data says."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.compare import peers
from bench.input.formats.campaign import FormatResult
from bench.input.loaders import table as loaders_table
from bench.input.loaders.run import LoaderResult
from bench.report import key_findings
from bench.report.gather import Gathered
from bench.results import summary
from bench.results.cell import Cell
from bench.training import outcome
from bench.training.run import TrainingRun

PHOTOS = {"photos": "synthetic", "images": 20, "image_size": 192, "batch_size": 32, "cores": 2}


def findings(*measurements, comparisons=()) -> list[str]:
    """What is said of measurements and comparisons."""
    return key_findings.findings(gathered(*measurements, comparisons=comparisons))


def gathered(*measurements, comparisons=()) -> Gathered:
    """Measurements and comparisons, where the store holds nothing else."""
    summaries = tuple(summary.by_cell(measurements))
    return Gathered(
        results=Path(),
        summaries=summaries,
        left_out=0,
        shown=summaries,
        charted=summaries,
        machines=(),
        older=(),
        sweeps=(summaries,),
        costs={},
        peaks={},
        comparisons=comparisons,
        lopsided=(),
        pairs={},
        explanations={},
        undecided=(),
        outcomes=(),
        stall=None,
        peers=(),
        limits={},
        loaders=(),
        smaller_decodes=(),
        formats=(),
        object_store=(),
        writes=(),
        scaling=(),
        checkpoints=(),
        history=None,
        damaged=(),
    )


def test_findings_say_nothing_of_nothing():
    """Without data there is no sentence."""
    assert findings() == []


def test_input_compares_records_with_photos(measured):
    """Parallel records against photos one by one, by images a second."""
    (sentence,) = findings(
        measured(model="none", pipeline="photos_one_by_one", seconds=(0.32,) * 3),
        measured(model="none", pipeline="records_parallel", seconds=(0.08,) * 3),
    )

    assert sentence == "Parallel TFRecords deliver 400 images/s, 4.0 times as many as photos one by one (100)."


def test_sentences_are_about_pipelines_as_they_are(measured):
    """Figures of augmented or otherwise tuned pipelines have rows of their own, and no sentence."""
    figures = [
        measured(model="none", pipeline="photos_one_by_one", seconds=(0.32,) * 3),
        measured(model="none", pipeline="records_parallel", seconds=(0.08,) * 3),
    ]
    tuned = measured(model="none", pipeline="records_parallel", prefetch=4, seconds=(0.001,) * 3)

    assert findings(*figures, tuned) == findings(*figures)


def test_steps_name_the_fastest_and_slowest_models(measured):
    """Each at its best batch."""
    (sentence,) = findings(
        measured(model="dense", seconds=(0.01,) * 3),
        measured(model="convnet", seconds=(0.1,) * 3),
        measured(model="xception", image_size=331, batch_size=4, seconds=(2.0,) * 3),
    )

    assert "Of 3 models, dense trains fastest, 3,200 images/s in batches of 32" in sentence
    assert "xception slowest, 2.00 in batches of 4 (331 px); float32, tensorflow" in sentence


def test_steps_are_those_of_the_fastest_backend(measured):
    """Of several in one sweep that which is fastest at most steps answers, by its name, whether it compiles or not."""
    sentences = findings(
        measured(model="dense", seconds=(0.01,) * 3),
        measured(model="convnet", seconds=(0.1,) * 3),
        measured(model="dense", backend="jax", xla=True, seconds=(0.005,) * 3),
        measured(model="convnet", backend="jax", xla=True, seconds=(0.05,) * 3),
        measured(model="convnet", backend="jax", xla=True, precision="mixed_bfloat16", seconds=(0.04,) * 3),
    )

    told = "\n".join(sentences)
    assert "dense trains fastest, 6,400 images/s" in told
    assert "float32, jax" in told
    assert "1 of 1 models faster and 0 slower on jax" in told


@pytest.mark.parametrize(("seconds", "expected"), [(0.04, "2.5 times"), (0.2, "50% of the largest demand")])
def test_demand_is_held_against_the_supply_of_a_first_epoch(measured, seconds, expected):
    """The fastest pipeline that no cache helps supplies so much of the largest demand of a model."""
    sentences = findings(
        measured(model="none", pipeline="records_cached", seconds=(0.001,) * 3),
        measured(model="none", pipeline="records_parallel", seconds=(1.0,) * 3),
        measured(model="none", pipeline="records_turbo", seconds=(seconds,) * 3),
        measured(model="convnet", seconds=(0.1,) * 3),
    )

    assert any(f"records_turbo supplies {expected}" in sentence and "convnet" in sentence for sentence in sentences)


def test_precisions_are_counted(measured):
    """How many gain, how many lose, and by how much at the ends; the same batch on either side."""
    sentences = findings(
        measured(model="convnet", seconds=(0.1,) * 3),
        measured(model="convnet", precision="mixed_bfloat16", seconds=(0.05,) * 3),
        measured(model="dense", seconds=(0.1,) * 3),
        measured(model="dense", precision="mixed_bfloat16", seconds=(0.2,) * 3),
        measured(model="dense", precision="mixed_bfloat16", batch_size=8, seconds=(0.001,) * 3),
    )

    assert "1 of 2 models faster and 1 slower on tensorflow: from dense, 0.50 times" in sentences[-1]
    assert "to convnet, 2.00 times" in sentences[-1]


def test_backends_are_held_against_each_other(measured):
    """For each precision the fastest backend of each model, at the largest batch that all of them trained."""
    jax = {"backend": "jax", "xla": True}
    *_, sentence = findings(
        measured(model="dense", seconds=(0.02,) * 3),
        measured(model="dense", seconds=(0.01,) * 3, **jax),
        measured(model="dense", batch_size=64, seconds=(0.01,) * 3),  # on one backend alone
        measured(model="convnet", seconds=(0.1,) * 3),
        measured(model="convnet", seconds=(0.2,) * 3, **jax),
        measured(model="dense", precision="mixed_bfloat16", seconds=(0.02,) * 3),
        measured(model="dense", precision="mixed_bfloat16", seconds=(0.03,) * 3, **jax),
    )

    assert sentence == (
        "Of jax and tensorflow, each at the largest batch that all of them trained: in float32 jax is the fastest for "
        "dense, tensorflow is the fastest for convnet; in mixed_bfloat16 tensorflow is the fastest for dense."
    )


def test_many_models_of_a_backend_are_counted(measured):
    """A sentence names three; the picture shows by how much each is ahead, the farthest first."""
    models = ("dense", "convnet", "convnet_gap", "squeezenet")
    steps = [measured(model=model, seconds=(0.1,) * 3) for model in models]
    slower = [
        measured(model=model, backend="torch", seconds=(0.2 + 0.1 * number,) * 3) for number, model in enumerate(models)
    ]
    *_, finding = key_findings.pictured(
        gathered(
            *steps,
            *slower,
            measured(model="vgg16", seconds=(1.0,) * 3),
            measured(model="vgg16", backend="torch", seconds=(0.5,) * 3),
        )
    )

    assert ", torch layer by layer: in float32" in finding.sentence
    assert "tensorflow is the fastest for 4 of 5 models, torch is the fastest for vgg16" in finding.sentence
    assert [(bar.label, bar.figure) for bar in finding.bars[:2]] == [("squeezenet", "x5.00"), ("convnet_gap", "x4.00")]


def test_knee_is_told_only_where_there_is_one(measured):
    """The smallest batch within 3 % of the best; a curve that still rises has none."""
    assert key_findings.knee({8: 98.0, 32: 100.0, 128: 99.0}) == 8
    level = [measured(batch_size=size, seconds=(size / 100,) * 3) for size in (8, 32, 128)]
    rising = [measured(batch_size=size, seconds=(0.1,) * 3) for size in (8, 32, 128)]

    assert "gains little from more than 8 images a batch" in findings(*level)[-1]
    assert not any("gains little" in sentence for sentence in findings(*rising))


def test_last_comparison_is_told_in_its_words(compared):
    """Commits by their titles; what is slower comes first with its ratio, then what is undecided, then the rest."""
    comparisons = (compared(dense="slower", convnet="same", vgg16="inconclusive"), compared(dense="faster"))

    assert findings(comparisons=comparisons) == [
        "In the last comparison, main (c0ffee00 Base) v HEAD (deadbeef <b>Candidate</b>): "
        "slower is dense (+5.1%); 1 inconclusive; 1 same."
    ]
    (undecided,) = findings(comparisons=[compared(dense="inconclusive", convnet="same")])
    assert undecided.endswith(": 1 inconclusive; 1 same.")
    (passed,) = findings(comparisons=[compared(convnet="same")])
    assert passed.endswith(": nothing is slower; 1 same.")


@pytest.fixture
def beside(paired):
    """What is said of models beside their peers: `beside(dense=1.5)`, ours so many times as fast in pairs of a run."""

    def find(*, runs=3, share=0.01, **ratios: float) -> key_findings.Finding:
        pairs = []
        for model, ratio in ratios.items():
            ours, peer = Cell(model=model, batch_size=16), Cell(model=f"torch:{model}", backend="torch", batch_size=16)
            sides = {
                name: {"name": name, "cell": cell.to_json(), "digest": "d", "commit": "c0ffee"}
                for name, cell in (("base", ours), ("candidate", peer))
            }
            pairs += [
                paired(ratio * 1.001**run, comparison="peers-1", pair=f"{run}", foreign_cpu_share=share, **sides)
                for run in range(runs)
            ]
        (finding,) = key_findings.pictured(replace(gathered(), peers=tuple(peers.of_stored(pairs))))
        return finding

    return find


def test_peers_are_told_by_their_mean_and_by_what_is_slower(beside):
    """The geometric mean over models; the picture has each model, those that are slower strong."""
    finding = beside(dense=2.0, convnet=1.6, squeezenet=0.8)

    assert finding.sentence == (
        "Our training steps against plain torch: 1.37 times its images/s over 3 models (geometric mean): faster on 2, "
        "slower on squeezenet (0.80)."
    )
    assert [(bar.label, bar.figure, bar.strong) for bar in finding.bars] == [
        ("dense", "x2.00", False),
        ("convnet", "x1.60", False),
        ("squeezenet", "x0.80", True),
    ]
    assert "commit c0ffee" in finding.origin


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        ({"dense": 2.0, "convnet": 1.5}, "(geometric mean): faster on 2, slower on none."),
        ({"dense": 0.5, "convnet": 0.8}, "faster on 0, slower on dense (0.50) and convnet (0.80)."),
        ({"dense": 2.0, "convnet": 0.9985}, "faster on 1, slower on none, undecided on 1."),
        (
            {"dense": 2.0, "convnet": 0.9, "vgg16": 0.8, "xception": 0.7},
            "faster on 1, slower on 3, most on xception (0.70).",
        ),
        ({"dense": 2.0, "share": 0.4}, "2.00 times its images/s on dense; meanwhile others used 40% of the CPU."),
        ({"dense": 2.0, "runs": 1}, "2.00 times its images/s on dense, undecided."),
    ],
)
def test_peers_claim_no_more_than_was_measured(beside, measured, said):
    """Few models, one pair, an interval that holds 1, a busy machine."""
    assert beside(**measured).sentence.endswith(said)


def loader_results(job: str, rates: dict[str, float], data: dict) -> list[LoaderResult]:
    """What loaders of a job did with so many images/s; `x_z_y` is one whose name has a comma."""
    return [
        LoaderResult(comparison="1", loader=f"{job}/{name.replace('_z_', ', ')}", rates=(rate,) * 3, data=data)
        for name, rate in rates.items()
    ]


def loaders(**rates: float) -> list[str]:
    """What is said of loaders of records with so many images/s."""
    results = loader_results("records", rates, PHOTOS)
    return key_findings.findings(replace(gathered(), loaders=tuple(loaders_table.rows(results))))


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ({"records_turbo": 90.0, "DALI": 80.0, "records_uint8": 60.0}, "records_turbo 90% on records (next: DALI 80%)"),
        ({"records_turbo": 90.0, "records_uint8": 60.0, "DALI": 50.0}, "90% on records (of other libraries: DALI 50%)"),
        ({"DALI": 90.0, "grain": 60.0, "records_turbo": 50.0}, "DALI 90% on records (of ours: records_turbo 50%)"),
        ({"DALI": 90.0, "grain": 60.0}, "DALI 90% on records (next: grain 60%)"),
    ],
)
def test_loaders_are_held_against_the_decode_ceiling(rates, said):
    """The fastest with its share, and the best of the other side, ours or another library's."""
    (sentence,) = loaders(decode=100.0, **rates)

    assert sentence.startswith("Of the decode ceiling, the fastest loaders reach: ")
    assert sentence.endswith(f"{said}.")


def decodes(found: dict, **rates: float) -> list[str]:
    """What is said of loaders of photos, of whose pixels `found` is known."""
    results = loader_results("photos", rates, PHOTOS | {"scaled": found})
    return key_findings.findings(replace(gathered(), smaller_decodes=tuple(loaders_table.rows(results, smaller=True))))


def test_decoding_large_photos_smaller_is_held_against_the_whole_decode():
    """Ours in both ways, and how far the pixels are apart; nothing where no photo was large enough."""
    pixels = {"photos": 24, "ratio": 4.0, "bilinear": 44.9, "averaged": 34.5, "full": 33.3}
    rates = {"photos_turbo": 91.0, "photos_turbo_z_scaled": 144.0, "torch_z_PIL_z_scaled": 150.0}

    assert decodes(pixels, **rates) == [
        "Decoded at 1/4, large photos come at 144 images/s (photos_turbo, scaled), 1.58 times as many as decoded whole "
        "(photos_turbo: 91.0), at a PSNR of 45 dB to it."
    ]
    assert decodes(pixels | {"photos": 0}, **rates) == decodes(pixels, photos_turbo=91.0) == []


def test_loaders_without_a_ceiling_or_alone_say_nothing():
    """A share of nothing is none, and nothing is fastest of one."""
    assert loaders(records_turbo=90.0, DALI=80.0) == loaders(decode=100.0, DALI=80.0) == []


@pytest.mark.parametrize(
    ("disk", "said"),
    [
        (100e6, "With 2 cores and a disk of 100 MB/s, records should hold images as jpeg420: 5,000 images/s of 20.0 kB"
                "; as jpeg444, the usual format, 3,333 images/s of 30.0 kB (computed)."),
        (None, "With 2 cores and records in memory, records should hold images as raw: 20,000 images/s of 110 kB; "
               "as jpeg444, the usual format, 4,000 images/s of 30.0 kB (computed)."),
    ],
)  # fmt: skip
def test_formats_are_recommended_for_the_machine_they_were_measured_on(disk, said):
    """By its cores and, where that is known, the speed of its disk, beside what records hold unless told otherwise."""
    costs = {"jpeg444": (30e3, 0.5e-3), "jpeg420": (20e3, 0.4e-3), "raw": (110e3, 0.1e-3)}
    results = [
        FormatResult(
            campaign="1", encoding=name, pipeline="records_turbo", images_per_second=1.0, cpu_seconds=cpu,
            image_bytes=size, data=PHOTOS, disk={"bytes_per_second": disk} if disk else {"reason": "no"},
        )
        for name, (size, cpu) in costs.items()
    ]  # fmt: skip

    assert key_findings.findings(replace(gathered(), formats=tuple(results))) == [said]


def trained(*accuracies: float, model="dense", variant="ours", share=0.0) -> list[TrainingRun]:
    """A training of two epochs for each accuracy; 0.5 is to be reached, an epoch takes 10 s and one more a seed."""
    return [
        TrainingRun(
            model=model,
            variant=variant,
            seed=seed,
            campaign="c",
            images=10,
            stated_target=0.5,
            foreign_cpu_share=share,
            history=tuple(
                {"epoch": n, "val_accuracy": reached, "elapsed_seconds": n * (10.0 + seed), "images_per_second": 1.0}
                for n, reached in ((1, 0.1), (2, accuracy))
            ),
        )
        for seed, accuracy in enumerate(accuracies)
    ]


@pytest.mark.parametrize(
    ("trainings", "said"),
    [
        (trained(0.5, 0.7, 0.6), "Trained: dense: validation accuracy 0.600 [0.500, 0.700] (median of 3 seeds); "
                                 "0.5 is reached in 22.0 s [20.0, 24.0]."),
        (trained(0.5, 0.7, 0.4), "0.500 [0.400, 0.700] (median of 3 seeds); 0.5 is reached in 22.0 s [20.0, 22.0] by "
                                 "2 of 3 seeds."),
        (trained(0.4, 0.3), "Trained: dense: validation accuracy 0.350 [0.300, 0.400] (median of 2 seeds)."),
        (trained(0.4, model="dense", variant="flip"), "Trained: dense (flip): validation accuracy 0.400 (1 seed)."),
        ([*trained(0.6, share=0.3), *trained(0.55, model="convnet")],
         "dense became best of 2 models: validation accuracy 0.600 (1 seed); 0.5 is reached in 20.0 s; meanwhile "
         "others used 30% of the CPU."),
    ],
)  # fmt: skip
def test_accuracy_is_told_with_its_seeds(trainings, said):
    """Median, range and number of seeds, likewise of the time to the target, which not every seed may reach."""
    (sentence,) = key_findings.findings(replace(gathered(), outcomes=tuple(outcome.summarize(trainings))))

    assert sentence.endswith(said)


def test_origins_name_what_differs_from_the_sweep():
    """The machine stands there once; what is of the sweep, or says so itself, has no origin of its own."""
    found = [key_findings.Finding("", "steps")]
    found += [
        key_findings.Finding("", section, origin=origin)
        for section, origin in (("loaders", "CPU; commit 2; today"), ("training", "CPU; commit 1; today"))
    ]

    assert key_findings.origins(found, "CPU; commit 1; today") == ["loaders (commit 2)"]
