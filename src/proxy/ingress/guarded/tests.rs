//! The guard over an in-memory pipe and a paused clock.

use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::sleep;

use super::*;
use crate::domain::{HttpFault, Name};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

struct Rig {
    guarded: Guarded,
    client: DuplexStream,
    connection: Arc<Connection>,
    gate: Arc<Gate>,
}

fn rig() -> Rig {
    let gate = Gate::new(Settings::new(Name::parse("public").expect("name")));
    let address = "192.0.2.1:7".parse().expect("address");
    let name = gate.settings().listener.clone();
    let connection = Arc::new(Connection::new(name, address, address, false, None));
    let (client, server) = duplex(128);
    let guarded = Guarded::new(Box::new(server), Arc::clone(&connection), Arc::clone(&gate)).expect("guarded");
    Rig { guarded, client, connection, gate }
}

impl Rig {
    /// The error that ends reading, and after how many seconds it comes.
    async fn read_to_error(&mut self) -> (io::ErrorKind, u64) {
        let begun = Instant::now();
        let mut buf = [0; 4096];
        loop {
            match self.guarded.read(&mut buf).await {
                Ok(0) => return (io::ErrorKind::UnexpectedEof, begun.elapsed().as_secs()),
                Ok(_) => {}
                Err(e) => return (e.kind(), begun.elapsed().as_secs()),
            }
        }
    }

    async fn receive(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.expect("write");
        let mut received = vec![0; bytes.len()];
        self.guarded.read_exact(&mut received).await.expect("read");
        assert_eq!(received, bytes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed_after_the_idle_time_counted_anew_for_each_exchange() {
    let mut rig = rig();
    sleep(SECOND * 50).await;
    rig.receive(HEAD).await;
    rig.connection.exchange_done();
    sleep(SECOND * 100).await;
    assert!(rig.guarded.get_proxy_digest().is_some());
    assert_eq!(rig.read_to_error().await, (io::ErrorKind::TimedOut, 60));
    assert_eq!(rig.gate.counters().timed_out_idle.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_head_has_to_be_complete_in_time_however_it_drips() {
    let Rig { guarded, mut client, connection, gate } = rig();
    let drip = tokio::spawn(async move {
        sleep(SECOND * 20).await;
        for byte in HEAD {
            if client.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(SECOND).await;
        }
    });
    let (other, _) = duplex(1);
    let mut rig = Rig { guarded, client: other, connection, gate };
    assert_eq!(rig.read_to_error().await, (io::ErrorKind::TimedOut, 30));
    assert_eq!(rig.gate.counters().timed_out_head.load(Ordering::Relaxed), 1);
    assert_eq!(rig.connection.verdict(), Some(Denial::Internal));
    drip.abort();
}

#[tokio::test(start_paused = true)]
async fn a_body_has_its_own_deadline_until_it_has_ended() {
    let mut rig = rig();
    rig.receive(HEAD).await;
    rig.connection.begin_body(SECOND * 5);
    rig.receive(b"abc").await;
    assert_eq!(rig.read_to_error().await, (io::ErrorKind::TimedOut, 5));
    assert_eq!(rig.gate.counters().timed_out_body.load(Ordering::Relaxed), 1);
    rig.connection.end_body();
    assert!(timeout(HOUR, rig.read_to_error()).await.is_err(), "an answer may take as long as it takes");
}

#[tokio::test(start_paused = true)]
async fn a_body_deadline_outlives_the_exchange_but_not_into_the_next() {
    let mut rig = rig();
    rig.receive(HEAD).await;
    rig.connection.begin_body(SECOND * 5);
    rig.connection.exchange_done();
    assert_eq!(rig.read_to_error().await, (io::ErrorKind::TimedOut, 5), "the rest is drained in time or not at all");
    assert!(rig.guarded.get_proxy_digest().is_some());
    assert_eq!(rig.read_to_error().await, (io::ErrorKind::TimedOut, 60));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_closed_and_a_slow_one_is_not() {
    let mut stuck = rig();
    let begun = Instant::now();
    let error = stuck.guarded.write_all(&[0; 1024]).await.expect_err("stall");
    assert_eq!((error.kind(), begun.elapsed().as_secs()), (io::ErrorKind::TimedOut, 30));
    assert_eq!(stuck.gate.counters().timed_out_write.load(Ordering::Relaxed), 1);

    let Rig { mut guarded, mut client, .. } = rig();
    let slow = tokio::spawn(async move {
        let mut buf = [0; 64];
        while client.read_exact(&mut buf).await.is_ok() {
            sleep(SECOND * 20).await;
        }
    });
    guarded.write_all(&[0; 1024]).await.expect("progress");
    slow.abort();
}

#[tokio::test(start_paused = true)]
async fn an_http2_client_has_to_send_its_preface_and_may_then_be_silent() {
    let mut late = rig();
    late.connection.set_http2();
    late.client.write_all(&H2_PREFACE[..9]).await.expect("write");
    assert_eq!(late.read_to_error().await, (io::ErrorKind::TimedOut, 10));

    let mut rig = rig();
    rig.connection.set_http2();
    rig.receive(H2_PREFACE).await;
    assert!(timeout(HOUR, rig.read_to_error()).await.is_err());
    assert_eq!(rig.connection.verdict(), None);
}

#[tokio::test]
async fn a_head_cut_anywhere_gives_the_same_verdict_and_the_body_is_not_read_as_one() {
    let body = b"GET / HTTP/1.1\nHost: a\n\n";
    let bare = HEAD.iter().copied().filter(|b| *b != b'\r').collect::<Vec<u8>>();
    for (head, want) in [(HEAD, None), (bare.as_slice(), Some(Denial::Malformed(HttpFault::LineEnd)))] {
        let sent = [head, body].concat();
        for cut in 0..sent.len() {
            let mut rig = rig();
            rig.receive(&sent[..cut]).await;
            rig.receive(&sent[cut..]).await;
            assert_eq!(rig.connection.verdict(), want, "{cut}");
        }
    }
}

#[tokio::test]
async fn a_large_head_is_refused_and_a_far_larger_one_not_read() {
    let Rig { guarded, mut client, connection, gate } = rig();
    let flood = tokio::spawn(async move { while client.write_all(&[b'a'; 64]).await.is_ok() {} });
    let (other, _) = duplex(1);
    let mut rig = Rig { guarded, client: other, connection, gate };
    assert_eq!(rig.read_to_error().await.0, io::ErrorKind::InvalidData);
    assert_eq!(rig.connection.verdict(), Some(Denial::HeadTooLarge));
    assert_eq!(rig.gate.counters().heads_too_large.load(Ordering::Relaxed), 1);
    flood.abort();
}

#[tokio::test]
async fn nothing_that_a_client_sent_is_printed() {
    let mut rig = rig();
    rig.receive(b"GET / HTTP/1.1\r\nAuthorization: canary").await;
    assert!(!format!("{:?}", rig.guarded).contains("canary"));
}
