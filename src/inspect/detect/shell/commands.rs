//! Names of programs that a shell is told to run, and what each name tells by itself (CWE-78).

/// How a name is met outside of command lines, and what the program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Kind(u8);

const WORD: Kind = Kind(0);
const SURE: Kind = Kind(1);
const BARE: Kind = Kind(2);
const PREFIX: Kind = Kind(4);
const SHELL: Kind = Kind(8);
const FETCH: Kind = Kind(16);
const COLUMN: Kind = Kind(32);

impl Kind {
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Is no word of prose and no usual data.
    pub(super) const fn is_sure(self) -> bool {
        self.0 & SURE.0 != 0
    }

    /// Tells something of the host without arguments.
    pub(super) const fn is_bare(self) -> bool {
        self.0 & BARE.0 != 0
    }

    /// Runs the command that follows.
    pub(super) const fn is_prefix(self) -> bool {
        self.0 & PREFIX.0 != 0
    }

    /// Is a shell.
    pub(super) const fn is_shell(self) -> bool {
        self.0 & SHELL.0 != 0
    }

    /// Is a usual name of a column too.
    pub(super) const fn is_column(self) -> bool {
        self.0 & COLUMN.0 != 0
    }

    /// Gets something from elsewhere.
    pub(super) const fn fetches(self) -> bool {
        self.0 & FETCH.0 != 0
    }
}

/// Words that make a command line of a program's name: `net user`.
const PAIRS: &[(&str, &[&str])] = &[
    ("net", &["accounts", "group", "localgroup", "share", "stop", "use", "user", "users", "view"]),
    ("reg", &["add", "delete", "export", "query", "save"]),
    ("sc", &["config", "create", "delete", "query", "stop"]),
];

/// Whether this word behind this name makes a command line of both.
pub(super) fn is_pair(name: &[u8], word: &[u8]) -> bool {
    PAIRS.iter().any(|(known, words)| known.as_bytes() == name && words.iter().any(|known| known.as_bytes() == word))
}

/// What is known of a name, in lower case.
pub(super) fn kind_of(name: &[u8]) -> Option<Kind> {
    COMMANDS
        .binary_search_by(|(known, _)| known.as_bytes().cmp(name))
        .ok()
        .and_then(|n| COMMANDS.get(n))
        .map(|(_, kind)| *kind)
}

/// Whether they are in the order that looking for one needs.
#[cfg(test)]
pub(super) fn is_sorted() -> bool {
    COMMANDS.is_sorted_by(|a, b| a.0 < b.0)
}

/// Sorted by name.
#[rustfmt::skip]
static COMMANDS: &[(&str, Kind)] = &[
    ("%comspec%", SURE), (".sh", SURE), (".shell", SURE), (".system", SURE), ("7z", WORD), ("7za", WORD),
    ("7zr", WORD), ("add-content", SURE), ("add-type", SURE), ("addgroup", SURE), ("adduser", SURE), ("alias", WORD),
    ("ansible", WORD), ("ansible-config", SURE), ("ansible-console", SURE.and(BARE)), ("ansible-doc", SURE),
    ("ansible-galaxy", SURE), ("ansible-inventory", SURE), ("ansible-playbook", SURE), ("ansible-pull", SURE),
    ("ansible-vault", SURE), ("apk", WORD), ("apt", WORD), ("apt-cache", SURE), ("apt-get", SURE),
    ("aptitude", SURE.and(BARE)), ("ar", WORD), ("arch", WORD), ("aria2c", SURE.and(FETCH)), ("arp", BARE),
    ("as", WORD), ("ash", SHELL), ("assoc", WORD), ("at", WORD), ("attrib", SURE), ("awk", WORD), ("aws", WORD),
    ("axel", FETCH), ("az", WORD), ("base32", SURE), ("base58", SURE), ("base64", SURE), ("basename", WORD),
    ("basenc", SURE), ("bash", SHELL), ("batch", WORD), ("bc", WORD), ("bcdboot", SURE), ("bcdedit", SURE),
    ("bitsadmin", SURE.and(FETCH)), ("blkid", SURE), ("brew", WORD), ("bsdcat", SURE), ("bsdtar", SURE),
    ("builtin", PREFIX), ("bunzip2", SURE), ("busctl", WORD), ("busybox", SURE.and(PREFIX)), ("byebug", SURE),
    ("bzcat", SURE), ("bzgrep", SURE), ("bzip2", SURE), ("bzip7", WORD), ("c89", SURE), ("c99", SURE),
    ("cacls", SURE), ("cal", WORD), ("call", PREFIX), ("cancel", WORD), ("capsh", WORD), ("cargo", WORD),
    ("cat", WORD), ("cd", WORD), ("certutil", SURE.and(FETCH)), ("chattr", SURE), ("check_by_ssh", WORD),
    ("chef", WORD), ("chef-client", SURE), ("chef-shell", SURE.and(BARE)), ("chgrp", SURE), ("chmod", SURE),
    ("choom", WORD), ("chown", SURE), ("chpasswd", SURE), ("chroot", SURE), ("chsh", SURE), ("clang", WORD),
    ("clear", WORD), ("cmake", WORD), ("cmd", PREFIX), ("cmd.exe", SURE), ("cmdkey", SURE), ("cmp", WORD),
    ("cmstp", SURE), ("cobc", SURE), ("column", WORD), ("comm", WORD), ("command", PREFIX), ("composer", WORD),
    ("comspec", SURE), ("convertto-securestring", SURE), ("copy", WORD), ("copy-item", SURE), ("cowrie", WORD),
    ("cowsay", WORD), ("cowthink", WORD), ("cp", WORD), ("cpan", SURE), ("cpio", WORD), ("cpulimit", SURE),
    ("crash", WORD), ("cron", WORD), ("crontab", WORD), ("cscli", SURE), ("cscript", SURE), ("csh", SHELL),
    ("csplit", SURE), ("csvtool", SURE), ("cupsfilter", SURE), ("curl", SURE.and(FETCH)), ("cut", WORD),
    ("dash", SHELL), ("date", WORD), ("dc", WORD), ("dd", WORD), ("declare", WORD), ("del", WORD), ("df", BARE),
    ("dialog", WORD), ("diff", WORD), ("dig", WORD), ("dir", BARE), ("dirname", WORD), ("diskpart", SURE),
    ("dmesg", SURE.and(BARE)), ("dmidecode", SURE), ("dmsetup", SURE), ("dnf", SURE), ("do", PREFIX),
    ("doas", PREFIX), ("docker", WORD), ("docker-compose", SURE), ("dosbox", SURE), ("dpkg", SURE), ("dsquery", SURE),
    ("du", WORD), ("dvips", SURE), ("easy_install", SURE), ("ebtables", SURE), ("echo", WORD), ("ed", WORD),
    ("efax", SURE), ("egrep", WORD), ("else", PREFIX), ("emacs", SURE), ("enscript", WORD), ("env", COLUMN.and(BARE.and(PREFIX))),
    ("erase", WORD), ("esxcli", SURE), ("ethtool", SURE), ("eval", PREFIX), ("ex", WORD), ("exec", PREFIX),
    ("exiftool", SURE), ("expand", WORD), ("expect", WORD), ("export", WORD), ("expr", SURE), ("facter", WORD),
    ("fc", WORD), ("fdisk", SURE), ("fetch", FETCH), ("fgrep", WORD), ("file", WORD), ("find", WORD),
    ("findstr", SURE), ("finger", WORD), ("fish", SHELL), ("flock", WORD), ("fmt", WORD), ("fold", WORD),
    ("forfiles", SURE), ("fsutil", SURE), ("ftp", SURE), ("ftype", WORD), ("g++", SURE), ("gawk", SURE),
    ("gcc", SURE), ("gcloud", WORD), ("gdb", SURE), ("gem", WORD), ("get-childitem", SURE), ("get-ciminstance", SURE),
    ("get-command", SURE), ("get-content", SURE), ("get-itemproperty", SURE), ("get-process", SURE),
    ("get-service", SURE), ("get-wmiobject", SURE), ("getent", SURE), ("getfacl", SURE), ("gimp", SURE),
    ("gimp-2.10", SURE), ("ginsh", SURE), ("git", WORD), ("go", WORD), ("goto", WORD), ("gpasswd", SURE),
    ("grc", SURE), ("grep", WORD), ("groupadd", SURE), ("groups", WORD), ("gsutil", WORD), ("gtester", SURE),
    ("gunzip", SURE), ("gzcat", SURE), ("gzexe", SURE), ("gzip", WORD), ("halt", BARE), ("hashcat", WORD),
    ("hd", WORD), ("head", WORD), ("helm", WORD), ("hexdump", SURE), ("highlight", WORD), ("history", WORD),
    ("host", WORD), ("hostname", COLUMN.and(BARE)), ("hping3", SURE), ("htop", SURE.and(BARE)), ("icacls", SURE), ("iconv", SURE),
    ("id", COLUMN.and(BARE)), ("iex", SURE), ("if", PREFIX), ("ifconfig", SURE.and(BARE)), ("iftop", SURE), ("insmod", SURE),
    ("install", WORD), ("installutil", SURE), ("invoke-command", SURE), ("invoke-expression", SURE),
    ("invoke-item", SURE), ("invoke-mimikatz", SURE), ("invoke-restmethod", SURE.and(FETCH)),
    ("invoke-shellcode", SURE), ("invoke-webrequest", SURE.and(FETCH)), ("invoke-wmimethod", SURE),
    ("ionice", PREFIX), ("ip", WORD), ("ipconfig", SURE.and(BARE)), ("ipmitool", SURE), ("iptables", SURE),
    ("irb", SURE.and(BARE)), ("ispell", WORD), ("iwlist", WORD), ("iwr", SURE.and(FETCH)), ("java", WORD),
    ("javac", WORD), ("jjs", SURE), ("jobs", WORD), ("join", WORD), ("journalctl", SURE.and(BARE)), ("jq", WORD),
    ("jrunscript", SURE), ("jsc", SURE), ("kill", WORD), ("killall", SURE), ("knife", WORD), ("kpartx", SURE),
    ("ksh", SHELL), ("ksshell", SURE), ("ksu", WORD), ("kubectl", SURE), ("last", WORD), ("lastlog", SURE.and(BARE)),
    ("lastlogin", SURE), ("latex", WORD), ("ld", WORD), ("ldapsearch", WORD), ("ldconfig", SURE), ("less", WORD),
    ("let", WORD), ("ll", BARE), ("ln", WORD), ("locate", WORD), ("logger", WORD), ("login", WORD),
    ("loginctl", WORD), ("logrotate", WORD), ("logsave", SURE), ("look", WORD), ("losetup", SURE), ("lp", WORD),
    ("ls", BARE), ("lsattr", SURE), ("lsb_release", SURE), ("lsblk", SURE.and(BARE)), ("lscpu", SURE.and(BARE)),
    ("lsmod", BARE), ("lsof", SURE.and(BARE)), ("lspci", SURE.and(BARE)), ("lsusb", SURE.and(BARE)),
    ("ltrace", SURE.and(PREFIX)), ("lua", WORD), ("lua5", SURE), ("luajit", SURE), ("lualatex", SURE),
    ("luatex", SURE), ("lwp-download", SURE.and(FETCH)), ("lwp-request", SURE.and(FETCH)), ("lynx", SURE.and(FETCH)),
    ("lz4cat", SURE), ("lzcat", SURE), ("lzgrep", SURE), ("lzma", SURE), ("lzmore", SURE), ("mail", WORD),
    ("mailx", WORD), ("make", WORD), ("mapfile", WORD), ("mawk", SURE), ("md", WORD), ("mkdir", WORD),
    ("mkfifo", SURE), ("mknod", SURE), ("mksh", SHELL), ("modprobe", SURE), ("mongo", WORD), ("mongosh", WORD),
    ("more", WORD), ("mosquitto", WORD), ("most", WORD), ("mount", WORD), ("move", WORD), ("msbuild", SURE),
    ("msfconsole", SURE), ("msg", WORD), ("msgattrib", SURE), ("msgcat", SURE), ("msgconv", SURE),
    ("msgfilter", SURE), ("msgmerge", SURE), ("msguniq", SURE), ("mshta", SURE.and(FETCH)), ("msiexec", SURE),
    ("mtr", SURE), ("mv", WORD), ("mysql", WORD), ("mysqldump", SURE), ("nano", WORD), ("nasm", SURE), ("nawk", SURE),
    ("nbtstat", SURE), ("nc", SURE), ("nc.traditional", SURE), ("ncat", SURE), ("net", WORD), ("netcat", SURE),
    ("netdom", SURE), ("netsh", SURE), ("netstat", SURE.and(BARE)), ("new-item", SURE), ("new-object", SURE),
    ("nft", SURE), ("nice", PREFIX), ("nl", WORD), ("nltest", SURE), ("nm", WORD), ("nmap", SURE), ("nmcli", WORD),
    ("node", WORD), ("nohup", SURE.and(PREFIX)), ("npm", WORD), ("npx", WORD), ("nroff", WORD), ("nsenter", WORD),
    ("nslookup", SURE), ("ntdsutil", SURE), ("objdump", WORD), ("octave", WORD), ("od", WORD), ("op", WORD),
    ("openssl", SURE), ("openvpn", SURE), ("out-file", SURE), ("pacman", WORD), ("passwd", WORD),
    ("passwd.exe", SURE), ("paste", WORD), ("pcalua", SURE), ("pdflatex", SURE), ("pdftex", SURE),
    ("pdftotext", WORD), ("pdksh", SHELL), ("perf", SURE), ("perl", WORD), ("pg", WORD), ("pgrep", SURE),
    ("php", WORD), ("pic", WORD), ("pico", WORD), ("pidstat", SURE), ("ping", WORD), ("ping6", WORD), ("pip", WORD),
    ("pip3", SURE), ("pkexec", SURE), ("pkill", SURE), ("popd", WORD), ("poweroff", BARE),
    ("powershell", SURE.and(BARE)), ("print", WORD), ("printenv", SURE.and(BARE)), ("printf", WORD),
    ("procdump", SURE), ("pry", WORD), ("ps", BARE), ("psexec", SURE), ("psftp", SURE), ("psql", SURE),
    ("puppet", WORD), ("pushd", WORD), ("pwd", BARE), ("pwsh", SURE.and(BARE)), ("python", WORD), ("python2", SURE),
    ("python3", SURE), ("rake", WORD), ("rar", WORD), ("rbash", SURE.and(SHELL)), ("rc", WORD), ("rd", WORD),
    ("read", WORD), ("readelf", SURE), ("readlink", WORD), ("realpath", WORD), ("reboot", COLUMN.and(BARE)), ("red", WORD),
    ("redis-cli", WORD), ("reg", WORD), ("regasm", SURE), ("regsvcs", SURE), ("regsvr32", SURE),
    ("remove-item", SURE), ("ren", WORD), ("rename", WORD), ("renice", WORD), ("reset", WORD),
    ("resolve-dnsname", SURE), ("restic", SURE), ("rev", WORD), ("rexec", WORD), ("rgrep", WORD), ("rlogin", WORD),
    ("rlwrap", SURE.and(PREFIX)), ("rm", WORD), ("rmdir", SURE), ("rmmod", SURE), ("rmt", SURE), ("rmuser", SURE),
    ("robocopy", SURE), ("route", WORD), ("rpm", WORD), ("rpmdb", WORD), ("rpmquery", SURE), ("rsh", WORD),
    ("rsync", SURE), ("ruby", WORD), ("run-mailcap", WORD), ("run-parts", WORD), ("rundll32", SURE),
    ("runscript", SURE), ("rview", SURE), ("rvim", SURE), ("salt", WORD), ("sc", WORD), ("sc.exe", SURE),
    ("scanmem", WORD), ("schtasks", SURE), ("scp", SURE), ("screen", WORD), ("script", WORD), ("scrot", SURE),
    ("sed", WORD), ("sendmail", WORD), ("seq", WORD), ("service", WORD), ("set", COLUMN.and(BARE)), ("set-content", SURE),
    ("set-executionpolicy", SURE), ("setarch", PREFIX), ("setenforce", SURE), ("setfacl", SURE), ("setsid", SURE.and(PREFIX)),
    ("sftp", SURE), ("sg", WORD), ("sh", SHELL), ("showmount", SURE), ("shuf", WORD), ("shutdown", COLUMN.and(BARE)),
    ("sleep", WORD), ("slsh", WORD), ("smbclient", SURE), ("smbmap", SURE), ("snap", WORD), ("socat", SURE),
    ("soelim", WORD), ("sort", WORD), ("source", WORD), ("split", WORD), ("sql", WORD), ("sqlite3", WORD),
    ("sqlmap", WORD), ("ss", WORD), ("ssh", SURE), ("ssh-keygen", SURE), ("ssh-keyscan", SURE), ("sshpass", SURE),
    ("start", PREFIX), ("start-bitstransfer", SURE.and(FETCH)), ("start-process", SURE), ("start-sleep", SURE),
    ("start-stop-daemon", WORD), ("stat", WORD), ("stdbuf", SURE.and(PREFIX)), ("stop-process", SURE),
    ("strace", SURE.and(PREFIX)), ("strings", WORD), ("su", WORD), ("subst", WORD), ("sudo", PREFIX),
    ("sysctl", SURE), ("systemctl", SURE), ("systemd-resolve", SURE), ("systemd-run", WORD),
    ("systeminfo", SURE.and(BARE)), ("tac", WORD), ("tail", WORD), ("takeown", SURE), ("tar", WORD), ("task", WORD),
    ("taskkill", SURE), ("tasklist", SURE.and(BARE)), ("taskset", SURE.and(PREFIX)), ("tbl", WORD), ("tclsh", WORD),
    ("tcpdump", SURE), ("tcsh", SHELL), ("tee", WORD), ("telnet", SURE), ("terraform", WORD), ("test", WORD),
    ("test-netconnection", SURE), ("tex", WORD), ("tftp", SURE.and(FETCH)), ("then", PREFIX), ("time", PREFIX),
    ("timedatectl", SURE), ("timeout", PREFIX), ("title", WORD), ("tmux", SURE), ("top", WORD), ("touch", WORD),
    ("tput", WORD), ("tr", WORD), ("traceroute", SURE), ("traceroute6", SURE), ("tracert", SURE), ("trap", WORD),
    ("tree", WORD), ("troff", WORD), ("tshark", SURE), ("tskill", SURE), ("type", WORD), ("uconv", WORD),
    ("ul", WORD), ("ulimit", SURE), ("umask", WORD), ("umount", SURE), ("unalias", WORD), ("uname", SURE.and(BARE)),
    ("unexpand", SURE), ("uniq", WORD), ("unlink", SURE), ("unlzma", SURE), ("unset", WORD), ("unshare", SURE.and(PREFIX)),
    ("until", PREFIX), ("unzip", WORD), ("unzstd", SURE), ("uptime", BARE), ("useradd", SURE), ("userdel", SURE),
    ("usermod", SURE), ("users", WORD), ("uudecode", SURE), ("uuencode", SURE), ("vagrant", WORD), ("valgrind", WORD),
    ("vbscript", SURE), ("ver", COLUMN.and(BARE)), ("vi", WORD), ("view", WORD), ("vigr", SURE), ("vim", WORD), ("vimdiff", SURE),
    ("vipw", SURE), ("virsh", SURE), ("visudo", SURE.and(BARE)), ("vssadmin", SURE), ("w", COLUMN.and(BARE)),
    ("w3m", SURE.and(FETCH)), ("wait", WORD), ("wall", WORD), ("watch", PREFIX), ("wc", WORD), ("wevtutil", SURE),
    ("wget", SURE.and(FETCH)), ("wget2", SURE.and(FETCH)), ("whereis", WORD), ("which", WORD), ("while", PREFIX),
    ("who", COLUMN.and(BARE)), ("whoami", SURE.and(BARE)), ("whois", WORD), ("wish", WORD), ("wmic", SURE), ("wpcmd", SURE),
    ("write", WORD), ("wscript", SURE), ("wusa", SURE), ("xargs", SURE.and(PREFIX)), ("xcopy", SURE), ("xdotool", WORD),
    ("xelatex", SURE), ("xetex", SURE), ("xmllint", WORD), ("xmodmap", WORD), ("xmore", WORD), ("xxd", SURE),
    ("xz", WORD), ("xzcat", SURE), ("xzgrep", SURE), ("xzmore", SURE), ("yarn", WORD), ("yarnpkg", SURE),
    ("yes", WORD), ("yum", WORD), ("zathura", WORD), ("zcat", SURE), ("zdiff", SURE), ("zgrep", SURE), ("zip", WORD),
    ("zsh", SHELL), ("zsoelim", SURE), ("zstdcat", SURE), ("zstdgrep", SURE), ("zstdless", SURE), ("zstdmt", SURE),
    ("zypper", SURE),
];
