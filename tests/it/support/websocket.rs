//! WebSockets through a gateway.

use std::net::{SocketAddr, TcpStream};

use tokio_tungstenite::tungstenite::{self, WebSocket};

/// One that the gateway at this address lets this caller open.
pub(crate) fn open(address: SocketAddr, url: &str, authorization: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(address).expect("a connection");
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
    tungstenite::client(request, stream).expect("a handshake").0
}
