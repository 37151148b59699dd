"""A stranger's files, of every name that dnzoo uses or used for what it removes and replaces."""

# names that dnzoo, its older versions or its libraries gave to what they later removed or replaced
HIDDEN = (
    ".lock", ".owner", ".venv.old/bin/python", ".bashrc.old", ".notes.old/thesis.tex", ".film.mkv.partial",
    ".last.npz.abcd.partial.npz", ".saved_model.x1y2.partial/a", ".a.0123abcd-0123456789ab.partial",
    ".a.0123abcd-0123456789ab.old", "Downloads/.film.mkv.partial", "Downloads/.film.mkv.old/film",
    "incomplete.abc/part", "notes.txt",
)  # fmt: skip
OF_A_RUN = (
    "tensorboard/mine", "tensorboard/events.out.tfevents.1.host.1.0", "tensorboard/run/events.out.tfevents.1",
    "checkpoints/mine.npz", "checkpoints/.last.npz.abcd.partial.npz", "checkpoints/last.npz.old", "samples/mine.png",
    "trials/mine", "config.json.old",
)  # fmt: skip


def fill(folder, *names):
    """Write a stranger's files; a function that fails where one is not as it was."""
    written = {}
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        written[path] = f"a stranger's {name}".encode()
        path.write_bytes(written[path])

    def check():
        for path, content in written.items():
            assert path.read_bytes() == content, path

    return check
