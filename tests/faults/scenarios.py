"""What writes to disks, in small, for a child process without a framework; and what must hold wherever it was ended.

`python -m tests.faults.scenarios` forks a process for each fault; strace, around it, injects the fault.
"""

import functools
import json
import mmap
import os
import stat
import sys
import traceback
import zipfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

from tests.faults import power_cut

FAR = 24
"""The call of its kind that strace spoils; a process makes as many idle ones as the one that is meant is too early."""

CALLS = ("write", "fsync", "rename")
EPOCHS = 2


class _AnythingType(type):
    """The type of what stands for any name of a framework: a class that decorates, and has any attribute."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        bases = (Exception,) if name.endswith(("Error", "errors")) else ()
        setattr(cls, name, _AnythingType(name, bases, {}))
        return getattr(cls, name)

    def __call__(cls, *arguments, **_):
        return arguments[0] if arguments and callable(arguments[0]) else cls


def without_frameworks():
    """Lets modules that import a framework be imported without: a child that loads none begins 20 times as fast."""
    for name in ("tensorflow", "keras"):
        module = ModuleType(name)
        module.__getattr__ = functools.cache(lambda attribute: _AnythingType(attribute, (), {}))
        sys.modules[name] = module
    sys.modules["keras"].callbacks = SimpleNamespace(Callback=object)


class Sweep:
    """Two rounds of two cells, then a table of them, by a process that measures nothing."""

    done = 6

    def __init__(self):
        from bench.results import store
        from bench.results.cell import Cell
        from bench.results.measurement import Measurement
        from bench.run import sweep

        self.store, self.sweep, self.kind = store, sweep, Measurement
        self.cells = (Cell(model="dense"), Cell(model="convnet"))
        sweep.facts.code_digest = lambda: "the same"  # reads all files of the package

    def _measure(self, job, **_):
        return self.kind(cell=job.cell, status="n/a", reason="nothing is measured " * 20, machine={"host": "lab"})

    def write(self, folder, acknowledge):
        """As `bench sweep` and `bench table` write."""
        planned = self.sweep.start(self.sweep.Sweep(cells=self.cells, rounds=2), folder)
        acknowledge()
        self._go_on(planned, folder, acknowledge)

    def again(self, folder, acknowledge):
        """As `--resume` does, or where nothing was begun, from the start."""
        if acknowledge.count:
            self._go_on(self.sweep.resume(folder), folder, lambda: None)
        else:
            self.write(folder, acknowledge)

    def _go_on(self, planned, folder, acknowledge):
        for _ in self.sweep.run(planned, folder, limits=self.sweep.Limits(), measure=self._measure):
            acknowledge()
        self.store.save_table("quick.md", f"{planned.id}, whole", folder)
        acknowledge()

    def check(self, folder, acknowledged):
        """Every acknowledged line is there once, no other but the last is damaged, tables and plans are whole."""
        loaded = self.store.load(self.kind, folder)
        if acknowledged:
            plan = self.store.load_plan(folder)
            lines = [(line.round, line.cell) for line in loaded.results if line.sweep == plan["id"]]
            assert len(lines) == len(set(lines)), "a process was measured twice"
            assert len(lines) >= min(acknowledged - 1, 4), f"{len(lines)} lines after {acknowledged} promises"
        for path in folder.glob("tables/*"):
            assert path.name.startswith(".") or path.read_text().endswith("whole"), f"{path} is half"
        assert acknowledged < self.done or (folder / "tables" / "quick.md").exists(), "the table is gone"
        assert len(loaded.damaged) <= 1, loaded.damaged


class Records:
    """Records of eight photos in three shards; what is no photo's pixels is real."""

    done = 1

    def __init__(self):
        from flowers_core.data import manifest, photos, sharding, storage, tfrecords

        self.manifest, self.tfrecords, self.storage = manifest, tfrecords, storage
        paths = tuple(f"/photos/{name}/{number}.jpg" for name in "ab" for number in range(4))
        labels = tuple(path.startswith("/photos/b") + 0 for path in paths)
        self.photos = photos.Photos(folder="/photos", paths=paths, labels=labels, classes=("a", "b"))
        self.digest = sharding.source_digest(self.photos)
        sharding.source_digest = lambda _: self.digest  # by threads
        tfrecords.has_tensorflow = lambda: False  # the shards are then written by Python, a call for each
        tfrecords._record = lambda pair, **_: pair[0].encode() * 40
        tfrecords.ThreadPoolExecutor = lambda _: nullcontext(SimpleNamespace(map=map))
        tfrecords.progress = SimpleNamespace(bar=lambda *_: nullcontext(lambda: None))

    def write(self, folder, acknowledge):
        """As `flowers_core records` writes."""
        self.tfrecords.write(self.photos, folder, image_size=32, shards=3)
        acknowledge()

    def again(self, folder, acknowledge):
        """The same command."""
        self.write(folder, acknowledge)

    def check(self, folder, acknowledged):
        """A folder with a manifest is whole; one without says so; what was acknowledged is whole."""
        held = self.storage.listing(folder)
        if acknowledged or self.manifest.NAME in held:
            assert self.manifest.load(folder).images == len(self.photos)
        else:
            assert not held or set(held) <= {".lock"} or self.manifest.UNFINISHED in held, (
                f"who says that {held} is all?"
            )


class Training:
    """Three epochs of a model whose weights are the number of the epoch, kept as a training keeps them."""

    done = EPOCHS

    def __init__(self):
        from flowers_core.train import callbacks, fit, run_dir
        from flowers_core.train.settings import Settings

        callbacks.KEEP_SECONDS = -1.0
        self.run_dir, self.callbacks, self.fit = run_dir, callbacks, fit
        self.settings = Settings(
            model="dense_single",
            records="records",
            image_size=32,
            classes=("daisy", "roses"),
            epochs=EPOCHS,
            batch_size=4,
            augmentation="none",
            shuffle_buffer=1,
            validation="first",
        )

    def write(self, folder, acknowledge):
        """As `flowers_core train` writes."""
        run = self.run_dir.Run(folder)
        with run.exclusive():
            run.begin(self.settings)
            self._go_on(run, 0, acknowledge)

    def again(self, folder, acknowledge):
        """As `train --resume` does, or where no epoch was kept, from the start."""
        run = self.run_dir.Run(folder)
        if not run.begun:
            self.write(folder, acknowledge)
            return
        with run.exclusive():
            run.check_same(self.settings)
            self._go_on(run, self._epoch(run), acknowledge)

    def _go_on(self, run, epochs, acknowledge):
        model = SimpleNamespace(optimizer=SimpleNamespace(learning_rate=0.5), epochs=epochs)
        model.save = functools.partial(self._save, model)
        rows = self.fit.rows_with_weights(run, epochs)
        callback = self.callbacks.KeepEpochs(
            run, model, classes=self.settings.classes, images=4, rows=rows, begun=0.0, tell=lambda _: acknowledge()
        )
        callback.model = model
        for epoch in range(epochs, EPOCHS):
            callback.on_epoch_begin(epoch)
            callback.on_train_batch_end(0, {"loss": 0.5})
            model.epochs = epoch + 1
            callback.on_epoch_end(epoch, dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy"), 0.5))
        callback.on_train_end()

    @staticmethod
    def _save(model, path):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("weights", str(model.epochs) * 1000)

    @staticmethod
    def _epoch(run):
        with zipfile.ZipFile(run.model) as file:
            return int(file.read("weights")[:1])

    def check(self, folder, acknowledged):
        """Weights are whole, of the last acknowledged epoch or the next, and have their settings and rows."""
        run = self.run_dir.Run(folder)
        if (folder / self.run_dir.SETTINGS).exists():
            assert run.settings() == self.settings
        rows = run.history()
        assert run.begun or not acknowledged, "the weights are gone"
        if run.begun:
            epochs = self._epoch(run)
            assert acknowledged <= epochs <= acknowledged + 1, f"weights of {epochs} after {acknowledged} epochs"
            assert len(rows) >= epochs
            run.check_same(replace(self.settings))
            run.check_classes(self.settings.classes, 2)


SCENARIOS = {"sweep": Sweep, "records": Records, "training": Training}


class Acknowledged:
    """Counts what was promised to be kept, in memory that parent and child share: no call that strace would count."""

    def __init__(self):
        self._memory, self.mark = mmap.mmap(-1, 4096), None

    @property
    def count(self):
        return self._memory[0]

    @count.setter
    def count(self, promises):
        self._memory[0] = promises

    def __call__(self):
        self.count += 1
        if self.mark is not None:
            os.write(self.mark, b".")

    def tell(self, text):
        """Leaves what went wrong for the parent."""
        self._memory[1:] = text.encode()[:4000].ljust(4095, b"\0")

    @property
    def told(self):
        return self._memory[1:].rstrip(b"\0").decode(errors="replace")


def _fork(work, acknowledged):
    """How a child ended in which some work was done: its exit status, or minus the signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        work()
    except OSError as error:
        acknowledged.tell(f"OSError {error.filename or ''} {error.strerror or error}")
        os._exit(3)
    except BaseException as error:
        expected = type(error).__name__ == "InputError"
        acknowledged.tell(f"InputError {error}" if expected else traceback.format_exc()[-4000:])
        os._exit(2 if expected else 1)
    os._exit(0)


def _spoilt(scenario, folder, acknowledged, *, call, number, idle):
    """Does what a scenario does, with as many idle calls before it that strace spoils the `number`th."""
    idle_file = os.open(idle, os.O_WRONLY | os.O_CREAT)
    calls = {
        "write": lambda: os.write(idle_file, b"."),
        "fsync": lambda: os.fsync(idle_file),
        "rename": lambda: os.rename(idle, idle),  # noqa: PTH104 - the call itself
    }
    for _ in range(FAR - number):
        calls[call]()
    scenario.write(folder, acknowledged)


def _fault(scenario, folder, promises):
    """What is wrong in a folder whose writer ended early, or when another has gone on; empty if nothing is."""
    try:
        scenario.check(folder, promises)
    except Exception:
        return f"after {promises} promises: {traceback.format_exc()[-1500:]}"
    acknowledged = Acknowledged()
    acknowledged.count = promises
    code = _fork(lambda: scenario.again(folder, acknowledged), acknowledged)
    if code:
        return f"it cannot be resumed: {code} {acknowledged.told}"
    try:
        scenario.check(folder, scenario.done)
    except Exception:
        return f"resumed, it is not whole: {traceback.format_exc()[-1500:]}"
    return ""


def spoil(scenario, folder, call, most):
    """Meets a fault at each call of a kind in turn, as strace injects it; until none is left, or `most` are met.

    Returns:
        For each what it did, how it ended and what is wrong: `[number, exit status, promises, fault]`.
    """
    met = []
    for number in range(1, most + 1):
        acknowledged, place = Acknowledged(), folder / str(number)
        idle = folder / f"idle-{number}"
        work = functools.partial(_spoilt, scenario, place, acknowledged, call=call, number=number, idle=idle)
        code = _fork(work, acknowledged)
        promises, fault = acknowledged.count, ""
        if code == 1 or (code > 1 and str(folder) not in acknowledged.told):
            fault = f"a traceback, or no path: {acknowledged.told}"
        met.append([number, code, promises, fault or _fault(scenario, place, promises)])
        if code == 0 and promises == scenario.done:
            break  # it has no such call left
    return met


def record(scenario, folder, without):
    """Does what a scenario does once, under strace; each promise is a write to /dev/null.

    Where `without` is `fsync` it is a program that never syncs; where it is `folders`, one that syncs files alone.
    """
    acknowledged, sync = Acknowledged(), os.fsync
    if without:
        is_skipped = stat.S_ISDIR if without == "folders" else bool
        os.fsync = lambda file: None if is_skipped(os.fstat(file).st_mode) else sync(file)
        os.sync = lambda: None
    acknowledged.mark = os.open(os.devnull, os.O_WRONLY)
    scenario.write(folder, acknowledged)


def replay(scenario, folder, log, root):
    """Lays out every state that a power cut may leave; gives how many, and what is wrong in the first bad one.

    The log is strace's of `record`, which wrote into `new/folder` of the root.
    """
    number = 0
    for state, promises in power_cut.crashes(log.read_text().splitlines(), root):
        number += 1
        power_cut.lay_out(state, folder / str(number))
        if fault := _fault(scenario, folder / str(number) / "new" / "folder", promises):
            return [number, f"{fault}\n{promises} promises, {list(state)}"]
    return [number, ""]


def main():
    """`SCENARIO FOLDER WHAT ...`: see `spoil`, `record` and `replay`; what was found is in FOLDER/met.json."""
    name, folder, what, *rest = sys.argv[1:]
    without_frameworks()
    scenario, folder = SCENARIOS[name](), Path(folder)
    if what == "record":
        return record(scenario, folder / "new" / "folder", *rest)
    scenario.write(folder / "imports", Acknowledged())  # whatever is imported late is, once and for all
    if what == "spoil":
        met = {
            call: spoil(scenario, folder / call, call, int(rest[0])) for call in CALLS if not (folder / call).mkdir()
        }
    else:
        met = replay(scenario, folder, Path(rest[0]), rest[1])
    return (folder / "met.json").write_text(json.dumps(met))


if __name__ == "__main__":
    main()
