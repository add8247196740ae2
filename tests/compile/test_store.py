"""Code on disk: what is found again, what is refused, and what is removed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from wengert.compile import store as module
from wengert.compile.store import Store, default_folder, key, store

posix = pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
IR = "define i32 @f() { ret i32 7 }"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A private folder that the environment names, and no memory of others."""
    found = tmp_path / "private"
    found.mkdir(mode=0o700)
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(found / "cache"))
    monkeypatch.delenv("WENGERT_CACHE", raising=False)
    module._store_in.cache_clear()
    yield found
    module._store_in.cache_clear()


# -- entries ---------------------------------------------------------------------------------------


def test_what_was_put_is_found_again(tmp_path):
    Store(tmp_path).put("a", b"content")
    assert Store(tmp_path).get("a") == b"content"
    assert Store(tmp_path).get("b") is None


def test_an_entry_can_be_replaced_and_be_empty(tmp_path):
    kept = Store(tmp_path)
    kept.put("a", b"first")
    kept.put("a", b"")
    assert kept.get("a") == b""


def test_without_a_folder_nothing_is_kept():
    kept = Store(None)
    kept.put("a", b"content")
    assert kept.get("a") is None


@pytest.mark.parametrize("length", [0, 5, 40, -1])
def test_a_truncated_entry_is_no_entry_and_is_removed(tmp_path, length):
    kept = Store(tmp_path)
    kept.put("a", b"content")
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:length])
    assert kept.get("a") is None
    assert not path.exists()


def test_every_changed_byte_is_noticed(tmp_path):
    kept = Store(tmp_path)
    kept.put("a", b"content")
    (path,) = tmp_path.iterdir()
    good = path.read_bytes()
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert kept.get("a") is None
    path.write_bytes(good)
    assert kept.get("a") == b"content"


def test_code_is_compiled_once(tmp_path, monkeypatch):
    calls = []

    def compiled(ir, level):
        calls.append((ir, level))
        return b"code"

    monkeypatch.setattr(module, "compile_object", compiled)
    assert Store(tmp_path).compile(IR) == b"code"
    assert Store(tmp_path).compile(IR) == b"code"
    assert Store(tmp_path).compile(IR, 1) == b"code"
    assert calls == [(IR, 3), (IR, 1)]


def test_entries_that_were_not_used_for_longest_are_removed(tmp_path):
    kept = Store(tmp_path, limit=1000)
    for number in range(10):
        Store(tmp_path).put(f"{number}", bytes(100))
    now = time.time()
    for age, path in enumerate(sorted(tmp_path.iterdir(), reverse=True)):
        os.utime(path, (now - age, now - age))
    assert kept.get("0") is not None  # the oldest becomes the youngest
    kept.put("new", bytes(100))
    left = {path.stem for path in tmp_path.iterdir()}
    assert {"0", "new", "9"} <= left
    assert not {"1", "2", "3"} & left
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000


def test_what_is_larger_than_the_limit_is_not_kept(tmp_path):
    Store(tmp_path, limit=10).put("a", bytes(11))
    assert list(tmp_path.iterdir()) == []


def test_other_files_stay_and_forgotten_temporary_ones_go(tmp_path):
    for name in ("notes.txt", "new.tmp", "old.tmp"):
        (tmp_path / name).write_text("x")
    os.utime(tmp_path / "old.tmp", (0, 0))
    Store(tmp_path, limit=0).put("a", b"")
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "new.tmp"}


def test_a_disk_that_fails_is_no_error(tmp_path, monkeypatch):
    kept = Store(tmp_path)

    def full(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    kept.put("a", b"content")
    assert kept.get("a") is None
    assert list(tmp_path.iterdir()) == []
    Store(tmp_path / "gone").put("a", b"content")


def test_threads_and_processes_write_and_read_at_once(tmp_path):
    text = f"""
from pathlib import Path
from wengert.compile.store import Store
kept = Store(Path({str(tmp_path)!r}), limit=200_000)
for number in range(150):
    name = str(number % 7)
    kept.put(name, name.encode() * 5000)
    found = kept.get(str((number + 3) % 7))
    assert found is None or found == str((number + 3) % 7).encode() * 5000
"""
    processes = [subprocess.Popen([sys.executable, "-c", text]) for _ in range(2)]
    threads = [threading.Thread(target=exec, args=(text, {})) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.wait(60) for each in processes] == [0, 0]
    assert not list(tmp_path.glob("*.tmp"))


# -- keys ------------------------------------------------------------------------------------------


def test_a_key_is_of_its_parts_and_where_one_ends():
    assert key("a", "b") == key("a", b"b")
    assert len({key("a", "b"), key("ab"), key("b", "a"), key("a"), key()}) == 5
    assert len(bytes.fromhex(key("a"))) == hashlib.sha256().digest_size


@pytest.mark.parametrize("what", ["llvm", "cpu", "features", "triple"])
def test_a_key_is_of_the_machine(monkeypatch, what):
    import dataclasses

    before = key("a")
    other = dataclasses.replace(module.host(), **{what: "another"})
    monkeypatch.setattr(module, "host", lambda: other)
    module._digest_of_environment.cache_clear()
    try:
        assert key("a") != before
    finally:
        module._digest_of_environment.cache_clear()


def test_a_key_is_of_this_package_and_the_mathematical_library(monkeypatch):
    keys = [key("a")]
    for change in (
        lambda: monkeypatch.setattr(module, "_package", lambda: "another version"),
        lambda: monkeypatch.setattr(type(module.mathlib()), "identity", "another library"),
    ):
        change()
        module._digest_of_environment.cache_clear()
        keys.append(key("a"))
    module._digest_of_environment.cache_clear()
    assert len(set(keys)) == 3


def test_a_changed_file_is_another_package(tmp_path):
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b.py").write_text("2")
    before = sorted(module._sources(str(tmp_path)))
    assert len(before) == 2
    (tmp_path / "below" / "b.py").write_text("23")
    assert sorted(module._sources(str(tmp_path))) != before


@pytest.mark.slow(reason="starts processes")
def test_a_package_that_is_replaced_while_a_process_runs_is_not_what_that_compiles_with(tmp_path):
    package = tmp_path / "wengert"
    shutil.copytree(Path(module.__file__).parents[1], package)
    code = """
import sys
from wengert.compile import store
if "replace" in sys.argv:
    with open(store.__file__, "a") as file:
        file.write("\\n")
print(store.__file__, store.key("a"))
"""

    def named(*arguments):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        place, name = done.stdout.split()
        assert place.startswith(str(tmp_path))
        return name

    first = named()
    assert named("replace") == first
    assert named() != first


# -- which folder ----------------------------------------------------------------------------------


def test_the_environment_names_the_folder(folder):
    kept = store()
    assert kept.folder == (folder / "cache").resolve()
    assert store() is kept
    kept.put("a", b"content")
    assert len(list((folder / "cache").iterdir())) == 1


@pytest.mark.parametrize("switch", ["0", "off", "no", "False"])
def test_the_environment_switches_it_off(folder, monkeypatch, switch):
    monkeypatch.setenv("WENGERT_CACHE", switch)
    assert store().folder is None
    assert not (folder / "cache").exists()


def test_the_platforms_folder_is_the_default(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/some/where")
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setattr(sys, "platform", "linux")
    if os.name != "nt":
        assert default_folder() == Path("/some/where/wengert")
        monkeypatch.setenv("XDG_CACHE_HOME", "relative, which the standard says to ignore")
        assert default_folder() == Path("/home/somebody/.cache/wengert")
        monkeypatch.setattr(sys, "platform", "darwin")
        assert default_folder() == Path("/home/somebody/Library/Caches/wengert")


@posix
def test_a_new_folder_is_the_users_alone(folder, monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(folder / "a" / "b"))
    old = os.umask(0)
    try:
        found = store().folder
    finally:
        os.umask(old)
    assert found is not None
    assert found.stat().st_mode & 0o777 == 0o700
    assert found.parent.stat().st_mode & 0o777 == 0o700


def refusal():
    """The warning with which the environment's folder is refused."""
    with pytest.warns(RuntimeWarning, match="not kept on disk") as found:
        assert store().folder is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store().folder is None  # said once
    return str(found[0].message)


@posix
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o720, 0o777, 0o1777])
def test_a_folder_that_others_can_write_into_is_refused(folder, mode):
    (folder / "cache").mkdir()
    (folder / "cache").chmod(mode)
    assert "others can write into" in refusal()
    assert list((folder / "cache").iterdir()) == []


@posix
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_above_that_others_can_write_into_is_refused(tmp_path, monkeypatch, folder, mode):
    open_above = tmp_path / "open"
    (open_above / "cache").mkdir(parents=True, mode=0o700)
    # The folder of temporary files is often private as a whole.
    monkeypatch.setattr(module, "_entered_by_others", lambda status: True)
    open_above.chmod(mode)
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(open_above / "cache"))
    assert f"others can write into {open_above.resolve()}" in refusal()


@posix
def test_a_sticky_folder_above_is_fine(tmp_path, monkeypatch, folder):
    above = tmp_path / "sticky"
    above.mkdir()
    above.chmod(0o1777)
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(above / "cache"))
    assert store().folder is not None


@posix
def test_below_a_folder_that_others_cannot_enter_they_cannot_write(folder, monkeypatch):
    (folder / "shared").mkdir()
    (folder / "shared").chmod(0o770)
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(folder / "shared" / "cache"))
    assert store().folder is not None


@posix
def test_a_folder_of_somebody_else_is_refused(folder, monkeypatch):
    (folder / "cache").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert "belongs to somebody else" in refusal()


@posix
def test_a_link_of_somebody_else_is_refused(folder, monkeypatch):
    (folder / "real").mkdir(mode=0o700)
    (folder / "cache").symlink_to(folder / "real")
    assert store().folder == (folder / "real").resolve()
    module._store_in.cache_clear()
    monkeypatch.setattr(module, "_trusted", lambda owner: False)
    assert "is a link that belongs to somebody else" in refusal()


@posix
def test_a_link_into_a_folder_that_others_can_write_into_is_refused(folder):
    (folder / "real").mkdir()
    (folder / "real").chmod(0o777)
    (folder / "cache").symlink_to(folder / "real")
    assert "others can write into" in refusal()


@posix
def test_a_file_of_somebody_else_is_not_read(tmp_path, monkeypatch):
    kept = Store(tmp_path)
    kept.put("a", b"content")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert kept.get("a") is None


def test_a_folder_that_cannot_be_made_is_silently_none(folder, monkeypatch):
    (folder / "file").write_text("")
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(folder / "file" / "cache"))
    assert store().folder is None
