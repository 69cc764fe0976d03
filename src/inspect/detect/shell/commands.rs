//! Names of programs that a shell is told to run, and what each name tells by itself (CWE-78).

use crate::inspect::detect::names::Index;

/// How a name is met outside of command lines, and what the program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Kind(u8);

const WORD: Kind = Kind(0);
pub(super) const SURE: Kind = Kind(1);
const BARE: Kind = Kind(2);
const PREFIX: Kind = Kind(4);
const SHELL: Kind = Kind(8);
const FETCH: Kind = Kind(16);
const COLUMN: Kind = Kind(32);
const CLAUSE: Kind = Kind(64);

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

    /// Goes on with what another word began: no command begins with it.
    pub(super) const fn is_clause(self) -> bool {
        self.0 & CLAUSE.0 != 0
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
    ("ip", &["a", "addr", "neigh", "r"]),
    ("net", &["accounts", "group", "localgroup", "share", "stop", "use", "user", "users", "view"]),
    ("reg", &["add", "delete", "export", "query", "save"]),
    ("sc", &["config", "create", "delete", "query", "stop"]),
];

/// Whether this word behind this name makes a command line of both.
pub(super) fn is_pair(name: &[u8], word: &[u8]) -> bool {
    PAIRS.iter().any(|(known, words)| known.as_bytes() == name && words.iter().any(|known| known.as_bytes() == word))
}

/// What names of PowerShell's commands begin with.
const VERBS: &[&[u8]] = &[
    b"add-",
    b"clear-",
    b"convertfrom-",
    b"convertto-",
    b"copy-",
    b"disable-",
    b"enable-",
    b"export-",
    b"foreach-",
    b"get-",
    b"import-",
    b"install-",
    b"invoke-",
    b"move-",
    b"new-",
    b"out-",
    b"read-",
    b"remove-",
    b"rename-",
    b"restart-",
    b"select-",
    b"send-",
    b"set-",
    b"start-",
    b"stop-",
    b"test-",
    b"where-",
    b"write-",
];

/// What is known of a name, in lower case.
pub(super) fn kind_of(name: &[u8]) -> Option<Kind> {
    // `get-process` is one with arguments behind it, and else a slug.
    let is_verb = || name.contains(&b'-') && VERBS.iter().any(|verb| name.starts_with(verb));
    INDEX.find(COMMANDS, name).or_else(|| is_verb().then_some(WORD))
}

static INDEX: Index<4096> = Index::of(COMMANDS);

/// Whether they are in the order that looking for one needs.
#[cfg(test)]
pub(super) fn is_sorted() -> bool {
    COMMANDS.is_sorted_by(|a, b| a.0 < b.0)
}

/// Sorted by name.
#[rustfmt::skip]
static COMMANDS: &[(&str, Kind)] = &[
    ("%comspec%", SURE), (".sh", SURE), (".shell", SURE), (".system", SURE), ("7z", WORD), ("7za", WORD),
    ("7zr", WORD), ("aa-exec", SURE), ("ab", WORD), ("add-content", SURE), ("add-type", SURE), ("addgroup", SURE),
    ("adduser", SURE), ("agetty", SURE), ("alias", WORD), ("alpine", WORD), ("ansible", WORD),
    ("ansible-config", SURE), ("ansible-console", SURE.and(BARE)), ("ansible-doc", SURE), ("ansible-galaxy", SURE),
    ("ansible-inventory", SURE), ("ansible-playbook", SURE), ("ansible-pull", SURE), ("ansible-vault", SURE),
    ("apache2ctl", SURE), ("apk", WORD), ("apport-cli", SURE), ("apt", WORD), ("apt-cache", SURE), ("apt-get", SURE),
    ("aptitude", SURE.and(BARE)), ("ar", WORD), ("arch", WORD), ("aria2c", SURE.and(FETCH)), ("arj", SURE),
    ("arp", BARE), ("arping", SURE), ("as", WORD), ("ash", SHELL), ("aspell", WORD), ("assoc", WORD),
    ("asterisk", WORD), ("at", WORD), ("atbroker", SURE), ("atobm", SURE), ("attrib", SURE), ("auditpol", SURE),
    ("autochk", SURE), ("awk", WORD), ("aws", WORD), ("axel", FETCH), ("az", WORD), ("base32", SURE),
    ("base58", SURE), ("base64", SURE), ("basename", WORD), ("basenc", SURE), ("bash", SHELL), ("batch", WORD),
    ("bc", WORD), ("bcdboot", SURE), ("bcdedit", SURE), ("bconsole", SURE), ("bitsadmin", SURE.and(FETCH)),
    ("blkid", SURE), ("bootcfg", SURE), ("bpftrace", SURE), ("brew", WORD), ("bridge", WORD), ("bsdcat", SURE),
    ("bsdtar", SURE), ("builtin", PREFIX), ("bundle", WORD), ("bundler", WORD), ("bunzip2", SURE), ("busctl", WORD),
    ("busybox", SURE.and(PREFIX)), ("byebug", SURE), ("byobu", SURE), ("bzcat", SURE), ("bzgrep", SURE),
    ("bzip2", SURE), ("bzip7", WORD), ("c89", SURE), ("c99", SURE), ("cacls", SURE), ("cal", WORD), ("call", PREFIX),
    ("cancel", WORD), ("capsh", WORD), ("cargo", WORD), ("cat", WORD), ("cd", WORD), ("cdb", SURE), ("cdist", SURE),
    ("celery", WORD), ("certbot", SURE), ("certreq", SURE), ("certutil", SURE.and(FETCH)), ("chage", SURE),
    ("chattr", SURE), ("chcp", SURE), ("check_by_ssh", WORD), ("check_cups", SURE), ("check_log", SURE),
    ("check_memory", SURE), ("check_raid", SURE), ("check_ssl_cert", SURE), ("check_statusfile", SURE),
    ("chef", WORD), ("chef-client", SURE), ("chef-shell", SURE.and(BARE)), ("chgrp", SURE), ("chkdsk", SURE),
    ("chkntfs", SURE), ("chmod", SURE), ("choice", WORD), ("choom", WORD), ("chown", SURE), ("chpasswd", SURE),
    ("chroot", SURE), ("chsh", SURE), ("cipher", WORD), ("cksum", WORD), ("clamscan", SURE), ("clang", WORD),
    ("cleanmgr", SURE), ("clear", WORD), ("clip", WORD), ("clisp", SURE), ("cmake", WORD), ("cmd", PREFIX),
    ("cmd.exe", SURE), ("cmdkey", SURE), ("cmp", WORD), ("cmstp", SURE), ("cobc", SURE), ("column", WORD),
    ("comm", WORD), ("command", PREFIX), ("composer", WORD), ("comspec", SURE), ("control", WORD),
    ("convertto-securestring", SURE), ("copy", WORD), ("copy-item", SURE), ("cowrie", WORD), ("cowsay", WORD),
    ("cowthink", WORD), ("cp", WORD), ("cpan", SURE), ("cpio", WORD), ("cpulimit", SURE), ("crash", WORD),
    ("cron", WORD), ("crontab", WORD), ("csc", SURE), ("cscli", SURE), ("cscript", SURE), ("csh", SHELL),
    ("csplit", SURE), ("csvtool", SURE), ("cupsfilter", SURE), ("curl", SURE.and(FETCH)), ("cut", WORD),
    ("dash", SHELL), ("datamash", SURE), ("date", WORD), ("dc", WORD), ("dd", WORD), ("debugfs", SURE),
    ("declare", WORD), ("del", WORD), ("df", BARE), ("dialog", WORD), ("diff", WORD), ("dig", WORD), ("dir", BARE),
    ("dirb", SURE), ("dirname", WORD), ("diskcomp", SURE), ("diskcopy", SURE), ("diskpart", SURE),
    ("diskshadow", SURE), ("dispdiag", SURE), ("distcc", SURE), ("dmesg", SURE.and(BARE)), ("dmidecode", SURE),
    ("dmsetup", SURE), ("dnf", SURE), ("dnscmd", SURE), ("do", PREFIX.and(CLAUSE)), ("doas", PREFIX), ("docker", WORD),
    ("docker-compose", SURE), ("dos2unix", SURE), ("dosbox", SURE), ("doskey", SURE), ("dotnet", WORD),
    ("dpkg", SURE), ("driverquery", SURE), ("dsadd", SURE), ("dsquery", SURE), ("dstat", SURE), ("du", WORD),
    ("dvipdf", WORD), ("dvips", SURE), ("dxcap", SURE), ("e2fsck", SURE), ("easy_install", SURE), ("eb", WORD),
    ("ebtables", SURE), ("echo", WORD), ("ed", WORD), ("efax", SURE), ("egrep", WORD), ("else", PREFIX.and(CLAUSE)),
    ("elvish", WORD), ("emacs", SURE), ("enscript", WORD), ("env", COLUMN.and(BARE.and(PREFIX))), ("eqn", SURE),
    ("erase", WORD), ("esentutl", SURE), ("espeak", SURE), ("esxcli", SURE), ("ethtool", SURE), ("eval", PREFIX),
    ("eventcreate", SURE), ("ex", WORD), ("exec", PREFIX), ("exiftool", SURE), ("expand", WORD), ("expect", WORD),
    ("export", WORD), ("expr", SURE), ("extrac32", SURE), ("extract", WORD), ("facter", WORD), ("factor", WORD),
    ("fc", WORD), ("fdisk", SURE), ("fetch", FETCH), ("fgrep", WORD), ("file", WORD), ("find", WORD),
    ("findstr", SURE), ("finger", WORD), ("fish", SHELL), ("flock", WORD), ("fltmc", SURE), ("fmt", WORD),
    ("fold", WORD), ("forfiles", SURE), ("format", WORD), ("fping", SURE), ("fsutil", SURE), ("ftp", SURE),
    ("ftype", WORD), ("g++", SURE), ("gawk", SURE), ("gcc", SURE), ("gcloud", WORD), ("gcore", SURE), ("gdb", SURE),
    ("gem", WORD), ("genie", WORD), ("genisoimage", SURE), ("get-childitem", SURE), ("get-ciminstance", SURE),
    ("get-command", SURE), ("get-content", SURE), ("get-itemproperty", SURE), ("get-process", SURE),
    ("get-service", SURE), ("get-wmiobject", SURE), ("getent", SURE), ("getfacl", SURE), ("getmac", SURE),
    ("ghci", SURE), ("gimp", SURE), ("gimp-2.10", SURE), ("ginsh", SURE), ("git", WORD), ("go", WORD), ("goto", WORD),
    ("gpasswd", SURE), ("gpresult", SURE), ("gpupdate", SURE), ("grc", SURE), ("grep", WORD), ("groupadd", SURE),
    ("groups", WORD), ("gsutil", WORD), ("gtester", SURE), ("gunicorn", SURE), ("gunzip", SURE), ("gzcat", SURE),
    ("gzexe", SURE), ("gzip", WORD), ("halt", BARE), ("hashcat", WORD), ("hashdump", SURE), ("hd", WORD),
    ("head", WORD), ("helm", WORD), ("hexdump", SURE), ("hh", WORD), ("highlight", WORD), ("history", WORD),
    ("host", WORD), ("hostname", COLUMN.and(BARE)), ("hping3", SURE), ("htop", SURE.and(BARE)), ("httpd", WORD),
    ("icacls", SURE), ("iconv", SURE), ("id", COLUMN.and(BARE)), ("ieexec", SURE), ("iex", SURE), ("if", PREFIX),
    ("ifconfig", SURE.and(BARE)), ("ifdown", SURE), ("iftop", SURE), ("ifup", SURE), ("infdefaultinstall", SURE),
    ("insmod", SURE), ("install", WORD), ("installutil", SURE), ("invoke-command", SURE), ("invoke-expression", SURE),
    ("invoke-item", SURE), ("invoke-mimikatz", SURE), ("invoke-restmethod", SURE.and(FETCH)),
    ("invoke-shellcode", SURE), ("invoke-webrequest", SURE.and(FETCH)), ("invoke-wmimethod", SURE),
    ("ionice", PREFIX), ("ip", WORD), ("ipconfig", SURE.and(BARE)), ("ipmitool", SURE), ("iptables", SURE),
    ("irb", SURE.and(BARE)), ("ispell", WORD), ("iwconfig", SURE), ("iwlist", WORD), ("iwr", SURE.and(FETCH)),
    ("java", WORD), ("javac", WORD), ("jjs", SURE), ("jobs", WORD), ("joe", WORD), ("join", WORD),
    ("journalctl", SURE.and(BARE)), ("jq", WORD), ("jrunscript", SURE), ("jsc", SURE), ("julia", SURE),
    ("kill", WORD), ("killall", SURE), ("klist", SURE), ("knife", WORD), ("kpartx", SURE), ("ksetup", SURE),
    ("ksh", SHELL), ("ksshell", SURE), ("ksu", WORD), ("kubectl", SURE), ("label", WORD), ("last", WORD),
    ("lastlog", SURE.and(BARE)), ("lastlogin", SURE), ("latex", WORD), ("latexmk", SURE), ("ld", WORD),
    ("ldapsearch", WORD), ("ldconfig", SURE), ("less", WORD), ("let", WORD), ("lftp", SURE), ("lighttpd", SURE),
    ("links", WORD), ("ll", BARE), ("ln", WORD), ("locate", WORD), ("lodctr", SURE), ("logger", WORD),
    ("login", WORD), ("loginctl", WORD), ("logman", SURE), ("logoff", WORD), ("logrotate", WORD), ("logsave", SURE),
    ("look", WORD), ("losetup", SURE), ("lp", WORD), ("ls", BARE), ("lsattr", SURE), ("lsb_release", SURE),
    ("lsblk", SURE.and(BARE)), ("lscpu", SURE.and(BARE)), ("lsmod", BARE), ("lsof", SURE.and(BARE)),
    ("lspci", SURE.and(BARE)), ("lsusb", SURE.and(BARE)), ("ltrace", SURE.and(PREFIX)), ("lua", WORD), ("lua5", SURE),
    ("luajit", SURE), ("lualatex", SURE), ("luatex", SURE), ("lwp-download", SURE.and(FETCH)),
    ("lwp-request", SURE.and(FETCH)), ("lynx", SURE.and(FETCH)), ("lz4cat", SURE), ("lzcat", SURE), ("lzgrep", SURE),
    ("lzma", SURE), ("lzmore", SURE), ("mail", WORD), ("mailx", WORD), ("make", WORD), ("makecab", SURE),
    ("mapfile", WORD), ("mavinject", SURE), ("mawk", SURE), ("md", WORD), ("md5sum", WORD), ("mdadm", SURE),
    ("mkdir", WORD), ("mke2fs", SURE), ("mkfifo", SURE), ("mklink", SURE), ("mknod", SURE), ("mksh", SHELL),
    ("mmc", SURE), ("modprobe", SURE), ("mofcomp", SURE), ("mongo", WORD), ("mongodump", SURE), ("mongosh", WORD),
    ("more", WORD), ("mosquitto", WORD), ("most", WORD), ("mount", WORD), ("mountvol", SURE), ("move", WORD),
    ("mrinfo", SURE), ("msbuild", SURE), ("msdt", SURE), ("msfconsole", SURE), ("msg", WORD), ("msgattrib", SURE),
    ("msgcat", SURE), ("msgconv", SURE), ("msgfilter", SURE), ("msgmerge", SURE), ("msguniq", SURE),
    ("mshta", SURE.and(FETCH)), ("msiexec", SURE), ("msinfo32", SURE), ("mstsc", SURE), ("mtr", SURE),
    ("multitime", SURE), ("mv", WORD), ("mysql", WORD), ("mysqladmin", SURE), ("mysqldump", SURE), ("nano", WORD),
    ("nasm", SURE), ("nawk", SURE), ("nbtstat", SURE), ("nc", SURE), ("nc.openbsd", SURE), ("nc.traditional", SURE),
    ("ncat", SURE), ("ncdu", SURE), ("neofetch", SURE), ("net", WORD), ("netcat", SURE), ("netcfg", SURE),
    ("netdom", SURE), ("netsh", SURE), ("netstat", SURE.and(BARE)), ("new-item", SURE), ("new-object", SURE),
    ("newgrp", SURE), ("nft", SURE), ("nginx", WORD), ("ngrok", SURE), ("nice", PREFIX), ("nl", WORD),
    ("nltest", SURE), ("nm", WORD), ("nmap", SURE), ("nmcli", WORD), ("node", WORD), ("nodejs", SURE),
    ("nohup", SURE.and(PREFIX)), ("npm", WORD), ("npx", WORD), ("nroff", WORD), ("nsenter", WORD), ("nslookup", SURE),
    ("ntdsutil", SURE), ("ntpdate", SURE), ("numfmt", WORD), ("objdump", WORD), ("octave", WORD), ("od", WORD),
    ("odbcconf", SURE), ("op", WORD), ("openfiles", SURE), ("openssl", SURE), ("openvpn", SURE), ("openvt", SURE),
    ("opkg", SURE), ("out-file", SURE), ("pacman", WORD), ("pandoc", SURE), ("parted", SURE), ("passwd", WORD),
    ("passwd.exe", SURE), ("paste", WORD), ("pathping", SURE), ("pcalua", SURE), ("pdb", WORD), ("pdflatex", SURE),
    ("pdftex", SURE), ("pdftotext", WORD), ("pdksh", SHELL), ("perf", SURE), ("perfmon", SURE), ("perl", WORD),
    ("perlbug", SURE), ("pexec", SURE), ("pg", WORD), ("pg_dump", SURE), ("pg_restore", SURE), ("pgrep", SURE),
    ("php", WORD), ("pic", WORD), ("pico", WORD), ("pidstat", SURE), ("ping", WORD), ("ping6", WORD), ("pip", WORD),
    ("pip3", SURE), ("pkcon", SURE), ("pkexec", SURE), ("pkg", WORD), ("pkill", SURE), ("pnputil", SURE),
    ("popd", WORD), ("posh", WORD), ("powercfg", SURE), ("poweroff", BARE), ("powershell", SURE.and(BARE)),
    ("pr", WORD), ("presentationhost", SURE), ("print", WORD), ("printenv", SURE.and(BARE)), ("printf", WORD),
    ("procdump", SURE), ("pry", WORD), ("ps", BARE), ("psexec", SURE), ("psftp", SURE), ("psql", SURE), ("ptx", WORD),
    ("puppet", WORD), ("pushd", WORD), ("pwd", BARE), ("pwsh", SURE.and(BARE)), ("python", WORD), ("python2", SURE),
    ("python3", SURE), ("qappsrv", SURE), ("qprocess", SURE), ("query", WORD), ("quser", SURE), ("qwinsta", SURE),
    ("rabbitmqctl", SURE), ("rake", WORD), ("rar", WORD), ("rasautou", SURE), ("rasdial", SURE),
    ("rbash", SURE.and(SHELL)), ("rc", WORD), ("rd", WORD), ("read", WORD), ("readelf", SURE), ("readlink", WORD),
    ("realpath", WORD), ("reboot", COLUMN.and(BARE)), ("red", WORD), ("redis-cli", WORD), ("redis-server", SURE),
    ("reg", WORD), ("regasm", SURE), ("regini", SURE), ("regsvcs", SURE), ("regsvr32", SURE), ("remove-item", SURE),
    ("ren", WORD), ("rename", WORD), ("renice", WORD), ("reset", WORD), ("resolve-dnsname", SURE), ("restic", SURE),
    ("rev", WORD), ("rexec", WORD), ("rgrep", WORD), ("rlogin", WORD), ("rlwrap", SURE.and(PREFIX)), ("rm", WORD),
    ("rmdir", SURE), ("rmmod", SURE), ("rmt", SURE), ("rmuser", SURE), ("robocopy", SURE), ("route", WORD),
    ("rpm", WORD), ("rpmdb", WORD), ("rpmquery", SURE), ("rpmverify", SURE), ("rsh", WORD), ("rsync", SURE),
    ("rtorrent", SURE), ("ruby", WORD), ("run-mailcap", WORD), ("run-parts", WORD), ("runas", SURE),
    ("rundll32", SURE), ("runonce", SURE), ("runscript", SURE), ("runscripthelper", SURE), ("rview", SURE),
    ("rvim", SURE), ("salt", WORD), ("sash", SURE), ("sc", WORD), ("sc.exe", SURE), ("scanmem", WORD),
    ("schtasks", SURE), ("scp", SURE), ("screen", WORD), ("script", WORD), ("scriptrunner", SURE), ("scrot", SURE),
    ("secedit", SURE), ("sed", WORD), ("sendmail", WORD), ("seq", WORD), ("service", WORD), ("set", COLUMN.and(BARE)),
    ("set-content", SURE), ("set-executionpolicy", SURE), ("setarch", PREFIX), ("setenforce", SURE),
    ("setfacl", SURE), ("setlock", SURE), ("setsid", SURE.and(PREFIX)), ("setx", SURE), ("sfc", WORD),
    ("sfdisk", SURE), ("sftp", SURE), ("sg", WORD), ("sh", SHELL), ("sh.distrib", SHELL), ("sha1sum", WORD),
    ("sha256sum", WORD), ("shadow", WORD), ("showmount", SURE), ("shred", WORD), ("shuf", WORD),
    ("shutdown", COLUMN.and(BARE)), ("sigverif", SURE), ("sleep", WORD), ("slsh", WORD), ("smbclient", SURE),
    ("smbmap", SURE), ("snap", WORD), ("socat", SURE), ("soelim", WORD), ("softlimit", SURE), ("sort", WORD),
    ("source", WORD), ("split", WORD), ("sql", WORD), ("sqlite3", WORD), ("sqlmap", WORD), ("ss", WORD),
    ("ssh", SURE), ("ssh-agent", SURE), ("ssh-copy-id", SURE), ("ssh-keygen", SURE), ("ssh-keyscan", SURE),
    ("sshpass", SURE), ("start", PREFIX), ("start-bitstransfer", SURE.and(FETCH)), ("start-process", SURE),
    ("start-sleep", SURE), ("start-stop-daemon", WORD), ("stat", WORD), ("stdbuf", SURE.and(PREFIX)),
    ("stop-process", SURE), ("strace", SURE.and(PREFIX)), ("strings", WORD), ("su", WORD), ("subst", WORD),
    ("sudo", PREFIX), ("sum", WORD), ("swapoff", SURE), ("swapon", SURE), ("sync", WORD),
    ("syncappvpublishingserver", SURE), ("sysctl", SURE), ("systemctl", SURE), ("systemd-resolve", SURE),
    ("systemd-run", WORD), ("systeminfo", SURE.and(BARE)), ("tac", WORD), ("tail", WORD), ("takeown", SURE),
    ("tar", WORD), ("task", WORD), ("taskkill", SURE), ("tasklist", SURE.and(BARE)), ("taskset", SURE.and(PREFIX)),
    ("tasksh", SURE), ("tbl", WORD), ("tclsh", SHELL), ("tcpdump", SURE), ("tcsh", SHELL), ("tdbtool", SURE),
    ("tee", WORD), ("telnet", SURE), ("terraform", WORD), ("test", WORD), ("test-netconnection", SURE), ("tex", WORD),
    ("tftp", SURE.and(FETCH)), ("then", PREFIX.and(CLAUSE)), ("tic", WORD), ("time", PREFIX), ("timedatectl", SURE),
    ("timeout", PREFIX), ("title", WORD), ("tmate", SURE), ("tmux", SURE), ("top", WORD), ("torify", SURE),
    ("torsocks", SURE), ("touch", WORD), ("tput", WORD), ("tr", WORD), ("traceroute", SURE), ("traceroute6", SURE),
    ("tracert", SURE), ("trap", WORD), ("tree", WORD), ("troff", WORD), ("truncate", WORD), ("tscon", SURE),
    ("tsdiscon", SURE), ("tshark", SURE), ("tskill", SURE), ("tttracer", SURE), ("tune2fs", SURE), ("type", WORD),
    ("typeperf", SURE), ("uconv", WORD), ("ul", WORD), ("ulimit", SURE), ("umask", WORD), ("umount", SURE),
    ("unalias", WORD), ("uname", SURE.and(BARE)), ("unexpand", SURE), ("uniq", WORD), ("unlink", SURE),
    ("unlodctr", SURE), ("unlzma", SURE), ("unset", WORD), ("unshare", SURE.and(PREFIX)), ("unsquashfs", SURE),
    ("until", PREFIX), ("unzip", WORD), ("unzstd", SURE), ("update-alternatives", SURE), ("uptime", BARE),
    ("useradd", SURE), ("userdel", SURE), ("usermod", SURE), ("users", WORD), ("uudecode", SURE), ("uuencode", SURE),
    ("uwsgi", SURE), ("vagrant", WORD), ("valgrind", WORD), ("varnishncsa", SURE), ("vbc", SURE), ("vbscript", SURE),
    ("ver", COLUMN.and(BARE)), ("verclsid", SURE), ("vi", WORD), ("view", WORD), ("vigr", SURE), ("vim", WORD),
    ("vimdiff", SURE), ("vipw", SURE), ("virsh", SURE), ("visudo", SURE.and(BARE)), ("vssadmin", SURE),
    ("w", COLUMN.and(BARE)), ("w32tm", SURE), ("w3m", SURE.and(FETCH)), ("wab", WORD), ("wait", WORD),
    ("waitfor", WORD), ("wall", WORD), ("watch", PREFIX), ("wbadmin", SURE), ("wc", WORD), ("wecutil", SURE),
    ("wevtutil", SURE), ("wget", SURE.and(FETCH)), ("wget2", SURE.and(FETCH)), ("whereis", WORD), ("which", WORD),
    ("while", PREFIX), ("whiptail", SURE), ("who", COLUMN.and(BARE)), ("whoami", SURE.and(BARE)), ("whois", WORD),
    ("whoopsie", SURE), ("whoosh", WORD), ("winrm", SURE), ("winrs", SURE), ("winsat", SURE), ("wish", WORD),
    ("wmic", SURE), ("wpcmd", SURE), ("write", WORD), ("wscript", SURE), ("wslconfig", SURE), ("wsreset", SURE),
    ("wuauclt", SURE), ("wusa", SURE), ("xargs", SURE.and(PREFIX)), ("xcopy", SURE), ("xdg-user-dir", SURE),
    ("xdotool", WORD), ("xelatex", SURE), ("xetex", SURE), ("xmllint", WORD), ("xmodmap", WORD), ("xmore", WORD),
    ("xpad", SURE), ("xwizard", SURE), ("xxd", SURE), ("xz", WORD), ("xzcat", SURE), ("xzgrep", SURE),
    ("xzmore", SURE), ("yarn", WORD), ("yarnpkg", SURE), ("yash", SURE), ("yelp", WORD), ("yes", WORD), ("yum", WORD),
    ("zathura", WORD), ("zcat", SURE), ("zdiff", SURE), ("zenity", SURE), ("zgrep", SURE), ("zip", WORD),
    ("zsh", SHELL), ("zsoelim", SURE), ("zstdcat", SURE), ("zstdgrep", SURE), ("zstdless", SURE), ("zstdmt", SURE),
    ("zypper", SURE),
];
