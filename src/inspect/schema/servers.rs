//! Base paths: what stands in `servers` before every path of a document (OpenAPI 3.1 4.8.5).

use serde_json::Value;

/// The base paths of all servers, without a last `/`; of none, the empty one.
///
/// # Errors
/// An address that is none.
pub(super) fn base_paths(servers: Option<&Value>) -> Result<Vec<String>, &'static str> {
    let Some(servers) = servers.and_then(Value::as_array).filter(|servers| !servers.is_empty()) else {
        return Ok(vec![String::new()]);
    };
    let mut paths = Vec::new();
    for server in servers {
        let url = with_variables(server)?;
        let path = path_of(&url).trim_end_matches('/').to_owned();
        if !(path.is_empty() || path.starts_with('/')) || path.contains(['{', '}', '?', '#']) {
            return Err(
                "the address of a server has no path that begins with `/`: write a whole URL, or a path such as `/v1`",
            );
        }
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// The scheme and host of the first server that has them.
pub(super) fn origin(servers: Option<&Value>) -> Option<String> {
    let urls = servers?.as_array()?.iter().filter_map(|server| with_variables(server).ok());
    let mut origins = urls.filter_map(|url| {
        let (scheme, rest) = url.split_once("://")?;
        let host = rest.split('/').next().unwrap_or_default();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]_".contains(&byte);
        let is_host = !host.is_empty() && ["http", "https"].contains(&scheme) && host.bytes().all(is_plain);
        is_host.then(|| format!("{scheme}://{host}"))
    });
    origins.next()
}

/// The address of a server, with the default of each of its variables.
///
/// # Errors
/// It is no text, or a variable has no default.
fn with_variables(server: &Value) -> Result<String, &'static str> {
    let mut rest = server.get("url").and_then(Value::as_str).ok_or("a server has no `url`")?;
    let mut url = String::new();
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        let default = server.get("variables").and_then(|variables| variables.get(name)?.get("default")?.as_str());
        url.push_str(before);
        url.push_str(default.ok_or("a variable of a server has no `default`")?);
        rest = after;
    }
    url.push_str(rest);
    Ok(url)
}

fn path_of(url: &str) -> &str {
    match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default(),
        None => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_path_of_each_server_counts() {
        let cases = [
            (json!([]), Ok(vec![""])),
            (json!([{"url": "/"}]), Ok(vec![""])),
            (json!([{"url": "https://a.test"}]), Ok(vec![""])),
            (
                json!([{"url": "https://a.test/v1/"}, {"url": "https://b.test/v1"}, {"url": "/v2"}]),
                Ok(vec!["/v1", "/v2"]),
            ),
            (
                json!([{"url": "https://{h}/{v}", "variables": {"h": {"default": "x"}, "v": {"default": "v3"}}}]),
                Ok(vec!["/v3"]),
            ),
            (json!([{"url": "https://a.test/{v}"}]), Err(())),
            (json!([{"url": "v1"}]), Err(())),
            (json!([{}]), Err(())),
        ];
        for (servers, want) in cases {
            let found = base_paths(Some(&servers)).map_err(|_| ());
            assert_eq!(found, want.map(|paths| paths.into_iter().map(str::to_owned).collect()), "{servers}");
        }
    }
}
