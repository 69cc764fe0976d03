//! How much one principal may come to: bytes, different objects, requests that come to nothing.

use crate::support::{
    http1::Message,
    scene::{Extra, Scene, code},
    upstream::Upstream,
};

fn scene(limit: &str) -> Scene {
    let upstream = Upstream::start(|request, wire| match request.path() {
        "/large" => wire.respond(200, &[], &[b'x'; 60_000]),
        path if path.starts_with("/missing/") => wire.respond(404, &[], b""),
        _ => wire.echo(request),
    });
    let tables = format!("[limit.hoarding]\nby = \"principal\"\nper = \"1h\"\n{limit}");
    Scene::with(upstream, &Extra { route: "limits = [\"hoarding\"]", tables: &tables, ..Extra::default() })
}

/// A GET whose record is written, by which it is counted.
fn get(scene: &Scene, path: &str) -> Message {
    let response = scene.get(path);
    scene.record_of(&response);
    response
}

/// Asserts that this is refused for too much of this, that another principal's is not, and that nothing of it went upstream.
fn refuses(scene: &Scene, path: &str, measure: &str) {
    let count = || scene.gateway.metric("claviger_denials_total", &["code=\"volume_exceeded\""]).unwrap_or_default();
    let (before, counted) = (scene.upstream.requests().len(), count());
    let refused = scene.get(path);
    assert_eq!((refused.status(), code(&refused).as_str()), (429, "volume_exceeded"), "{}", refused.text());
    let wait: u64 = refused.header("retry-after").expect("a wait").parse().expect("seconds");
    assert!((3500..=3600).contains(&wait), "{wait}");
    let record = scene.record_of(&refused);
    assert_eq!((&record["code"], &record["detail"]), (&"volume_exceeded".into(), &measure.into()));
    assert_eq!(scene.upstream.requests().len(), before);
    let other = format!("Bearer {}", scene.token_of("grace", &["reader"]));
    let response = scene.gateway.get(path, &[("Host", "api.test"), ("Authorization", &other)]);
    assert_ne!(response.status(), 429, "another principal");
    assert!((count() - counted - 1.0).abs() < 0.5, "{counted}, then {}", count());
}

#[test]
fn whoever_took_too_many_bytes_gets_no_more() {
    let scene = scene("bytes = \"100KiB\"");
    for _ in 0..2 {
        assert_eq!(get(&scene, "/api/large").status(), 200);
    }
    refuses(&scene, "/api/x", "bytes");
}

#[test]
fn whoever_goes_through_objects_gets_known_ones_alone() {
    let scene = scene("objects = 5");
    for id in 0..5 {
        assert_eq!(get(&scene, &format!("/api/things/{id}")).status(), 200);
    }
    // Two objects count as one once in a thousand times, whichever two of six.
    let mut new = (5..8).map(|id| format!("/api/things/{id}"));
    let refused = new.find(|path| get(&scene, path).status() == 429).expect("a new object too many");
    refuses(&scene, &refused, "objects");
    assert_eq!(scene.get("/api/things/3").status(), 200);
    assert_eq!(scene.get("/api/things/3?as=another#name").status(), 400, "not a way around it");
    assert_eq!(scene.get("/api/things/%33?q=1").status(), 200, "the same object");
}

#[test]
fn whoever_guesses_is_stopped() {
    let scene = scene("errors = 50");
    for id in 0..20 {
        let path = if id % 2 == 0 { format!("/api/missing/{id}") } else { "/api/x".to_owned() };
        assert_ne!(get(&scene, &path).status(), 429);
    }
    assert_eq!(get(&scene, "/api/missing/1").status(), 404);
    refuses(&scene, "/api/x", "errors");
}
