//! `claviger access`: asking a gateway for access, and deciding on what others ask for, as whoever the token proves.

mod remote;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::Failure;
use crate::crypto::sha256;
use crate::domain::{Id, Name, hex};
use crate::telemetry::escape;
use remote::Gateway;

/// Ask for access, and decide on what others ask for.
#[derive(Debug, Subcommand)]
pub enum AccessCommand {
    /// Ask for what a 403 with `approval_needed` names.
    Request(RequestArgs),
    /// Show the requests that you may see, the latest first.
    List(ListArgs),
    /// Show one request and all that was done with it.
    Show(OneArgs),
    /// Say yes to somebody's request. With the last yes that is needed, its clock begins.
    Approve(DecideArgs),
    /// Say no to somebody's request.
    Deny(DecideArgs),
    /// Take your request back, or end a grant at once, in the middle of what is under way.
    End(DecideArgs),
    /// Say that you have looked at a grant that was taken without approval.
    Review(DecideArgs),
}

/// What to ask for.
#[derive(Debug, Args)]
pub struct RequestArgs {
    /// The approval, as the 403 names it.
    #[arg(value_parser = Name::parse)]
    approval: Name,
    /// Why you need it.
    #[arg(long)]
    reason: String,
    /// The case that it belongs to.
    #[arg(long)]
    ticket: Option<String>,
    /// For how long (`15m`); without it, as long as it may last.
    #[arg(long = "for", value_name = "TIME")]
    lasts: Option<String>,
    /// Only for this route; may be given more than once.
    #[arg(long = "route", value_name = "ROUTE", value_parser = Name::parse)]
    routes: Vec<Name>,
    /// Only for this method; may be given more than once.
    #[arg(long = "method", value_name = "METHOD")]
    methods: Vec<String>,
    /// Only for so many requests.
    #[arg(long)]
    uses: Option<u32>,
    /// The method of the one request that it is for, where the approval is for single ones.
    #[arg(long, value_name = "METHOD", requires = "exact_url")]
    exact_method: Option<String>,
    /// Its URL, as you will ask the gateway for it.
    #[arg(long, value_name = "URL", requires = "exact_method")]
    exact_url: Option<String>,
    /// A file with its body; without it, it has none.
    #[arg(long, value_name = "FILE", requires = "exact_url")]
    exact_body: Option<PathBuf>,
    /// Take it at once, without approval: where that is allowed, it is told as an alert and reviewed.
    #[arg(long)]
    break_glass: bool,
    /// Wait until somebody decided; exit code 1 when it was not granted.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    gateway: Gateway,
    /// Print one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// Which to show.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those that stand so.
    #[arg(long, value_parser = ["pending", "granted", "denied", "expired", "ended", "over"])]
    state: Option<String>,
    #[command(flatten)]
    gateway: Gateway,
    /// Print a JSON array instead.
    #[arg(long)]
    json: bool,
}

/// Which one.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The request's id, as `list` shows it.
    id: Id,
    #[command(flatten)]
    gateway: Gateway,
    /// Print one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// Which one, and why.
#[derive(Debug, Args)]
pub struct DecideArgs {
    /// The request's id, as `list` shows it.
    id: Id,
    /// Why; it is in the audit log.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    gateway: Gateway,
    /// Print one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// How often to ask whether somebody decided.
const ASK_EVERY: Duration = Duration::from_secs(2);

impl AccessCommand {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Request(args) => args.run(out),
            Self::List(args) => args.run(out),
            Self::Show(args) => {
                let one = args.gateway.get(&format!("/{}", args.id))?;
                if args.json { Ok(writeln!(out, "{one}")?) } else { show(&one, out) }
            }
            Self::Approve(args) => args.run("approve", out),
            Self::Deny(args) => args.run("deny", out),
            Self::End(args) => args.run("end", out),
            Self::Review(args) => args.run("review", out),
        }
    }
}

impl RequestArgs {
    fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let mut body = Map::new();
        let mut say = |name: &str, value: Value| body.insert(name.to_owned(), value);
        say("approval", self.approval.as_str().into());
        say("reason", self.reason.into());
        for (name, value) in [("ticket", self.ticket), ("for", self.lasts)] {
            value.map(|value| say(name, value.into()));
        }
        if !self.routes.is_empty() {
            say("routes", self.routes.iter().map(Name::as_str).collect());
        }
        if !self.methods.is_empty() {
            say("methods", self.methods.into());
        }
        self.uses.map(|uses| say("uses", uses.into()));
        if let (Some(method), Some(url)) = (self.exact_method, self.exact_url) {
            let mut request = json!({ "method": method, "url": url });
            if let Some(path) = self.exact_body {
                let content = std::fs::read(&path)
                    .map_err(|error| Failure::new(2, format!("claviger: {}: {error}", path.display())))?;
                request["body_sha256"] = hex(&sha256(&content)).into();
            }
            say("request", request);
        }
        if self.break_glass {
            say("break_glass", true.into());
        }
        let mut one = self.gateway.post("", &Value::Object(body))?;
        if self.wait {
            let path = format!("/{}", text(&one, "id"));
            let began = Instant::now();
            while one["state"] == "pending" {
                log::debug!("nobody has decided after {:?}", began.elapsed());
                std::thread::sleep(ASK_EVERY);
                one = self.gateway.get(&path)?;
            }
        }
        let line = if self.json { one.to_string() } else { escape(&line(&one)).into_owned() };
        writeln!(out, "{line}")?;
        if self.wait && one["state"] != "granted" {
            return Err(Failure::new(1, format!("claviger: it was not granted: {}", text(&one, "state"))));
        }
        Ok(())
    }
}

impl ListArgs {
    fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let query = self.state.map(|state| format!("?state={state}")).unwrap_or_default();
        let told = self.gateway.get(&query)?;
        if self.json {
            return Ok(writeln!(out, "{}", told["requests"])?);
        }
        let all = told["requests"].as_array().map(Vec::as_slice).unwrap_or_default();
        if all.is_empty() {
            return Ok(writeln!(out, "There are none that you may see.")?);
        }
        all.iter().try_for_each(|one| writeln!(out, "{}", escape(&line(one)))).map_err(Failure::from)
    }
}

impl DecideArgs {
    fn run(self, verb: &str, out: &mut dyn Write) -> Result<(), Failure> {
        let body = self.reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
        let one = self.gateway.post(&format!("/{}/{verb}", self.id), &body)?;
        let line = if self.json { one.to_string() } else { escape(&line(&one)).into_owned() };
        Ok(writeln!(out, "{line}")?)
    }
}

fn text<'a>(one: &'a Value, name: &str) -> &'a str {
    one[name].as_str().unwrap_or_default()
}

fn line(one: &Value) -> String {
    let state = match text(one, "state") {
        "granted" => format!("granted until {}", text(one, "until")),
        "pending" => {
            let events = one["events"].as_array().map(Vec::as_slice).unwrap_or_default();
            let yes = events.iter().filter(|event| event["deed"] == "approved").count();
            format!("pending, {yes} of {} approvals, until {}", one["needed"], text(one, "expires"))
        }
        state => state.to_owned(),
    };
    let review = if one["needs_review"] == true { "  TO BE REVIEWED" } else { "" };
    let review = if one["revoked"] == true { format!("{review}  THEIR ACCESS IS ENDED") } else { review.to_owned() };
    let lasts = if one["hold"] == true { "ON HOLD".to_owned() } else { format!("for {}", text(one, "for")) };
    let (id, approval, of) = (text(one, "id"), text(one, "approval"), text(one, "requester"));
    format!("{id}  {approval}  by {of}  {lasts}  {state}{review}  {}", text(one, "reason"))
}

fn show(one: &Value, out: &mut dyn Write) -> Result<(), Failure> {
    let members = one.as_object().into_iter().flatten();
    for (name, value) in members.filter(|(name, value)| !value.is_null() && *name != "events") {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        writeln!(out, "{name:<13} {}", escape(&text))?;
    }
    for event in one["events"].as_array().into_iter().flatten() {
        let (at, deed, by) = (text(event, "at"), text(event, "deed"), text(event, "by"));
        writeln!(out, "{}", escape(&format!("{at}  {deed} by {by}  {}", text(event, "reason"))))?;
    }
    Ok(())
}
