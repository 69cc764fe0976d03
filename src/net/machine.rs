//! The machine that this is.

/// Its name: printable ASCII without blanks, and never empty.
pub fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain { name } else { "localhost".to_owned() }
}
