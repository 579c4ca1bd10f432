"""Of what a dead process printed the line that says why, not one that a framework prints whenever it starts."""

import pytest

from flowers_core.last_words import last_words

ONEDNN = (
    "2026-11-27 09:30:17.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on. You may see "
    "slightly different numerical results due to floating-point round-off errors from different computation orders."
)
CUINIT = (
    "E0000 00:00:1795773847.766694   29928 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: "
    "Failed call to cuInit: UNKNOWN ERROR (303)"
)
PORT = (
    "I0000 00:00:1795773828.284382   29760 port.cc:153] oneDNN custom operations are on. You may see slightly different"
)
OLDER = (
    "2026-11-27 09:30:18.123456: E external/local_xla/xla/stream_executor/cuda/cuda_platform.cc:51] failed call to "
    "cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)"
)
START = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    PORT,
    OLDER,
    ONEDNN,
    "To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow with the appropriate "
    "compiler flags.",
    CUINIT,
)
CAUSE = "ValueError: the records hold no image"
CHECK = "2026-11-27 09:31:00.000001: F tensorflow/core/framework/tensor.cc:832] Check failed: dtype() == expected_dtype"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((*START, "Traceback (most recent call last):", CAUSE), CAUSE),
        ((CAUSE, *START), CAUSE),
        ((CAUSE, "", CUINIT, "  "), CAUSE),
        (START, ""),
        ((), ""),
        ((ONEDNN, CHECK, "    @ 0x7f0e5c1d2e40  (unknown)"), CHECK),
        (("Fatal Python error: Segmentation fault", "Thread 0x00007f (most recent call first):"),
         "Fatal Python error: Segmentation fault"),
        (("RuntimeError: failed call to cuInit", ONEDNN), "RuntimeError: failed call to cuInit"),
    ],
    ids=["traceback", "before", "between", "start alone", "nothing", "check", "fatal", "raised"],
)  # fmt: skip
def test_last_words_are_of_the_cause(lines, said):
    """Wherever start-up lines stand; a fatal line counts more than what follows it."""
    printed = "\n".join(lines)

    assert last_words(printed) == said
    assert last_words(printed.encode()) == said


def test_last_words_are_cut():
    """A reason is one line of a table."""
    assert len(last_words("x" * 1000)) == 300
