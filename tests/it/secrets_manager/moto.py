"""AWS as moto stands in for it: whoever asks needs an access key, a signature that is right, and a policy. Each line is one call of boto3
that is made there."""

import base64
import json
import sys

import boto3
from moto import settings
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"

server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(sys.argv[1]), verbose=False)
server.start()
host, port = server.get_host_and_port()


def client(service, key):
    named = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    return boto3.client(service, region_name=REGION, endpoint_url=f"http://{host}:{port}", **named)


def user(name, action):
    """Somebody who may do this, and no more; with a key."""
    iam.create_user(UserName=name)
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(allowed))
    return iam.create_access_key(UserName=name)["AccessKey"]


iam = client("iam", {"AccessKeyId": "nobody", "SecretAccessKey": "nothing"})
reader, owner = user("reader", "secretsmanager:GetSecretValue"), user("owner", "*")
# From here on, signatures are looked at.
settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
clients = {service: client(service, owner) for service in ["secretsmanager", "iam"]}
print(json.dumps({"port": port, "id": reader["AccessKeyId"], "secret": reader["SecretAccessKey"]}), flush=True)

for line in sys.stdin:
    service, call, arguments = json.loads(line)
    if "SecretBinary" in arguments:
        arguments["SecretBinary"] = base64.b64decode(arguments["SecretBinary"])
    print(json.dumps(getattr(clients[service], call)(**arguments), default=str), flush=True)
