"""A mail server that takes mail after STARTTLS and a login alone; each mail becomes a line of JSON."""

import json
import socket
import ssl
import sys
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

certificate, key, user, password = sys.argv[1:]


class Taken:
    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=policy.default)
        told = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "subject": mail["subject"]}
        told["text"] = mail.get_content()
        told["tls"] = session.ssl is not None
        print(json.dumps(told), flush=True)
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login.decode(), data.password.decode()) == (user, password))


class Bound(Controller):
    """Listens on a socket that is bound already: asked for any port, aiosmtpd would look for itself at port 0."""

    def _create_server(self):
        return self.loop.create_server(self._factory_invoker, sock=listener)


listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
controller = Bound(
    Taken(),
    hostname="127.0.0.1",
    port=port,
    tls_context=context,
    require_starttls=True,
    authenticator=authenticate,
    auth_required=True,
)
controller.start()
print(json.dumps({"port": port}), flush=True)
sys.stdin.read()
