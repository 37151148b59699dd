"""Models from a server that cuts, stalls, lies, redirects, never ends or is not there."""

import http.server
import subprocess
import sys
import threading

import pytest

import dnzoo
from dnzoo.storage import archive, pretrained, remote
from tests.conftest import ROOT

NAME = "espcn_x3"
ENTRY = pretrained.read_index()[NAME]


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "model.zip"
    archive.write(pretrained.CHECKOUT / NAME, path)
    return path.read_bytes()


class Server(http.server.ThreadingHTTPServer):
    """Answers as the first part of a path says; `asked` has the paths, with where they begin."""

    def __init__(self, data):
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.asked, self.closing = data, [], threading.Event()

    def url(self, way):
        return f"http://127.0.0.1:{self.server_port}/{way}"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        way = self.path.split("/")[1]
        begin = int(self.headers.get("Range", "bytes=0-").split("=")[1].rstrip("-"))
        first = not any(path == self.path for path, _ in self.server.asked)
        self.server.asked.append((self.path, begin))
        getattr(self, way.partition("-")[0])(begin, first)

    def send(self, data, begin=0, length=None, status=None):
        total = len(self.server.data)
        self.send_response(status or (206 if begin else 200))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{total - 1}/{total}")
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(data)

    def good(self, begin, first):
        data = self.server.data[begin:]
        self.send(data, begin, len(data))

    def whole(self, begin, first):
        """Knows nothing of ranges, and breaks off once."""
        data = self.server.data
        self.send(data[: len(data) // 2] if first else data, 0, len(data))

    def cut(self, begin, first):
        """Breaks off after half of what is left."""
        data = self.server.data[begin:]
        self.send(data[: len(data) // 2], begin, len(data))

    def once(self, begin, first):
        self.cut(begin, first) if first else self.good(begin, first)

    def lies(self, begin, first):
        self.send(bytes(len(self.server.data)), 0, len(self.server.data))

    def endless(self, begin, first):
        try:
            self.send(b"", 0)
            while not self.server.closing.is_set():
                self.wfile.write(bytes(1 << 16))
        except OSError:
            pass  # the other side has had enough

    def stall(self, begin, first):
        self.send(self.server.data[:100], 0, len(self.server.data))
        self.server.closing.wait()

    def busy(self, begin, first):
        self.send(b"", 0, 0, 503)

    def tired(self, begin, first):
        self.busy(begin, first) if first else self.good(begin, first)

    def missing(self, begin, first):
        self.send(b"", 0, 0, 404)

    def moved(self, begin, first):
        self.send_response(302)
        self.send_header("Location", self.path.replace("moved", "good", 1))
        self.end_headers()

    def circle(self, begin, first):
        self.send_response(302)
        self.send_header("Location", self.path)
        self.end_headers()


@pytest.fixture
def server(packed, monkeypatch):
    monkeypatch.setattr(remote, "PAUSE", 0)
    with Server(packed) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.closing.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Nothing is on this machine."""
    monkeypatch.setenv("DNZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pretrained, "CHECKOUT", tmp_path / "no checkout")
    monkeypatch.setattr(pretrained, "SHIPPED", tmp_path / "nothing shipped")
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("way", "begins"),
    [
        ("good", [0]),
        ("once", [0, remote.CHUNK]),
        ("whole", [0, remote.CHUNK]),
        ("tired", [0, 0]),
        ("moved", [0, 0]),
    ],
)
def test_it_comes(server, home, monkeypatch, capsys, way, begins):
    """What came before a cut is not asked for again; the folder is the published one to the bit."""
    monkeypatch.setenv("DNZOO_URL", server.url(way))
    folder = pretrained.find(NAME)
    assert folder == home / NAME and [begin for _, begin in server.asked] == begins
    theirs, ours = archive.files(ROOT / "saved_models" / NAME), archive.files(folder)
    assert {k: v.read_bytes() for k, v in ours.items()} == {
        k: v.read_bytes() for k, v in theirs.items()
    }
    said = capsys.readouterr()
    assert not said.out and f"Getting {NAME} (0.1 MB) from {server.url(way)}" in said.err
    assert str(home) in said.err.replace("\n", "")
    pretrained.find(NAME)
    assert len(server.asked) == len(begins)


@pytest.mark.parametrize(
    ("way", "error", "message", "asked"),
    [
        ("cut", ConnectionError, r"could not be had \(.*broke off.*dnzoo pack", 4),
        ("stall", ConnectionError, "no answer within 0 seconds", 4),
        ("busy", ConnectionError, "the server answers 503", 4),
        ("circle", ConnectionError, "redirects for ever", None),
        (
            "missing",
            ConnectionError,
            "is not there .the server answers 404.: is DNZOO_URL right",
            1,
        ),
        ("lies", ValueError, "its SHA-256 differs", 1),
        ("endless", ValueError, "sends more than the .* bytes", 1),
    ],
)
def test_it_does_not_come(server, home, monkeypatch, way, error, message, asked):
    """One line says why, and nothing is there but what a later call goes on with."""
    monkeypatch.setattr(remote, "TIMEOUT", (5, 0.05))
    monkeypatch.setenv("DNZOO_URL", server.url(way))
    with pytest.raises(error, match=message) as caught:
        dnzoo.load(NAME)
    assert "\n" not in str(caught.value)
    assert asked is None or len(server.asked) == asked
    assert not (home / NAME).exists()
    monkeypatch.setenv("DNZOO_URL", server.url("good"))
    server.asked.clear()
    assert dnzoo.load(NAME).count_params() == 22_729
    assert (server.asked[0][1] > 0) == (way == "cut")


def test_without_a_network(home, monkeypatch):
    monkeypatch.setattr(remote, "PAUSE", 0)
    monkeypatch.setenv("DNZOO_URL", "http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match=r"could not be had \(no connection\)"):
        pretrained.find(NAME)


def test_a_download_of_another_version_is_replaced(server, home, monkeypatch, capsys):
    """After an update, in which the index lists another file of that name."""
    monkeypatch.setenv("DNZOO_URL", server.url("good"))
    folder = pretrained.find(NAME)
    published = (folder / archive.EXTRA).read_bytes()
    other = {NAME: {**ENTRY, "sha256": "0" * 64}}
    monkeypatch.setattr(pretrained, "read_index", lambda: other)
    assert pretrained.locate(NAME) is None
    with pytest.raises(FileNotFoundError, match="of another version on this machine"):
        pretrained.find(NAME, download=False)
    monkeypatch.setenv("DNZOO_URL", "http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match="could not be had"):  # and what is there stays
        pretrained.find(NAME)
    assert (folder / archive.EXTRA).read_bytes() == published
    assert pretrained.find(folder) == folder  # by its path it is used all the same
    monkeypatch.setenv("DNZOO_URL", server.url("good"))
    capsys.readouterr()
    assert pretrained.find(NAME) == folder and len(server.asked) == 2
    assert f"in the place of another version's {NAME}" in capsys.readouterr().err.replace("\n", " ")
    # a wheel's or a checkout's own is found behind it
    monkeypatch.setattr(pretrained, "SHIPPED", ROOT / "saved_models")
    monkeypatch.setattr(pretrained, "read_index", lambda: {NAME: ENTRY})
    (folder / archive.EXTRA).write_bytes(b"{}")
    assert pretrained.find(NAME) == ROOT / "saved_models" / NAME


def test_what_dnzoo_did_not_download_is_not_replaced(server, home, monkeypatch):
    monkeypatch.setenv("DNZOO_URL", server.url("good"))
    (home / NAME / "assets.extra").mkdir(parents=True)
    (home / NAME / archive.EXTRA).write_text("{}")
    with pytest.raises(
        ValueError, match=r"not as dnzoo downloaded it.*move it away to get it again"
    ):
        pretrained.find(NAME)
    assert not server.asked and (home / NAME / archive.EXTRA).read_text() == "{}"


FIND = f"from dnzoo.storage import pretrained as p; p.CHECKOUT = p.SHIPPED; print(p.find({NAME!r}))"


def test_two_processes_fetch_once(server, home, monkeypatch):
    monkeypatch.setenv("DNZOO_URL", server.url("good"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    code = "import sys; sys.modules['tensorflow'] = None\n" + FIND
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = {process.communicate()[0].strip() for process in both}
    assert found == {str(home / NAME)} and len(server.asked) == 1


def test_an_archive_leads_nowhere_else(tmp_path):
    import zipfile

    for name in ("../out", "/out"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
            made.writestr(name, "x")
        (tmp_path / "in").mkdir(exist_ok=True)
        with pytest.raises(ValueError, match="which is no file of a model"):
            archive.extract(tmp_path / "a.zip", tmp_path / "in", 100)
    with pytest.raises(ValueError, match="more than the 0 bytes"):
        archive.extract(tmp_path / "a.zip", tmp_path / "in", 0)
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with pytest.raises(ValueError, match="is damaged"):
        archive.extract(tmp_path / "a.zip", tmp_path / "in", 100)
    assert {path.name for path in tmp_path.rglob("*")} == {"a.zip", "in"}


def test_packed_for_machines_without_a_network(tmp_path, home):
    """A folder for DNZOO_HOME; a wheel whose record pip checks, and which lies where `find` looks."""
    source = ROOT / "saved_models" / NAME
    published = {name: file.read_bytes() for name, file in archive.files(source).items()}
    pretrained.pack([source], tmp_path / "folder")
    with pytest.raises(FileExistsError):
        pretrained.pack([source], tmp_path / "folder")
    with pytest.raises(ValueError, match=r"call it .*/dnzoo_models-.*-py3-none-any\.whl"):
        pretrained.pack([source], tmp_path / "mine.whl")
    wheel = tmp_path / f"dnzoo_models-{dnzoo.__version__}-py3-none-any.whl"
    assert pretrained.pack([source], wheel) == wheel
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*command, "--target", tmp_path / "site", wheel], check=True)
    for made in (tmp_path / "folder", tmp_path / "site/dnzoo/pretrained"):
        found = {name: file.read_bytes() for name, file in archive.files(made / NAME).items()}
        assert found == published
