//! Rows as they lie in what the nodes share: sealed, each for its own place, so that nobody else reads or makes one.

use std::time::UNIX_EPOCH;

use crate::crypto::MasterKey;
use crate::session::{Row, RowKind};

/// Where a row lies.
pub(super) fn field(row: &Row) -> String {
    format!("{}:{}", row.kind.text(), row.id)
}

/// What lies there besides the version.
pub(super) fn seal(key: &MasterKey, row: &Row) -> Vec<u8> {
    key.seal(&context(&field(row), row.version), row.document.as_bytes())
}

/// The row that lies in this field; none where that was not written by a node that has the key.
pub(super) fn open(key: &MasterKey, field: &str, value: &[u8]) -> Option<Row> {
    let colon = value.iter().position(|byte| *byte == b':')?;
    let (version, sealed) = value.split_at(colon);
    let version = std::str::from_utf8(version).ok()?.parse().ok()?;
    let document = key.open(&context(field, version), sealed.get(1..)?).ok()?;
    let (kind, id) = field.split_once(':')?;
    let document = String::from_utf8(document.to_vec()).ok()?;
    Some(Row { kind: RowKind::parse(kind)?, id: id.to_owned(), version, ends: UNIX_EPOCH, document })
}

fn context(field: &str, version: u64) -> Vec<u8> {
    format!("claviger cluster row {version} {field}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_opens_where_it_was_put_and_nowhere_else() {
        let key = MasterKey::generate();
        let document = r#"["a"]"#.to_owned();
        let row = Row { kind: RowKind::Session, id: "a".to_owned(), version: 7, ends: UNIX_EPOCH, document };
        let sealed = seal(&key, &row);
        let value = |version: &str| [version.as_bytes(), b":", &sealed].concat();
        assert_eq!(open(&key, "session:a", &value("7")), Some(row));
        for (field, value) in [
            ("session:b", value("7")),
            ("access:a", value("7")),
            ("session:a", value("8")),
            ("session:a", value("")),
            ("session:a", sealed.clone()),
            ("session:a", Vec::new()),
            ("session:a", b"7:[\"a\"]".to_vec()),
        ] {
            assert_eq!(open(&key, field, &value), None, "{field}");
        }
        assert_eq!(open(&MasterKey::generate(), "session:a", &value("7")), None);
    }
}
