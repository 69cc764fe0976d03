//! Memory per idle keep-alive connection.

use std::io::Write;

use serde_json::json;

use crate::IdleArgs;
use crate::compare::tell;
use crate::fault::{Fault, While};
use crate::machine::{self, Cores};
use crate::program;
use crate::report::float;
use crate::site::{PATH, Proxy, Site};
use crate::wire::{Client, Stream};

/// Connections before the first look at the memory, so that what is made once is not counted.
const FIRST: u32 = 50;

/// Measures and prints.
pub(crate) fn run(args: &IdleArgs, out: &mut dyn Write, progress: &mut dyn Write) -> Result<(), Fault> {
    machine::allow_open_files(u64::from(args.connections) + 1000)?;
    let file = program::claviger(args.common.claviger.as_deref())?;
    let site = Site::new(Cores::choose()?, 0)?;
    let mut rows = Vec::new();
    for start in [|site: &Site, _: &_| site.bare(true), |site: &Site, _: &_| site.bare(false), Site::claviger] {
        let proxy = start(&site, &file)?;
        let name = proxy.program.name();
        tell(progress, &format!("{name}: opening {} connections ...", args.connections))?;
        rows.push((name, measure(&site, &proxy, args.connections)?));
    }
    print(&rows, args, out).during("printing the result")
}

/// Kilobytes (of 1000 bytes) per connection.
pub(crate) fn measure(site: &Site, proxy: &Proxy, connections: u32) -> Result<f64, Fault> {
    let client = site.client()?;
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: api.example.test\r\n{}\r\n\r\n", site.authorization());
    let open = |_| exchange(&client, proxy, &request).during("opening a connection");
    let first = (0..FIRST).map(open).collect::<Result<Vec<_>, _>>()?;
    let before = proxy.program.memory()?.resident;
    let held = (0..connections).map(open).collect::<Result<Vec<_>, _>>()?;
    let after = proxy.program.memory()?.resident;
    drop((first, held));
    Ok(float(after.saturating_sub(before)) * 1.024 / f64::from(connections))
}

/// One request on a new connection, which is then left open.
fn exchange(client: &Client, proxy: &Proxy, request: &str) -> std::io::Result<Box<dyn Stream>> {
    let mut stream = client.connect(proxy.address)?;
    stream.write_all(request.as_bytes())?;
    let mut response = Vec::new();
    // The body's last byte is the only `}` in a response.
    while !response.contains(&b'}') {
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        response.extend_from_slice(&chunk[..read]);
    }
    if response.starts_with(b"HTTP/1.1 200 ") {
        Ok(stream)
    } else {
        Err(std::io::Error::other(String::from_utf8_lossy(&response).into_owned()))
    }
}

fn print(rows: &[(&str, f64)], args: &IdleArgs, out: &mut dyn Write) -> std::io::Result<()> {
    if args.common.json {
        let rows: Vec<_> = rows.iter().map(|(name, cost)| json!({"proxy": name, "kb_per_connection": cost})).collect();
        return writeln!(out, "{:#}", json!({"connections": args.connections, "proxies": rows}));
    }
    writeln!(out, "| | kB per idle connection |\n|---|--:|")?;
    for (name, cost) in rows {
        writeln!(out, "| {name} | {cost:.1} |")?;
    }
    writeln!(out, "\n{} keep-alive connections after one request each; growth of the resident memory", args.connections)
}
