//! Who is asked: says yes to every question, and is asked only once for each kind.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use serde_json::json;

use super::{AUDIENCE, NEVER};

/// Begins to answer on loopback, until the process ends.
pub(super) fn start() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("an address");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.expect("a connection")).expect("a question");
        }
    });
    address
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut question = Vec::new();
    while !is_whole(&question) {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        question.extend_from_slice(&chunk[..read]);
    }
    let question = String::from_utf8_lossy(&question);
    let (more, body) = if question.starts_with("POST /introspect ") {
        let said = json!({"active": true, "sub": "ada", "aud": AUDIENCE, "groups": ["reader"], "exp": NEVER});
        ("", said.to_string())
    } else if question.starts_with("POST /apis/") {
        let user = json!({"username": "system:serviceaccount:prod:ada", "groups": ["reader"]});
        let status = json!({"authenticated": true, "user": user, "audiences": [AUDIENCE]});
        ("", json!({"kind": "TokenReview", "status": status}).to_string())
    } else {
        ("X-User: ada\r\nX-Roles: reader\r\n", String::new())
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn is_whole(question: &[u8]) -> bool {
    let text = String::from_utf8_lossy(question);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    body.len() >= length.unwrap_or(0)
}
