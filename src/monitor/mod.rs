//! Reads records off the request path: windows, baselines, alerts, and telling of them. Never asked by a request, never waited for by one.

mod about;
mod alert;
mod board;
mod detection;
mod distinct;
mod door;
mod engine;
mod flow;
mod habits;
mod hitters;
mod notify;
mod recent;
mod seen;
mod settings;
mod visits;
mod window;

pub use alert::{Actor, Alert, Change, Evidence, Notice, Shown, Subject};
pub use detection::{Action, Detection, Parameter, Rule, SPECS, Severity, Spec};
pub use engine::{Behind, Engine, Health, Progress, Size, Unread};
pub use notify::{Alertmanager, Channel, MailTo, Notifier, SignedWebhook, Slack};
pub use settings::Settings;

#[cfg(test)]
mod simulation;
