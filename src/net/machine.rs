//! The machine that this is.

/// Its name: printable ASCII without blanks, and never empty.
pub fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain { name } else { "localhost".to_owned() }
}

/// How nice work is that gives way: of a core that it shares with a thread that serves requests, it gets a tenth.
const NICE: i32 = 10;

/// Has requests come first where they and this thread want the same core, from now on until it ends.
pub fn give_way() {
    if let Err(fault) = rustix::process::setpriority_process(None, NICE) {
        log::warn!("work beside requests does not give way to them: {fault}");
    }
}
