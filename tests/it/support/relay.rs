//! A wire between nodes and what they share that tests make slow, cut, or let swallow everything.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::gateway::free_address;

/// Carries each connection to somewhere else; it ends when it is dropped.
pub(crate) struct Relay {
    address: SocketAddr,
    wire: Arc<Mutex<Wire>>,
}

struct Wire {
    to: SocketAddr,
    weather: Weather,
    /// How long what is sent and what is answered are each on their way.
    delay: Duration,
    /// Both ends of all that was ever carried.
    ends: Vec<TcpStream>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Connections stay and are taken, and nothing comes through.
    Hole,
    /// Connections end, also those that are new.
    Cut,
    /// The test is over.
    Over,
}

impl Relay {
    /// One that leads there.
    pub(crate) fn to(to: SocketAddr) -> Self {
        let address = free_address();
        let listener = TcpListener::bind(address).expect("a free port");
        let wire = Wire { to, weather: Weather::Fair, delay: Duration::ZERO, ends: Vec::new() };
        let wire = Arc::new(Mutex::new(wire));
        let accepting = Arc::clone(&wire);
        thread::spawn(move || accept(&listener, &accepting));
        Self { address, wire }
    }

    /// Where it listens, as the URL of a Redis.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// From now on what is said is answered this much later, also on connections that there are.
    pub(crate) fn delay(&self, round_trip: Duration) {
        self.with(|wire| wire.delay = round_trip / 2);
    }

    /// Swallows everything: connections stay, and new ones are taken.
    pub(crate) fn swallow(&self) {
        self.with(|wire| wire.weather = Weather::Hole);
    }

    /// Ends all connections, and each new one.
    pub(crate) fn cut(&self) {
        self.with(|wire| wire.turn(Weather::Cut));
    }

    /// Carries again. Connections from before have lost something and are ended.
    pub(crate) fn mend(&self) {
        self.with(|wire| wire.turn(Weather::Fair));
    }

    /// Ends all connections, and leads somewhere else from now on.
    pub(crate) fn lead(&self, to: SocketAddr) {
        self.with(|wire| {
            wire.to = to;
            wire.turn(Weather::Fair);
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut Wire) -> T) -> T {
        change(&mut self.wire.lock().expect("no panic with the lock"))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.with(|wire| wire.turn(Weather::Over));
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
    }
}

impl Wire {
    fn turn(&mut self, weather: Weather) {
        self.weather = weather;
        for end in self.ends.drain(..) {
            // It may have ended by itself.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn accept(listener: &TcpListener, wire: &Arc<Mutex<Wire>>) {
    for near in listener.incoming() {
        let Ok(near) = near else { continue };
        let mut now = wire.lock().expect("no panic with the lock");
        match now.weather {
            Weather::Over => return,
            Weather::Cut => continue,
            Weather::Fair | Weather::Hole => {}
        }
        let Ok(far) = TcpStream::connect(now.to) else { continue };
        let Ok(handles) = [&near, &far].map(|end| end.try_clone()).into_iter().collect::<Result<Vec<_>, _>>() else {
            continue;
        };
        now.ends.extend(handles);
        drop(now);
        for (from, into) in [(&near, &far), (&far, &near)] {
            let (Ok(from), Ok(into)) = (from.try_clone(), into.try_clone()) else { continue };
            let _ = from.set_nodelay(true);
            let wire = Arc::clone(wire);
            thread::spawn(move || carry(from, into, &wire));
        }
    }
}

/// Carries one direction: what comes in is timed when it comes, so that being slow is no lack of room.
fn carry(mut from: TcpStream, mut into: TcpStream, wire: &Mutex<Wire>) {
    let (put, take) = mpsc::channel::<(Instant, Vec<u8>)>();
    let late = into.try_clone();
    thread::spawn(move || {
        while let Ok((due, bytes)) = take.recv() {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if into.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    let mut bytes = [0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let (weather, delay) = {
            let wire = wire.lock().expect("no panic with the lock");
            (wire.weather, wire.delay)
        };
        if weather == Weather::Fair && put.send((Instant::now() + delay, bytes[..count].to_vec())).is_err() {
            break;
        }
    }
    if let Ok(into) = late {
        // The other end may have gone first.
        let _ = into.shutdown(Shutdown::Both);
    }
}
