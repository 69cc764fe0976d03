//! Files that are asked for by whoever looks for secrets, and never by an API's clients.

use crate::inspect::detect::Found;

/// What it tells that a file is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    /// Holds secrets, or is what every attacker tries first.
    Secret,
    /// Tells of the system; configurations name it too.
    System,
}

/// A file or folder that is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct File {
    pub(super) name: &'static [u8],
    pub(super) worth: Worth,
}

const fn secret(name: &'static str) -> File {
    File { name: name.as_bytes(), worth: Worth::Secret }
}

const fn system(name: &'static str) -> File {
    File { name: name.as_bytes(), worth: Worth::System }
}

/// Hidden files, in whatever folder.
const HIDDEN: &[File] = &[
    secret("/.ssh/"),
    secret("/.aws/"),
    secret("/.kube/"),
    secret("/.docker/config"),
    secret("/.git/"),
    secret("/.svn/"),
    secret("/.gnupg"),
    secret("/.netrc"),
    secret("/.pgpass"),
    secret("/.my.cnf"),
    secret("/.bash_history"),
    secret("/.env"),
    secret("/.htpasswd"),
    secret("/.htaccess"),
];
/// A Unix system's configuration.
const ETC: &[File] = &[
    secret("/etc/passwd"),
    secret("/etc/shadow"),
    secret("/etc/gshadow"),
    secret("/etc/master.passwd"),
    secret("/etc/security/passwd"),
    secret("/etc/sudoers"),
    secret("/etc/subuid"),
    secret("/etc/subgid"),
    secret("/etc/group"),
    secret("/etc/krb5.keytab"),
    secret("/etc/ssh/"),
    secret("/etc/kubernetes/"),
    system("/etc/"),
];
/// What a kernel tells of itself and of processes.
const PROC: &[File] = &[
    secret("/proc/self/"),
    secret("/proc/net/"),
    secret("/proc/sys/"),
    secret("/proc/version"),
    secret("/proc/mounts"),
    secret("/proc/cmdline"),
    system("/proc/"),
];
/// Other places that begin with `/`.
const ROOT: &[File] = &[
    secret("/root/."),
    secret("/web-inf/"),
    secret("/win.ini"),
    secret("/run/secrets/kubernetes.io/"),
    secret("/var/run/secrets/"),
    secret("/var/run/docker.sock"),
    secret("/conf/httpd.conf"),
    secret("/web.config"),
    system("/windows/system32/"),
    system("/winnt/system32"),
    system("/sys/class"),
    system("/sys/kernel"),
    system("/sys/devices"),
    system("/var/log/"),
    system("/dev/fd/"),
    system("/dev/mem"),
];
/// Places that begin with a backslash.
const WINDOWS: &[File] = &[
    secret("\\win.ini"),
    secret("\\system.ini"),
    secret("\\web.config"),
    system("\\windows\\system32\\"),
    system("\\winnt\\system32"),
];
/// Names that stand for themselves, each with how long its first part is: up to a sign that few other words have.
const NAMES: &[(usize, File)] = &[
    (3, secret("web-inf/")),
    (4, secret("boot.ini")),
    (6, secret("ntuser.dat")),
    (2, secret("wp-config.php")),
    (2, secret("id_rsa")),
];

/// Those that may begin with these two bytes, so that few are compared with.
fn candidates(first: u8, second: u8) -> &'static [File] {
    match (first, second) {
        (b'/', b'.') => HIDDEN,
        (b'/', b'e') => ETC,
        (b'/', b'p') => PROC,
        (b'/', b'c' | b'd' | b'r' | b's' | b'v' | b'w') => ROOT,
        (b'\\', b's' | b'w') => WINDOWS,
        _ => &[],
    }
}

/// Names that occur, each with where; at one place the first that fits. Those that stand for themselves come first, as all of them are secret:
/// whoever looks at some only is not to be kept from them by others.
pub(super) fn named(lower: &[u8]) -> impl Iterator<Item = (usize, File)> {
    let alone = memchr::memchr3_iter(b'-', b'.', b'_', lower).filter_map(|sign| alone(lower, sign));
    alone.chain(memchr::memchr2_iter(b'/', b'\\', lower).filter_map(|at| rooted(lower, at)))
}

/// The place of a system that begins here.
fn rooted(lower: &[u8], at: usize) -> Option<(usize, File)> {
    let rest = lower.get(at..)?;
    let [first, second, third, ..] = rest else { return None };
    let candidates = candidates(*first, *second);
    crate::inspect::steps::count(10 + candidates.len() * 2);
    let file = candidates.iter().find(|file| file.name.get(2) == Some(third) && rest.starts_with(file.name))?;
    // `my/etc/x` is no folder of the system.
    let is_root = file.worth == Worth::Secret || at == 0 || !lower.get(at - 1)?.is_ascii_alphanumeric();
    let is_env = file.name == b"/.env"
        && rest
            .get(5)
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.' && !rest.starts_with(b"/.env.prod"));
    (is_root && !is_env).then_some((at, *file))
}

/// The name that has its sign here. `wp-config.php.txt` is no less telling, `id_rsa.pub` is for everybody.
fn alone(lower: &[u8], sign: usize) -> Option<(usize, File)> {
    crate::inspect::steps::count(4);
    // What the first parts end with.
    if !matches!(lower.get(sign.checked_sub(1)?)?, b'b' | b't' | b'r' | b'p' | b'd') {
        return None;
    }
    let stands = |(length, file): &(usize, File)| {
        let at = sign.checked_sub(*length)?;
        let behind = lower.get(at..)?.strip_prefix(file.name)?;
        let is_public = file.name == b"id_rsa" && behind.starts_with(b".pub");
        (!is_public).then_some((at, *file))
    };
    crate::inspect::steps::count(16);
    NAMES.iter().find_map(stands)
}

/// Segments of a path that servers keep to themselves: management, dumps, what editors and tools leave behind.
const SEGMENTS: &[&[u8]] = &[
    b".aws",
    b".bash_history",
    b".boto",
    b".bzr",
    b".cvs",
    b".docker",
    b".ds_store",
    b".env",
    b".git",
    b".git-credentials",
    b".hg",
    b".htaccess",
    b".htpasswd",
    b".idea",
    b".kube",
    b".my.cnf",
    b".mysql_history",
    b".netrc",
    b".npmrc",
    b".pgpass",
    b".psql_history",
    b".pypirc",
    b".s3cfg",
    b".ssh",
    b".svn",
    b".vscode",
    b"debug.log",
    b"heapdump",
    b"phpinfo.php",
    b"server-info",
    b"server-status",
    b"web-inf",
    b"wp-config.php",
    b"wp-config.php.bak",
    b"elmah.axd",
    b"trace.axd",
];
/// What Spring's management gives away.
const ACTUATOR: &[&[u8]] = &[
    b"beans",
    b"configprops",
    b"dump",
    b"env",
    b"gateway",
    b"heapdump",
    b"httptrace",
    b"jolokia",
    b"logfile",
    b"loggers",
    b"mappings",
    b"refresh",
    b"restart",
    b"shutdown",
    b"threaddump",
    b"trace",
];

/// Looks at a path that is asked for, segment by segment.
pub(super) fn in_path(lower: &[u8], found: &mut Found) {
    let mut previous: &[u8] = b"";
    let mut is_first = true;
    for segment in lower.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()).take(32) {
        // An API's path begins with no hidden file; `/.well-known/` (RFC 8615) is none.
        let is_hidden = is_first
            && matches!(segment, [b'.', second, ..] if second.is_ascii_alphanumeric() || *second == b'_')
            && segment != b".well-known";
        let is_managed = previous == b"actuator" && ACTUATOR.contains(&segment);
        if is_hidden || is_managed || SEGMENTS.contains(&segment) || is_dump(segment) {
            found.add("path.hidden", 0..lower.len().min(32));
        }
        previous = segment;
        is_first = false;
    }
}

/// A dump or a copy of what should not be served: `backup.sql.gz`, `index.php~`, `settings.py.bak`.
fn is_dump(segment: &[u8]) -> bool {
    let is = |end: &[u8]| segment.ends_with(end);
    is(b".sql")
        || is(b".sql.gz")
        || is(b".sql.zip")
        || is(b".php~")
        || is(b".php.bak")
        || is(b".py.bak")
        || is(b".config.bak")
        || is(b".php.swp")
        || is(b".hprof")
}

/// A share of Windows for administrators: `\\host\c$\x`.
pub(super) fn shares(lower: &[u8], found: &mut Found) {
    let Some(rest) =
        lower.strip_prefix(b"\\\\").or_else(|| lower.strip_prefix(b"/\\\\")).or_else(|| lower.strip_prefix(b"//"))
    else {
        return;
    };
    let parts = rest.split(|byte| matches!(byte, b'\\' | b'/')).filter(|part| !part.is_empty());
    if parts.skip(1).take(1).any(|share| {
        matches!(share, [drive, b'$'] if drive.is_ascii_alphabetic()) || matches!(share, b"admin$" | b"ipc$")
    }) {
        found.add("path.share", 0..lower.len().min(32));
    }
}
