"""Answer TensorFlow Serving's REST requests in TensorFlow alone: to try them where its server can't be had.

It reads the same version folders and gives the same bodies for `:predict` (rows and columns), the status
and the metadata. One process, no batching: not for production.

    python docs/serve.py served --port 8501      # served/<model>/<version>/
"""

import argparse
import base64
import http.server
import json
import re
from pathlib import Path

import tensorflow as tf

ADDRESS = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?(:predict|/metadata)?")


class Models:
    """Models by name, loaded when they are first asked for."""

    def __init__(self, folder):
        self.folder, self.loaded = Path(folder), {}

    def find(self, name, version):
        """(version, {signature: function}) of the version that is asked for, or the newest."""
        there = [int(path.name) for path in self.folder.glob(f"{name}/*") if path.name.isdecimal()]
        wanted = int(version) if version else max(there, default=0)
        if wanted not in there:
            raise LookupError(
                f"Servable not found for request: {name}, version {version or 'latest'}"
            )
        if (name, wanted) not in self.loaded:
            path = self.folder / name / str(wanted)
            self.loaded[name, wanted] = tf.saved_model.load(str(path)).signatures
        return wanted, self.loaded[name, wanted]


def predict(signatures, body):
    """What the server answers to the JSON of a request."""
    name = body.get("signature_name", "serving_default")
    if name not in signatures:
        raise ValueError(f'Serving signature name: "{name}" not found in signature def')
    if bool(body.get("instances")) == bool(body.get("inputs")):
        raise ValueError("give 'instances' or 'inputs', one of the two")
    function = signatures[name]
    specs = function.structured_input_signature[1]
    if "instances" in body:
        rows = [row if _named(row) else dict.fromkeys(specs, row) for row in body["instances"]]
        columns = {key: [row[key] for row in rows] for key in rows[0]}
    else:
        columns = body["inputs"]
        columns = columns if _named(columns) else dict.fromkeys(specs, columns)
    if set(columns) != set(specs):
        raise ValueError(f"inputs are {sorted(specs)}; got {sorted(columns)}")
    given = {key: tf.constant(_decoded(columns[key]), spec.dtype) for key, spec in specs.items()}
    made = {key: value.numpy().tolist() for key, value in function(**given).items()}
    if "inputs" in body:
        return {"outputs": made if len(made) > 1 else next(iter(made.values()))}
    answers = [dict(zip(made, row)) for row in zip(*made.values())]
    return {"predictions": answers if len(made) > 1 else next(iter(made.values()))}


def _named(value):
    return isinstance(value, dict) and set(value) != {"b64"}


def _decoded(value):
    if isinstance(value, list):
        return [_decoded(one) for one in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def described(name, version, signatures):
    """The signatures' inputs and outputs, shorter than the server has it."""

    def tensors(specs):
        return {
            key: {"dtype": f"DT_{spec.dtype.name.upper()}", "shape": str(spec.shape)}
            for key, spec in specs.items()
        }

    return {
        "model_spec": {"name": name, "version": str(version)},
        "signatures": {
            key: {
                "inputs": tensors(function.structured_input_signature[1]),
                "outputs": tensors(function.structured_outputs),
            }
            for key, function in signatures.items()
        },
    }


def server(folder, port):
    """The server of a folder of models; `serve_forever()` starts it."""
    models = Models(folder)

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, verb):
            try:
                found = ADDRESS.fullmatch(self.path)
                if not found or (found[3] == ":predict") != (verb == "POST"):
                    raise LookupError(f"Malformed request: {verb} {self.path}")
                version, signatures = models.find(found[1], found[2])
                if verb == "POST":
                    length = int(self.headers["Content-Length"])
                    body = predict(signatures, json.loads(self.rfile.read(length)))
                elif found[3]:
                    body = described(found[1], version, signatures)
                else:
                    status = {"error_code": "OK", "error_message": ""}
                    state = {"version": str(version), "state": "AVAILABLE", "status": status}
                    body = {"model_version_status": [state]}
                code = 200
            except (ValueError, TypeError, KeyError, tf.errors.OpError) as error:
                code, body = 400, {"error": str(error)}
            except LookupError as error:
                code, body = 404, {"error": str(error)}
            text = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self):
            self.answer("GET")

        def do_POST(self):
            self.answer("POST")

        def log_message(self, *_):
            pass

    return http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="holds <model>/<version>/")
    parser.add_argument("--port", type=int, default=8501)
    options = parser.parse_args()
    server(options.folder, options.port).serve_forever()
