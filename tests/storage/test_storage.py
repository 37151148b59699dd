"""Names that only dnzoo gives, exchange, and folders in which nothing of others is replaced."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnzoo import storage
from dnzoo.storage import folder, temporary, whole

NAMES = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=40
).filter(lambda name: name not in (".", ".."))


@given(NAMES, st.sampled_from([temporary.PARTIAL, temporary.OLD]))
def test_a_marked_name_leads_to_its_path_alone(tmp_path_factory, name, kind):
    path = tmp_path_factory.getbasetemp() / name
    made = temporary.marked(path, kind)
    assert made.suffix == path.suffix or not path.suffix
    assert temporary.target(made, kind) == path
    other = temporary.OLD if kind == temporary.PARTIAL else temporary.PARTIAL
    assert temporary.target(made, other) is None
    # one other character, and it is a stranger's
    for i, character in enumerate(made.name):
        changed = made.name[:i] + ("0" if character != "0" else "1") + made.name[i + 1 :]
        assert temporary.target(made.with_name(changed), kind) is None


@given(NAMES)
def test_no_other_name_is_taken_for_ours(tmp_path_factory, name):
    path = tmp_path_factory.getbasetemp() / name
    assert (
        temporary.target(path, temporary.PARTIAL) is temporary.target(path, temporary.OLD) is None
    )


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_is_replaced_whole(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(temporary, "exchange", lambda a, b: False)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/old").write_text("old")
    with storage.new_folder(tmp_path / "a", overwrite=True) as partial:
        (partial / "new").write_text("new")
        assert (tmp_path / "a/old").read_text() == "old"
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "new"]


def test_where_an_exchange_is_possible_it_is_done(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").mkdir()
    if temporary.exchange(tmp_path / "a", tmp_path / "b"):
        assert (tmp_path / "b").read_text() == "a" and (tmp_path / "a").is_dir()
    else:
        assert os.name != "posix"  # Linux and macOS can, where these tests run
    with pytest.raises(OSError, match=r"No such file") as raised:
        temporary.exchange(tmp_path / "a", tmp_path / "none")
    assert raised.value.filename


@pytest.mark.parametrize("fails_at", [1, 2])
def test_stopped_between_two_renames_the_old_one_is_put_back(tmp_path, monkeypatch, fails_at):
    monkeypatch.setattr(temporary, "exchange", lambda a, b: False)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/old").write_text("old")
    replace, calls = os.replace, []

    def stop(a, b):
        calls.append(a)
        if len(calls) == fails_at:
            raise KeyboardInterrupt
        replace(a, b)

    monkeypatch.setattr(whole.os, "replace", stop)
    with pytest.raises(KeyboardInterrupt), storage.new_folder(tmp_path / "a", True) as partial:
        (partial / "new").write_text("new")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "old"]


@pytest.mark.parametrize("next_is", ["owned", "new_folder"])
def test_killed_between_two_renames_the_old_one_is_put_back(tmp_path, next_is):
    old = temporary.marked(tmp_path / "a", temporary.OLD)
    old.mkdir()
    (old / "old").write_text("old")
    if next_is == "owned":
        with storage.owned(tmp_path):
            assert (tmp_path / "a/old").read_text() == "old"
    else:
        with pytest.raises(FileExistsError), storage.new_folder(tmp_path / "a"):
            pass
        assert (tmp_path / "a/old").read_text() == "old"


def test_what_was_replaced_is_removed_by_the_next_owner(tmp_path):
    old = temporary.marked(tmp_path / "a", temporary.OLD)
    old.mkdir()
    (tmp_path / "a").mkdir()
    with storage.owned(tmp_path):
        assert not old.exists() and (tmp_path / "a").is_dir()


def test_a_link_goes_on_to_be_one(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/old").touch()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    with storage.new_folder(tmp_path / "link", overwrite=True) as partial:
        (partial / "new").touch()
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["new"]


def test_nothing_is_replaced_unasked(tmp_path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(FileExistsError, match=r"exists already"), storage.new_file(tmp_path / "a"):
        pass
    with pytest.raises(FileExistsError), storage.new_file(tmp_path / "b") as partial:
        partial.write_text("new")
        (tmp_path / "b").write_text("mine")  # somebody was faster
    assert (tmp_path / "b").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


class TestOwned:
    def test_replaces_its_own_and_nothing_else(self, tmp_path):
        with storage.owned(tmp_path, alone=True) as mine:
            mine.write_json("a", 1)
            mine.write_json("a", 2)
        with storage.owned(tmp_path, alone=True) as mine:
            mine.write_json("a", 3)
            (tmp_path / "a").write_text("mine")
            with pytest.raises(FileExistsError, match=r"or was changed since"):
                mine.write_json("a", 4)
            (tmp_path / "b").write_text("mine")
            with pytest.raises(FileExistsError, match=r"not made by dnzoo"):
                mine.write_json("b", 4)
        assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "mine"

    def test_knows_a_folder_by_all_it_holds(self, tmp_path):
        with storage.owned(tmp_path, alone=True) as mine:
            for text in ("1", "2"):
                with mine.new_folder("model") as partial:
                    (partial / "weights").write_text(text)
            (tmp_path / "model/mine").write_text("mine")
            with pytest.raises(FileExistsError), mine.new_folder("model") as partial:
                pass
        assert (tmp_path / "model/mine").read_text() == "mine"

    @pytest.mark.parametrize("times", [1, 2])
    def test_killed_before_a_file_appears_it_is_still_its_own(self, tmp_path, monkeypatch, times):
        with storage.owned(tmp_path) as mine:
            mine.write_json("a", 1)
        replace = os.replace

        def stop(partial, path):
            if path.name == "a":
                raise KeyboardInterrupt
            replace(partial, path)

        for text in range(times):
            monkeypatch.setattr(whole.os, "replace", stop)
            with storage.owned(tmp_path) as mine, pytest.raises(KeyboardInterrupt):
                mine.write_json("a", [text])
        monkeypatch.undo()
        assert (tmp_path / "a").read_text() == "1\n"
        with storage.owned(tmp_path) as mine:
            assert mine.holds("a")
            mine.write_json("a", 5)

    def test_a_copied_folder_goes_on(self, tmp_path):
        import shutil

        with storage.owned(tmp_path / "a") as mine:
            mine.write_json("a", 1)
        shutil.copytree(tmp_path / "a", tmp_path / "b", copy_function=shutil.copyfile)
        with storage.owned(tmp_path / "b", alone=True) as mine:
            mine.write_json("a", 2)

    def test_removes_its_own_alone(self, tmp_path):
        with storage.owned(tmp_path) as mine:
            mine.write_json("logs/a", 1)
            (tmp_path / "logs/growing").write_text("b")
            mine.note("logs/growing")
            (tmp_path / "logs/growing").write_text("bc")
            (tmp_path / "logs/mine").write_text("mine")
            mine.remove("logs")
            assert [path.name for path in (tmp_path / "logs").iterdir()] == ["mine"]
            (tmp_path / "logs/mine").unlink()
            mine.remove("logs")
        assert not (tmp_path / "logs").exists()

    def test_alone_refuses_what_others_filled(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a/.DS_Store").touch()
        (tmp_path / "a/evaluation.json").touch()
        with storage.owned(tmp_path / "a", alone=True, beside=("evaluation.json",)):
            pass
        (tmp_path / "b").mkdir()
        (tmp_path / "b/thesis.tex").touch()
        with (
            pytest.raises(FileExistsError, match=r"b is not empty \(thesis.tex\)"),
            storage.owned(tmp_path / "b", alone=True),
        ):
            pass
        assert [path.name for path in (tmp_path / "b").iterdir()] == ["thesis.tex"]

    @pytest.mark.parametrize("name", ["lock", "owner"])
    def test_a_strangers_lock_is_left_alone(self, tmp_path, name):
        (tmp_path / folder.OWN).mkdir()
        (tmp_path / folder.OWN / name).write_text("mine")
        with pytest.raises(FileExistsError, match=r"did not make"), storage.owned(tmp_path):
            pass
        assert (tmp_path / folder.OWN / name).read_text() == "mine"

    def test_a_damaged_record_is_named(self, tmp_path):
        (tmp_path / folder.OWN).mkdir()
        (tmp_path / folder.MADE).write_text("{")
        with pytest.raises(ValueError, match=r"made\.json can't be read"), storage.owned(tmp_path):
            pass
