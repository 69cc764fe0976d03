//! One record for each exchange, however it ends.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::audit::{Log, Settings};
use crate::domain::Name;
use crate::state::Engines;

fn services(path: std::path::PathBuf) -> Arc<Services> {
    let engines = Engines::new().expect("engines");
    let settings = Settings { path: Some(path), ..Settings::default() };
    let log = Log::open(settings, engines.metrics.audit.clone()).expect("a log");
    Arc::new(Services::new(engines, log, Snapshot::default()))
}

fn draft(services: &Arc<Services>) -> Draft {
    let address = "192.0.2.1:7".parse().expect("address");
    let name = Name::parse("public").expect("name");
    let connection = Arc::new(Connection::new(name, address, address, false, None));
    let (snapshot, headers) = (services.snapshot(), HeaderMap::new());
    Draft::begin(services, &snapshot, &connection, &Method::GET, Version::HTTP_11, &headers)
}

#[test]
fn every_exchange_has_one_record_however_it_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit");
    let services = services(path.clone());
    let refused = Ended {
        outcome: Outcome::Denied,
        status: Some(404),
        request_bytes: 0,
        response_bytes: 0,
        upstream_began: None,
    };
    draft(&services).end(refused);
    drop(draft(&services));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _draft = draft(&services);
        std::panic::resume_unwind(Box::new("as a bug would"));
    }));
    assert!(panicked.is_err());
    assert_eq!(services.engines.metrics.in_flight.get(), 0);
    services.audit.close(Duration::from_secs(10)).expect("written");
    let text = std::fs::read_to_string(path).expect("records");
    let outcomes: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .filter(|line| line["kind"] == "exchange")
        .map(|line| line["outcome"].to_string())
        .collect();
    assert_eq!(outcomes, ["\"denied\"", "\"aborted\"", "\"panicked\""]);
}
