"""Builds a user's models and draws from a user's loaders once, before anything is measured.

`python -m bench.run.user_check` is a child of `check`, see `bench.run.child`.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict

from bench.machine.own import user_code
from bench.results.cell import GIVEN, NO_MODEL, Cell, is_users
from bench.run import child, process, product, user_pipeline
from bench.run.data_source import Source
from bench.run.product import InputError, ReportedError

SECONDS = 300.0  # a loader may have to read a whole data set before it gives a batch


_checked: set[tuple] = set()  # what this process has tried already: a campaign checks its cells one by one


def check(cells: Iterable[Cell], source: Source, *, tell: Callable[[str], object] = lambda _: None) -> None:
    """Tries in a fresh process whether what a user's files hold fits the cells; nothing is done where there are none.

    Args:
        cells: What is to be measured.
        source: Says where the files lie.
        tell: Is told what takes some seconds.

    Raises:
        InputError: If a function fails, or what it returns does not fit.
        RunFailed: If the process dies or takes too long.
    """
    cells = tuple(cells)
    parts = {cell: _parts(cell, source) - _checked for cell in cells}
    cells = tuple(cell for cell, unknown in parts.items() if unknown)
    if not cells:
        return
    names = {user_code.readable(name) for unknown in parts.values() for name, *_ in unknown}
    tell(f"tries {', '.join(sorted(names))}: builds models, draws a batch of loaders")
    job = {
        "cells": [cell.to_json() for cell in cells],
        "source": asdict(source),
        "classes": source.classes(cells),
    }
    answer = process.ask("bench.run.user_check", job, timeout=SECONDS, cell=cells[0])
    if answer["problem"]:
        raise InputError(answer["problem"])
    _checked.update(*parts.values())


def _parts(cell: Cell, source: Source) -> set[tuple]:
    """The user's functions of a cell, with what they are called with."""
    model = {(cell.model, cell.image_size, source)} if is_users(cell.model) else set()
    loader = {(cell.pipeline, cell.image_size, cell.batch_size, cell.model == NO_MODEL, source)}
    return model | (loader if cell.reads == GIVEN else set())


def find_problem(cells: Iterable[Cell], source: Source, *, classes: int) -> str:
    """The first thing that does not fit, as a sentence; empty if all does."""
    cells = tuple(cells)
    try:
        models = dict.fromkeys((cell.model, cell.image_size) for cell in cells if is_users(cell.model))
        for name, image_size in models:
            product.build_model(
                name, image_size=image_size, classes=classes, from_uint8=False, option=source.find_option(name)
            )
        loaders = {(cell.pipeline, cell.image_size, cell.batch_size): cell for cell in cells if cell.reads == GIVEN}
        fed = any(cell.model != NO_MODEL for cell in cells)
        for cell in loaders.values():
            user_code.check_batch(
                user_pipeline.first_batch(cell, source.with_image_size(cell.image_size)),
                source.find_option(cell.pipeline),
                image_size=cell.image_size,
                batch_size=cell.batch_size,
                classes=classes if fed else 0,
            )
    except ReportedError as error:
        return str(error)
    except ImportError as error:
        return f"{error}. {product.INSTALL}"
    return ""


def main() -> None:
    """Checks what the parent gives."""
    orders, answer = child.connect()
    job = next(orders)
    cells = [Cell(**fields) for fields in job["cells"]]
    answer({"problem": find_problem(cells, Source(**job["source"]), classes=job["classes"])})


if __name__ == "__main__":
    main()
