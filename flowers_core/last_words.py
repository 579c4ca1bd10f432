"""What a process said last before it died: the lines that frameworks print of themselves say nothing of why."""

import re

MOST = 300  # characters

_TIME = r"^(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: )?"  # with which TensorFlow begins a line that it logs
_PLACE = r"(?:\d{4} [^\]]*| \S+:\d+)\]"  # the file and line behind the letter of its level, by TensorFlow or Abseil
START_UP = re.compile(
    # Of the level "information", whatever they are of; warnings and errors that are logged where all is well.
    rf"{_TIME}I{_PLACE}|"
    rf"{_TIME}[WE]{_PLACE}.*(?:cuInit|Unable to register cu\w+ factory|omputation placer already registered|"
    "ould not find cuda drivers|Cannot dlopen some GPU libraries|could not open file to read NUMA|Delay kernel|"
    "did not fully read the dataset being cached)|"
    "oneDNN custom operations are on|TF-TRT Warning|CUDA-enabled jaxlib is not installed|"
    "optimized to use available CPU instructions|rebuild TensorFlow with the appropriate compiler flags|"
    "^WARNING: All log messages before absl::InitializeLog|^Skipping registering GPU devices"
)
# A line of a program in C++ or of Python that says what it dies of, before it prints where it was.
FATAL = re.compile(rf"{_TIME}F{_PLACE}|^Fatal Python error|^terminate called|^\s*what\(\):|Check failed:")


def last_words(printed: str | bytes) -> str:
    """The line of a dead process that says best why it died: a fatal one, else the last that is not of its start.

    Args:
        printed: All that it wrote to standard error.

    Returns:
        The line, cut; empty where there is none.
    """
    text = printed.decode(errors="replace") if isinstance(printed, bytes) else printed
    said = [line for line in text.splitlines() if line.strip() and not START_UP.search(line)]
    fatal = [line for line in said if FATAL.search(line)]
    return (fatal or said or [""])[-1].strip()[:MOST]
