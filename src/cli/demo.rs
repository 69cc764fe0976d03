//! `claviger demo`: the whole job on loopback, told as a short story. Every step is checked: the demo fails when the product does.

mod http;
mod servers;
mod stage;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::Failure;
use http::Answer;
use stage::{FIRST_KEY, SECOND_KEY, Stage};

/// How to show it.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End by itself after the story; the exit code tells whether everything went as told.
    #[arg(long)]
    once: bool,
}

/// How long a change may take to be seen before the demo counts it as failed.
const PATIENCE: Duration = Duration::from_secs(20);

impl DemoArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let mut stage = Stage::set(out)?;
        Story { stage: &mut stage, out, step: 0 }.tell()?;
        if self.once {
            writeln!(out, "\nEverything went as told.")?;
            return Ok(());
        }
        stage.invite(out)?;
        stage.wait()
    }
}

struct Story<'a> {
    stage: &'a mut Stage,
    out: &'a mut dyn Write,
    step: u32,
}

impl Story<'_> {
    fn tell(&mut self) -> Result<(), Failure> {
        self.allowed()?;
        self.denied()?;
        self.expired()?;
        self.reloaded()?;
        self.rotated()?;
        let alice = self.approved()?;
        self.revoked(&alice)?;
        self.recorded()
    }

    fn allowed(&mut self) -> Result<(), Failure> {
        self.title("Alice reads charges with her own token, good for 5 minutes")?;
        let token = self.stage.token("alice", "billing", 300);
        let answer = self.call("GET", "/payments/v1/charges?limit=3", Some(&token))?;
        self.expect(answer.status == 200, "the gateway lets her in")?;
        let seen = self.stage.upstream.saw();
        let key = seen.fields.get("authorization").map_or("nothing", String::as_str).to_owned();
        writeln!(self.out, "     upstream saw: {}\n                   authorization: {key}", seen.line)?;
        self.expect(key == format!("Bearer {FIRST_KEY}"), "the upstream saw the real key")?;
        self.expect(!seen.fields.values().any(|value| value.contains(&token)), "her token never got there")?;
        let told: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let echoed = told["headers"]["authorization"].as_str().unwrap_or("nothing");
        writeln!(self.out, "     she was told: authorization: {echoed}")?;
        self.expect(!answer.body.contains(FIRST_KEY), "and the key does not come back, though the upstream echoes it")
    }

    fn denied(&mut self) -> Result<(), Failure> {
        self.title("She tries a refund, which no rule allows")?;
        let token = self.stage.token("alice", "billing", 300);
        let heard = self.stage.upstream.heard();
        let answer = self.call("POST", "/payments/v1/refunds", Some(&token))?;
        writeln!(self.out, "     {}", answer.body.trim_end())?;
        self.expect(answer.status == 403 && answer.body.contains("not_allowed"), "403, which says no more than that")?;
        self.expect(self.stage.upstream.heard() == heard, "the upstream heard nothing of it")
    }

    fn expired(&mut self) -> Result<(), Failure> {
        self.title("A token from yesterday, and none at all")?;
        let stale = self.stage.token("alice", "billing", -86_400);
        let answer = self.call("GET", "/payments/v1/charges", Some(&stale))?;
        self.expect(answer.status == 401, "an expired token proves nothing")?;
        let answer = self.call("GET", "/payments/v1/charges", None)?;
        self.expect(answer.status == 401, "no token proves nothing")
    }

    fn reloaded(&mut self) -> Result<(), Failure> {
        self.title("A rule for refunds is added to the file; nothing is restarted")?;
        writeln!(self.out, "     + {}", stage::REFUND_RULE)?;
        self.stage.allow_refunds()?;
        self.until("the gateway took the new file", |story| Ok(story.stage.config_number()? == 2))?;
        let token = self.stage.token("alice", "billing", 300);
        let answer = self.call("POST", "/payments/v1/refunds", Some(&token))?;
        self.expect(answer.status == 200, "the refund goes through")
    }

    fn rotated(&mut self) -> Result<(), Failure> {
        self.title("The upstream key is replaced in the vault; nothing is reloaded")?;
        self.stage.rotate_key()?;
        let token = self.stage.token("alice", "billing", 300);
        self.until("the upstream sees the new key", |story| {
            let answer = story.stage.call("GET", "/payments/v1/charges", Some(&token))?;
            let seen = story.stage.upstream.saw();
            Ok(answer.status == 200 && seen.fields.get("authorization") == Some(&format!("Bearer {SECOND_KEY}")))
        })
    }

    /// Tells the token that came so far.
    fn approved(&mut self) -> Result<String, Failure> {
        self.title("A payout waits for somebody's approval")?;
        let (alice, bob) = (self.stage.token("alice", "billing", 600), self.stage.token("bob", "lead", 600));
        let denied = self.call("POST", "/payments/v1/payouts", Some(&alice))?;
        writeln!(self.out, "     {}", denied.body.trim_end())?;
        self.expect(denied.status == 403 && denied.body.contains("approval_needed"), "403, which says where to ask")?;
        let wish = r#"{"approval":"payouts","reason":"the courier waits","for":"5m"}"#;
        let asked = self.send("alice", "/access/requests", &alice, wish)?;
        let told: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        self.expect(asked.status == 201 && told["state"] == "pending", "her request waits")?;
        let approve = format!("/access/requests/{}/approve", told["id"].as_str().unwrap_or_default());
        let own = self.send("alice", &approve, &alice, "{}")?;
        self.expect(own.status == 403, "she cannot approve it herself")?;
        let approved = self.send("bob", &approve, &bob, "{}")?;
        self.expect(approved.status == 200 && approved.body.contains("granted"), "Bob can: the clock begins")?;
        let answer = self.call("POST", "/payments/v1/payouts", Some(&alice))?;
        self.expect(answer.status == 200, "the payout goes through, for five minutes")?;
        Ok(alice)
    }

    fn revoked(&mut self, alice: &str) -> Result<(), Failure> {
        self.title("Her laptop is stolen while she listens to a stream that says nothing")?;
        let mut stream = self.stage.listen("/payments/v1/payouts/events", alice)?;
        writeln!(self.out, "     > GET /payments/v1/payouts/events\n     < 200, one event, then silence")?;
        let command = ["revocation", "add", "principal:corp:alice", "--reason", "laptop stolen"];
        writeln!(self.out, "     $ claviger {}", command.join(" "))?;
        self.stage.operate(&command)?;
        let told = Instant::now();
        let mut rest = Vec::new();
        // However it ends, it has ended.
        let _ = io::Read::read_to_end(&mut stream, &mut rest);
        let took = told.elapsed();
        self.expect(
            took < PATIENCE / 4,
            &format!("the stream is cut {:.0} ms after the command", took.as_secs_f64() * 1e3),
        )?;
        let answer = self.call("GET", "/payments/v1/charges", Some(alice))?;
        self.expect(answer.status == 401, "and her token is worth nothing any more")
    }

    fn recorded(&mut self) -> Result<(), Failure> {
        self.title("Who did what")?;
        self.until("every exchange has its record", |story| {
            let lines = story.stage.audit()?;
            let is_denial = |line: &&Value| line["code"] == "not_allowed";
            let is_cut = |line: &&Value| line["detail"] == "revoked" && line["status"] == 200;
            Ok(lines.iter().any(|l| is_denial(&l)) && lines.iter().any(|l| is_cut(&l)))
        })?;
        let lines = self.stage.audit()?;
        let exchanges = || lines.iter().filter(|line| line["kind"] == "exchange");
        let last = exchanges().count().saturating_sub(9);
        for line in exchanges().skip(last) {
            let text = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
            let why = if line["code"].is_string() { text("code") } else { text("rule") };
            writeln!(
                self.out,
                "     {}  {:<6} {:<5} {:<34} {:>3}  {:<9}  {}",
                &text("time").get(11..19).unwrap_or_default(),
                text("principal"),
                text("method"),
                text("path").chars().take(34).collect::<String>(),
                line["status"],
                text("outcome"),
                why
            )?;
        }
        let all = self.stage.audit_text()?;
        self.expect(!all.contains(FIRST_KEY) && !all.contains(SECOND_KEY), "and no key in any of it")
    }

    fn title(&mut self, text: &str) -> io::Result<()> {
        self.step += 1;
        writeln!(self.out, "\n{}. {text}", self.step)
    }

    fn call(&mut self, method: &str, path: &str, token: Option<&str>) -> Result<Answer, Failure> {
        writeln!(self.out, "     > {method} {path}")?;
        let answer = self.stage.call(method, path, token)?;
        writeln!(self.out, "     < {}", answer.status)?;
        Ok(answer)
    }

    fn send(&mut self, who: &str, path: &str, token: &str, body: &str) -> Result<Answer, Failure> {
        writeln!(self.out, "     > {who}: POST {path}")?;
        let answer = self.stage.send("POST", path, token, body)?;
        writeln!(self.out, "     < {}", answer.status)?;
        Ok(answer)
    }

    fn expect(&mut self, holds: bool, what: &str) -> Result<(), Failure> {
        if !holds {
            let log = self.stage.log();
            return Err(Failure::new(1, format!("FAILED: {what}\nThe gateway's log:\n{log}")));
        }
        Ok(writeln!(self.out, "     ok: {what}")?)
    }

    fn until(&mut self, what: &str, holds: impl Fn(&Self) -> Result<bool, Failure>) -> Result<(), Failure> {
        let began = Instant::now();
        let mut held = holds(self)?;
        while !held && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(50));
            held = holds(self)?;
        }
        let what = format!("{what} ({:.1} s)", began.elapsed().as_secs_f32());
        self.expect(held, &what)
    }
}
