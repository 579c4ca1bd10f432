"""What a disk may hold after a power cut, by a record of system calls: a small model of a file system's promises.

POSIX promises what was synced. Here the rest may be lost as a journalling file system may lose it: of the names in each
folder the latest changes, of each file what was written last, wholly, by half, or as zeros.
"""

import itertools
import re
from pathlib import Path

TRACED = (
    "openat,write,pwrite64,lseek,ftruncate,fsync,fdatasync,close,rename,renameat,renameat2,unlink,unlinkat,mkdir,rmdir,"
    "sync"
)
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)")
_UNFINISHED = re.compile(r"(^|/)(unfinished-[^/]*|[^/]*\.tmp|\.[^/]*)$")
MOST = 2_000  # states of a disk at a moment; ours come to a few dozen


class File:
    """Content as it is, and every content that the disk may have had since the last sync."""

    def __init__(self):
        self.content, self.possible = b"", [b""]

    def write(self, data, offset):
        """Writes data, of which the disk may get half, or only the room."""
        before = self.content.ljust(offset, b"\0")
        self.content = before[:offset] + data + before[offset + len(data) :]
        half = before[:offset] + data[: len(data) // 2] + before[offset + len(data) // 2 :]
        self.possible += [half, before[:offset] + bytes(len(data)) + before[offset + len(data) :], self.content]

    def truncate(self, size):
        """Cuts the content off."""
        self.content = self.content[:size].ljust(size, b"\0")
        self.possible.append(self.content)

    def sync(self):
        """Waits for the disk."""
        self.possible = [self.content]


class Folder:
    """Names as they are, and as they may be on the disk: after any number of their latest changes are lost."""

    def __init__(self):
        self.content, self.possible = {}, [{}]

    def change(self, *removed, **_):
        """Notes a change that is lost as a whole or not at all."""
        for name in removed:
            self.content.pop(name, None)
        self.possible.append(dict(self.content))

    def sync(self):
        """Waits for the disk."""
        self.possible = [dict(self.content)]


class Disk:
    """Follows system calls below one folder, which was there before and is empty.

    Attributes:
        promises: How many writes to /dev/null there were: each says that what was done will stay.
    """

    def __init__(self, root):
        self.root, self.top, self.promises = str(root), Folder(), 0
        self._open = {}

    def follow(self, line):
        """Takes a line of strace; gives whether anything changed."""
        match = _CALL.match(line)
        if not match or int(match[3]) < 0:
            return False
        call, result = match[1], int(match[3])
        arguments = [_text(argument) for argument in match[2].split(", ")]
        return bool(getattr(self, f"_{call}")(result, *arguments))

    def _place(self, path):
        """The folder that holds a path, and its name there; None for what is elsewhere."""
        if not path.startswith(self.root + "/"):
            return None
        *above, name = path[len(self.root) + 1 :].split("/")
        folder = self.top
        for part in above:
            folder = folder.content[part]
        return folder, name

    def _openat(self, result, _, path, flags, *__):
        self._open.pop(result, None)
        if path == "/dev/null":
            self._open[result] = [path, 0, False]
        if path == self.root:
            self._open[result] = [self.top, 0, False]
        place = self._place(path)
        if place is None:
            return False
        folder, name = place
        new = name not in folder.content
        if new:
            folder.content[name] = File()
            folder.change()
        node = folder.content[name]
        if "O_TRUNC" in flags and not new:
            node.truncate(0)
        self._open[result] = [node, 0, "O_APPEND" in flags]
        return True

    def _write(self, result, file, data, _):
        node, offset, appends = self._open.get(int(file), (None, 0, False))
        if node == "/dev/null":
            self.promises += 1
            return True
        if not isinstance(node, File):
            return False
        offset = len(node.content) if appends else offset
        node.write(data[:result].encode("latin-1"), offset)
        self._open[int(file)][1] = offset + result
        return True

    def _pwrite64(self, result, file, data, _, offset):
        node = self._open.get(int(file), (None,))[0]
        if not isinstance(node, File):
            return False
        node.write(data[:result].encode("latin-1"), int(offset))
        return True

    def _lseek(self, result, file, *_):
        if int(file) in self._open:
            self._open[int(file)][1] = result

    def _ftruncate(self, _, file, size):
        node = self._open.get(int(file), (None,))[0]
        return isinstance(node, File) and node.truncate(int(size)) is None

    def _fsync(self, _, file):
        node = self._open.get(int(file), (None,))[0]
        return isinstance(node, File | Folder) and node.sync() is None

    _fdatasync = _fsync

    def _sync(self, *_):
        waiting = [self.top]
        for node in waiting:
            node.sync()
            waiting += node.content.values() if isinstance(node, Folder) else ()

    def _close(self, _, file):
        self._open.pop(int(file), None)

    def _rename(self, _, old, new):
        source, target = self._place(old), self._place(new)
        if source is None or target is None:
            return False
        assert source[0] is target[0], f"{old} is renamed into another folder: two changes, of which one may be lost"
        folder = source[0]
        folder.content[target[1]] = folder.content.pop(source[1])
        folder.change()
        return True

    def _renameat2(self, result, _, old, __, new, *___):
        return self._rename(result, old, new)

    _renameat = _renameat2

    def _unlink(self, _, path):
        place = self._place(path)
        return place is not None and place[0].change(place[1]) is None

    _rmdir = _unlink

    def _unlinkat(self, _, __, path, ___):
        return self._unlink(_, path)

    def _mkdir(self, _, path, __):
        place = self._place(path)
        if place is None:
            return False
        place[0].content[place[1]] = Folder()
        place[0].change()
        return True

    def states(self):
        """Everything that the disk may hold now: for each path its content, None for a folder."""
        for number, state in enumerate(_states(self.top, "")):
            assert number < MOST, "too much is left unsynced at once"
            yield state


def _states(folder, path):
    for names in {tuple(sorted(names.items(), key=lambda item: item[0])): names for names in folder.possible}.values():
        parts = []
        for name, node in sorted(names.items()):
            below = f"{path}/{name}" if path else name
            if isinstance(node, File):
                parts.append([{below: content} for content in dict.fromkeys(node.possible)])
            else:
                parts.append([{below: None} | state for state in _states(node, below)])
        for chosen in itertools.product(*parts):
            yield {name: content for part in chosen for name, content in part.items()}


def _text(argument):
    """An argument of a call; strace writes text in hexadecimal."""
    if argument.startswith('"'):
        return bytes.fromhex(argument.strip('".').replace("\\x", "")).decode("latin-1")
    return argument


def crashes(lines, root):
    """Yields every state that a power cut may leave, at any moment of a record, with the promises made by then.

    A state comes again only with more promises. Of unfinished files the content is left out: nobody reads it.

    Args:
        lines: Of strace, with `-xx`.
        root: The folder that is looked at.
    """
    disk, most = Disk(root), {}
    for line in lines:
        if disk.follow(line):
            for state in disk.states():
                state = {name: b"" if _UNFINISHED.search(name) else content for name, content in state.items()}
                key = tuple(state.items())
                if disk.promises > most.get(key, -1):
                    most[key] = disk.promises
                    yield state, disk.promises


def lay_out(state, folder):
    """Makes a folder look like a state."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    for name, content in sorted(state.items()):
        if content is None:
            (folder / name).mkdir(exist_ok=True)
        else:
            (folder / name).write_bytes(content)
