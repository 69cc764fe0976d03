"""Signs the requests that stand on its input, one JSON list, with botocore; writes one JSON list of the fields it sets."""

import datetime
import json
import sys

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

OWN = ("Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-SHA256")


def sign(case):
    at = datetime.datetime.fromtimestamp(case["at"], datetime.timezone.utc)
    botocore.auth.get_current_datetime = lambda *_, **__: at
    request = AWSRequest(case["method"], case["url"], data=bytes.fromhex(case["body"]))
    for name, value in case["headers"]:
        request.headers.add_header(name, value)
    if case["payload"] == "unsigned":
        request.context["payload_signing_enabled"] = False
        request.context["has_streaming_input"] = True
        # S3 leaves a body unsigned where there is another checksum.
        request.context["checksum"] = {"request_algorithm": {"in": "header", "name": "x-amz-checksum-crc32"}}
    if case["payload"] == "trailer":
        request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
    kind = botocore.auth.S3SigV4Auth if case["service"] == "s3" else botocore.auth.SigV4Auth
    credentials = Credentials(case["id"], case["secret"], case["token"])
    kind(credentials, case["service"], case["region"]).add_auth(request)
    return {name.lower(): request.headers[name] for name in OWN if name in request.headers}


json.dump([sign(case) for case in json.load(sys.stdin)], sys.stdout)
