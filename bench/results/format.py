"""Numbers -> text with units, rounded to what they are worth."""

ABSENT = "n/a"
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def significant(value: float, digits: int = 3) -> str:
    """Three significant digits, but never fewer than there are before the point: `0.0123`, `1.20`, `1,234`."""
    rounded = float(f"{value:.{digits}g}")
    if 0 < abs(rounded) < 1:
        return f"{rounded}"
    whole = len(str(int(abs(rounded))))
    return f"{value:,.{max(0, digits - whole)}f}" if rounded else "0"


def duration(seconds: float | None) -> str:
    """Seconds in the unit that fits: `412 µs`, `21.3 ms`, `4.20 s`, `3 min 5 s`."""
    if seconds is None:
        return ABSENT
    if not seconds:
        return "0 s"
    if seconds >= 120:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    size, unit = _unit(seconds)
    return f"{significant(seconds / size)} {unit}"


def _unit(seconds: float) -> tuple[float, str]:
    """The largest unit of which there is at least one, after rounding; of a difference as of its size."""
    rounded = abs(float(f"{seconds:.3g}"))
    return next(((size, unit) for size, unit in UNITS if rounded >= size), UNITS[-1])


def interval(centre: float | None, low: float | None, high: float | None) -> str:
    """A duration with its interval in the same unit: `21.3 ms [20.9, 22.0]`."""
    if centre is None or low is None or high is None:
        return ABSENT
    size, _ = _unit(centre)
    return f"{duration(centre)} [{significant(low / size)}, {significant(high / size)}]"


def change(before: float, after: float) -> str:
    """Two durations in the unit that fits the first: `105→110 ms`."""
    size, unit = _unit(before)
    return f"{significant(before / size)}→{significant(after / size)} {unit}"


def difference(seconds: float | None) -> str:
    """A duration with its sign: `+4.20 ms`."""
    if seconds is None:
        return ABSENT
    return ("+" if seconds >= 0 else "-") + duration(abs(seconds))


def rate(per_second: float | None) -> str:
    """Images a second."""
    return ABSENT if per_second is None else significant(per_second)


def about(per_second: float | None) -> str:
    """The same in few characters: `542`, `33.0 k`, `1.25 M`."""
    if per_second is None or per_second < 1e4:
        return rate(per_second)
    size, unit = (1e6, "M") if float(f"{per_second:.3g}") >= 1e6 else (1e3, "k")
    return f"{significant(per_second / size)} {unit}"


def megabytes(size: int | None) -> str:
    """Bytes as MB (10^6), without the unit: the column names it."""
    return ABSENT if size is None else f"{size / 1e6:,.0f}"


def size(amount: int) -> str:
    """Bytes in the unit that fits: `412 kB`, `3.00 GB`."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if amount >= unit:
            return f"{significant(amount / unit)} {name}"
    return f"{amount} bytes"
