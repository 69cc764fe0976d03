//! Roles that count under some circumstances only.

use std::time::{Duration, SystemTime};

use crate::support::{
    scene::{Extra, Scene},
    setup::alice,
};

/// A time of the day, so many hours from now, in UTC.
fn in_hours(hours: u64) -> String {
    let time = SystemTime::now() + Duration::from_secs(hours * 3600);
    let since = time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs() % 86_400;
    format!("{:02}:{:02}", since / 3600, since % 3600 / 60)
}

#[test]
fn a_role_counts_only_where_its_conditions_hold() {
    let (earlier, soon, later) = (in_hours(22), in_hours(2), in_hours(4));
    let tables = format!(
        r#"
[role.now.hours]
from = "{earlier}"
to = "{soon}"
[role.later.hours]
from = "{soon}"
to = "{later}"
[role.inside]
networks = ["10.0.0.0/8"]
[role.here]
networks = ["127.0.0.0/8"]
[role.by-key]
requires = ["keys"]
claims = ["user"]
[role.by-token]
requires = ["corp"]
[route.some]
path = "/some/**"
target = "api"
authn = ["corp", "keys"]
allow = [
  {{ role = "now", paths = ["/now"] }},
  {{ role = "later", paths = ["/later"] }},
  {{ role = "inside", paths = ["/inside"] }},
  {{ role = "here", paths = ["/here"] }},
  {{ role = "by-key", paths = ["/by-key"] }},
  {{ role = "by-token", paths = ["/by-token"] }},
]
{}"#,
        alice().entry()
    );
    let scene = Scene::new(&Extra { tables: &tables, ..Extra::default() });
    let token = scene.token_of("ada", &["now", "later", "inside", "here", "by-key", "by-token"]);
    for (proof, path, want) in [
        (format!("Bearer {token}"), "/some/now", 200),
        (format!("Bearer {token}"), "/some/later", 403),
        (format!("Bearer {token}"), "/some/inside", 403),
        (format!("Bearer {token}"), "/some/here", 200),
        (format!("Bearer {token}"), "/some/by-key", 403),
        (format!("Bearer {token}"), "/some/by-token", 200),
        (alice().bearer(), "/some/by-key", 200),
        (alice().bearer(), "/some/by-token", 403),
    ] {
        let answer = scene.gateway.get(path, &[("Host", "api.test"), ("Authorization", &proof)]);
        assert_eq!(answer.status(), want, "{path}");
    }
}
