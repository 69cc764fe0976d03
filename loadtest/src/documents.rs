//! Figures in documents: blocks between two marks, which are written anew as a whole.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::compare::Outcome;
use crate::fault::{Fault, While};

/// Prints the table, or JSON in its place, or writes JSON to a file.
pub(crate) fn tell(outcome: &Outcome, table: &str, json: &str, out: &mut dyn Write) -> Result<(), Fault> {
    let printed = match &outcome.json {
        Some(path) if path.as_os_str() == "-" => json,
        Some(path) => {
            fs::write(path, json).during(&format!("writing {}", path.display()))?;
            table
        }
        None => table,
    };
    out.write_all(printed.as_bytes()).during("printing the result")
}

/// Replaces what stands between the marks of a block.
pub(crate) fn replace(path: &Path, block: &str, text: &str) -> Result<(), Fault> {
    let old = fs::read_to_string(path).during(&format!("reading {}", path.display()))?;
    let new = replaced(&old, block, text)
        .ok_or_else(|| Fault::new(format!("{} has no block `{block}`: {}", path.display(), begin(block))))?;
    fs::write(path, new).during(&format!("writing {}", path.display()))
}

fn begin(block: &str) -> String {
    format!("<!-- begin {block}: generated -->")
}

fn replaced(old: &str, block: &str, text: &str) -> Option<String> {
    let (begin, end) = (begin(block), format!("<!-- end {block} -->"));
    let (before, rest) = old.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_replaced_and_all_else_stays() {
        let old = "a\n<!-- begin x: generated -->\nold\n<!-- end x -->\nb\n";
        let new = replaced(old, "x", "new\n").expect("a block");
        assert_eq!(new, "a\n<!-- begin x: generated -->\n\nnew\n\n<!-- end x -->\nb\n");
        assert_eq!(replaced(&new, "x", "new\n").as_deref(), Some(&*new));
        assert_eq!(replaced(old, "y", "new"), None);
    }
}
