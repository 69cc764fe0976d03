"""A receiver of logs and spans (OTLP/HTTP), which decodes with the official protobufs and writes what it was sent to files, one JSON object a
line: arguments are a port and a folder. While the folder has a file `away`, it answers 503 and keeps nothing."""

import gzip
import http.server
import json
import os
import sys

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

PORT, FOLDER = int(sys.argv[1]), sys.argv[2]
KINDS = {
    "/v1/logs": (ExportLogsServiceRequest, ExportLogsServiceResponse, "logs"),
    "/v1/traces": (ExportTraceServiceRequest, ExportTraceServiceResponse, "traces"),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if os.path.exists(os.path.join(FOLDER, "away")):
            return self.answer(503, b"")
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        request, response, name = KINDS[self.path]
        message = request.FromString(body)
        # Nothing that was sent may be unknown to the official definitions.
        assert message.SerializeToString(deterministic=True) and self.headers["Content-Type"] == "application/x-protobuf"
        told = {"proof": self.headers.get("Authorization"), "message": MessageToDict(message)}
        with open(os.path.join(FOLDER, name), "a") as file:
            file.write(json.dumps(told) + "\n")
        self.answer(200, response().SerializeToString())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
server.daemon_threads = True
server.serve_forever()
