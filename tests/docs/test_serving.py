"""The requests and lines of docs/serving.md work as they stand there, against docs/serve.py."""

import contextlib
import importlib.util
import json
import re
import subprocess
import threading

import numpy as np
from PIL import Image

import dnzoo
from dnzoo.commands import main
from tests.conftest import ROOT, slow

PAGE = (ROOT / "docs/serving.md").read_text("utf-8")
PORT = "8501"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@contextlib.contextmanager
def serving(folder):
    """The port of docs/serve.py at work."""
    specification = importlib.util.spec_from_file_location("serve", ROOT / "docs/serve.py")
    serve = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(serve)
    server = serve.server(folder, 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield str(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@slow
def test_the_lines_of_docs_serving(tmp_path, monkeypatch):
    """Run as written, but for a smaller net of the same name and a free port."""
    monkeypatch.chdir(tmp_path)
    names = [f"class {number}" for number in range(9)]
    model = dnzoo.unet((None, None, 3), classes=9, filters=(4, 8), include_preprocessing=True)
    dnzoo.save(model, "unet_cutouts", class_names=names)
    noise = np.random.default_rng(0).integers(0, 256, (8, 6, 3), "uint8")
    Image.fromarray(noise).resize((48, 64), Image.Resampling.BICUBIC).save("photo.jpg")
    exports, *requests = blocks("bash")
    for line in exports.splitlines():
        main(line.split()[1:])
    with serving("served") as port:
        done = [
            subprocess.run(
                ["bash", "-ec", request.replace(PORT, port)], capture_output=True, check=True
            )
            for request in requests
        ]
        code = "".join(blocks("python"))
        assert code.count(PORT) == 1
        found = {}
        exec(code.replace(PORT, port), found)
        wrong = {"signature_name": "image_bytes", "instances": [{"b64": "AAAA"}]}
        answer = found["requests"].post(found["url"].replace(PORT, port), json=wrong, timeout=60)
        assert answer.status_code == 400
        assert "must be a JPEG or PNG file" in answer.json()["error"]
    assert b"AVAILABLE" in done[0].stdout and b"DT_STRING" in done[0].stdout
    expected = dnzoo.predict(model, found["image"])
    (answer,) = json.loads((tmp_path / "answer.json").read_text())["predictions"]
    np.testing.assert_array_equal(answer["classes"], expected.argmax(-1))
    np.testing.assert_array_equal(found["classes"], expected.argmax(-1))
    np.testing.assert_array_equal(found["of_tensorflow"], expected.argmax(-1))
    np.testing.assert_allclose(found["of_openvino"], expected, atol=1e-4)
    assert found["about"]["input_range"] == "[0, 255]" and found["names"] == names
    assert found["of_litert"].shape == (128, 128, 9)
