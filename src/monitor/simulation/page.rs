//! What docs/monitoring.md says between its marks, against what was found out here.

use std::fs;
use std::path::Path;

/// Compares what stands between the page's marks of this name with what was found out; under `UPDATE_DOCS` it is written instead.
pub(super) fn is_told(name: &str, said: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring.md");
    let _turn = TURN.lock();
    let text = fs::read_to_string(&page).expect("the page");
    let (begin, end) = (format!("<!-- begin {name}: generated -->\n"), format!("<!-- end {name} -->"));
    let start = text.find(&begin).unwrap_or_else(|| panic!("no `{}`", begin.trim())) + begin.len();
    let length = text[start..].find(&end).unwrap_or_else(|| panic!("no `{end}`"));
    let said = format!("\n{}\n\n", said.trim());
    if text[start..start + length] == said {
        return;
    }
    let cure = "UPDATE_DOCS=1 cargo test --lib monitor::simulation";
    assert!(std::env::var_os("UPDATE_DOCS").is_some(), "`{name}` is not what comes out; cure: {cure}\n{said}");
    fs::write(&page, format!("{}{said}{}", &text[..start], &text[start + length..])).expect("the page is written");
}

/// Two tests write the same page.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
