//! nginx with ModSecurity and the Core Rule Set, as Debian has them: what is compared with, where requests are looked through.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::fault::{Fault, While};
use crate::program::{Program, free_address};
use crate::site::{Proxy, Site};

const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so";
const CRS_SETUP: &str = "/etc/modsecurity/crs/crs-setup.conf";
const CRS_RULES: &str = "/usr/share/modsecurity-crs/rules";
/// What `%u` is decoded by.
const UNICODE: &str = "/etc/nginx/unicode.mapping";

/// What nginx does besides passing requests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nginx {
    Plain,
    Logging,
    /// Logs too.
    ModSecurity,
}

/// Looks for all of it and says how to get it when it is not there.
pub(crate) fn find() -> Result<(), Fault> {
    let is_there = Command::new("nginx").arg("-v").stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let missing = [MODULE, CRS_SETUP, CRS_RULES, UNICODE].into_iter().find(|path| !Path::new(path).exists());
    if is_there && missing.is_none() {
        return Ok(());
    }
    Err(Fault::new(format!(
        "{} was not found. Install nginx with ModSecurity and the Core Rule Set (Debian: apt-get install nginx libnginx-mod-http-modsecurity \
         modsecurity-crs; the nginx that this starts at port 80 is not needed) and run this again",
        missing.unwrap_or("nginx")
    )))
}

/// Starts nginx before the site's upstream, one process without a master.
pub(crate) fn start(site: &Site, kind: Nginx) -> Result<Proxy, Fault> {
    let name = match kind {
        Nginx::Plain => "nginx-plain",
        Nginx::Logging => "nginx",
        Nginx::ModSecurity => "nginx-modsecurity",
    };
    let folder = site.folder().join(format!("{name}.d"));
    fs::create_dir(&folder).during("making a folder for nginx")?;
    let address = free_address()?;
    let rules = folder.join("rules.conf");
    fs::write(&rules, rules_file(&folder)).during("writing rules for nginx")?;
    let log = format!("access_log {}/access.log combined buffer=64k flush=1s;", folder.display());
    let (module, on) = match kind {
        Nginx::Plain => (String::new(), "access_log off;".to_owned()),
        Nginx::Logging => (String::new(), log),
        Nginx::ModSecurity => {
            let looks = format!("modsecurity on; modsecurity_rules_file {};", rules.display());
            (format!("load_module {MODULE};"), log + &looks)
        }
    };
    let config = folder.join("nginx.conf");
    fs::write(&config, config_file(&folder, address, site.upstream(), &module, &on)).during("configuring nginx")?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&folder).arg("-e").arg(folder.join("error.log")).arg("-c").arg(&config);
    let program = Program::start(name, &mut command, site.cores().proxy, address, site.folder())?;
    Ok(Proxy::new(program, address))
}

/// The settings that ModSecurity recommends, for requests alone, and the Core Rule Set as it comes: paranoia 1, refused from 5 on.
fn rules_file(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 1048576
SecRequestBodyLimitAction Reject
SecResponseBodyAccess Off
SecPcreMatchLimit 100000
SecPcreMatchLimitRecursion 100000
SecTmpDir {folder}
SecDataDir {folder}
SecAuditEngine RelevantOnly
SecAuditLogRelevantStatus "^(?:5|4(?!04))"
SecAuditLogParts ABIJDEFHZ
SecAuditLogType Serial
SecAuditLog {folder}/audit.log
SecArgumentSeparator &
SecCookieFormat 0
SecUnicodeMapFile {UNICODE} 20127
SecRule REQUEST_HEADERS:Content-Type "^application/json" "id:'200001',phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQBODY_ERROR "!@eq 0" "id:'200002',phase:2,t:none,log,deny,status:400,msg:'Failed to parse request body.'"
Include {CRS_SETUP}
Include {CRS_RULES}/*.conf
"#
    )
}

fn config_file(folder: &Path, address: SocketAddr, upstream: SocketAddr, module: &str, on: &str) -> String {
    let folder = folder.display();
    format!(
        r#"{module}
daemon off;
master_process off;
pid {folder}/pid;
events {{ worker_connections 4096; }}
http {{
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_body_buffer_size 128k;
  keepalive_requests 100000000;
  upstream items {{
    server {upstream};
    keepalive 512;
    keepalive_requests 100000000;
  }}
  server {{
    listen {address};
    {on}
    location / {{
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass http://items;
    }}
  }}
}}
"#
    )
}
