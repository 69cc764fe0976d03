//! What is sent where requests are looked through: as honest callers of an API send it.

use serde_json::json;

use crate::site::PATH;

/// A request that is sent over and over.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    pub(crate) name: &'static str,
    /// Path and query.
    pub(crate) target: String,
    /// JSON; sent with POST where there is one, else it is a GET.
    pub(crate) body: Option<String>,
}

/// All that are measured.
pub(crate) fn all() -> [Payload; 3] {
    let query = "page=3&per_page=50&sort=created_at&order=desc&q=blue+office+lamp&status=open&from=2026-01-01&fields=id%2Cname%2Cprice";
    let post = |name, length| Payload { name, target: PATH.to_owned(), body: Some(orders(length)) };
    [
        Payload { name: "GET, 8 parameters", target: format!("{PATH}?{query}"), body: None },
        post("POST, 1 KiB of JSON", 1 << 10),
        post("POST, 64 KiB of JSON", 64 << 10),
    ]
}

/// What has to be refused where requests are looked through, and passes elsewhere.
pub(crate) fn attacks() -> [Payload; 2] {
    let injection = "1' UNION SELECT name, password FROM users-- -";
    [
        Payload {
            name: "an attack in a query",
            target: format!("{PATH}?q=1%27%20UNION%20SELECT%20name,%20password%20FROM%20users--%20-"),
            body: None,
        },
        Payload {
            name: "an attack in JSON",
            target: PATH.to_owned(),
            body: Some(json!({ "note": injection }).to_string()),
        },
    ]
}

/// An order of as many lines as fit, to the byte.
pub(crate) fn orders(length: usize) -> String {
    let line = |n: usize| {
        json!({
            "id": format!("018f3c1e-7b2a-7c4d-9e8f-{n:012x}"), "name": "Desk lamp, blue", "quantity": n % 7 + 1, "price": 39.9,
            "note": "Please leave it at the reception; we're there until 5 o'clock.", "tags": ["office", "light"], "gift": false,
        })
    };
    let order =
        |lines: &[serde_json::Value], note: &str| json!({ "order": 4711, "lines": lines, "comment": note }).to_string();
    let (mut lines, mut so_far) = (Vec::new(), order(&[], "").len());
    loop {
        let next = line(lines.len());
        // Each but the first has a comma before it.
        so_far += next.to_string().len() + usize::from(!lines.is_empty());
        if so_far > length {
            break;
        }
        lines.push(next);
    }
    let short = length.saturating_sub(order(&lines, "").len());
    order(&lines, &"Thank you very much. ".repeat(short / 21 + 1)[..short])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_as_long_as_they_are_called() {
        for length in [1 << 10, 64 << 10, 10 << 20] {
            assert_eq!(orders(length).len(), length);
        }
    }
}
