//! Configurations of any size, for benchmarks.

#![allow(dead_code, reason = "each benchmark uses its part")]

use std::fmt::Write;

/// How many rules of [`rules`] stand in one route.
pub(crate) const RULES_PER_ROUTE: usize = 10;

/// A listener, a target, and an authenticator `keys` without keys.
pub(crate) const HEAD: &str = r#"
[egress]
allow = ["127.0.0.0/8"]

[listen.public]
address = "127.0.0.1:8080"

[target.upstream]
url = "http://127.0.0.1:9"

[authn.keys.api_key]
"#;

/// So many rules, ten a route: route `N` answers for `/service-N/**`, and its rule `M` lets `role-M` read `/v1/resource-M/*`.
pub(crate) fn rules(count: usize) -> String {
    let mut text = String::new();
    for route in 0..count / RULES_PER_ROUTE {
        let head =
            format!("[route.r{route}]\npath = \"/service-{route}/**\"\ntarget = \"upstream\"\nauthn = [\"keys\"]\n");
        text.push_str(&head);
        text.push_str("allow = [\n");
        for rule in 0..RULES_PER_ROUTE {
            let rule =
                format!("  {{ role = \"role-{rule}\", methods = [\"GET\"], paths = [\"/v1/resource-{rule}/*\"] }},\n");
            text.push_str(&rule);
        }
        text.push_str("]\n");
    }
    text
}

/// So many API keys for the authenticator `keys`.
pub(crate) fn keys(count: usize) -> String {
    let mut text = String::new();
    for key in 0..count {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "[authn.keys.api_key.key.k{key}]\nprefix = \"{key:012}\"\ndigest = \"sha256:{key:064x}\"\nowner = \"owner-{key}\"\nroles = [\"role-{}\"]\n",
            key % RULES_PER_ROUTE
        );
    }
    text
}
