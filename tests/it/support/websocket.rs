//! WebSockets through a gateway.

use std::net::{SocketAddr, TcpStream};

use tokio_tungstenite::tungstenite::{self, ClientHandshake, HandshakeError, WebSocket, handshake::client::Response};

use super::raw;

type Opened = (WebSocket<TcpStream>, Response);
type Failure = HandshakeError<ClientHandshake<TcpStream>>;

/// One that the gateway at this address lets this caller open.
pub(crate) fn open(address: SocketAddr, url: &str, authorization: &str) -> WebSocket<TcpStream> {
    offer(address, url, authorization).expect("a handshake").0
}

/// What becomes of the attempt.
pub(crate) fn offer(address: SocketAddr, url: &str, authorization: &str) -> Result<Opened, Box<Failure>> {
    let stream = raw::open(address).expect("a connection");
    let request = http::Request::builder()
        .uri(url)
        .header("Host", "api.test")
        .header("Authorization", authorization)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", tungstenite::handshake::client::generate_key())
        .body(())
        .expect("a request");
    tungstenite::client(request, stream).map_err(Box::new)
}
