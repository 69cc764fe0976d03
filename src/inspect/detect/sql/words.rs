//! Keywords and functions of SQL, of all dialects together, by what they do in a sentence.

use crate::inspect::detect::names::Index;

/// What a keyword does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// `and`, `or`: also in any prose.
    Logic,
    /// `xor`.
    Xor,
    /// `like`, `in`, `is`, `between`: compare, and occur in prose.
    Compare,
    /// `rlike`, `regexp`, `ilike`, `glob`, `notnull`: compare, and do not.
    RareCompare,
    /// `div`, `mod`.
    Math,
    /// `not`.
    Not,
    /// `null`, `true`, `false`, `current_user` and what else stands for a value.
    Constant,
    /// `select`.
    Select,
    /// `union`, `except`, `intersect`, `minus`.
    Union,
    /// `all`, `distinct`, `top`: after the former.
    All,
    /// `from`.
    From,
    /// `into`.
    Into,
    /// `where`, `having`, `limit`, `offset`, `on`, `using`, `join`: a new expression begins.
    Clause,
    /// `group`, `order`: with `by`.
    Ordering,
    /// `by`.
    By,
    /// `asc`, `desc`, `end`, `rows`, `only`: nothing follows of necessity.
    Trailer,
    /// `case`.
    Case,
    /// `when`, `then`, `else`.
    When,
    /// `as`.
    As,
    /// `collate`: with a name.
    Collate,
    /// `binary`, `exists`, `any`, `some`, `interval`, `prior`: before an operand.
    Prefix,
    /// `procedure`.
    Procedure,
    /// `insert`, `drop`, `exec` and what else begins a statement.
    Verb,
}

/// The keyword that this name (in lower case) is.
pub(super) fn word(name: &[u8]) -> Option<Word> {
    INDEX.find(WORDS, name)
}

static INDEX: Index<512> = Index::of(WORDS);

/// Sorted.
#[rustfmt::skip]
static WORDS: &[(&str, Word)] = &[
    ("all", Word::All), ("alter", Word::Verb), ("and", Word::Logic), ("any", Word::Prefix), ("as", Word::As),
    ("asc", Word::Trailer), ("attach", Word::Verb), ("backup", Word::Verb), ("begin", Word::Verb),
    ("between", Word::Compare), ("binary", Word::Prefix), ("bulk", Word::Verb), ("by", Word::By), ("call", Word::Verb),
    ("case", Word::Case), ("collate", Word::Collate), ("copy", Word::Verb), ("create", Word::Verb),
    ("cross", Word::Clause), ("current_date", Word::Constant), ("current_time", Word::Constant),
    ("current_timestamp", Word::Constant), ("current_user", Word::Constant), ("dbcc", Word::Verb),
    ("declare", Word::Verb), ("delete", Word::Verb), ("desc", Word::Trailer), ("detach", Word::Verb),
    ("distinct", Word::All), ("distinctrow", Word::All), ("div", Word::Math), ("do", Word::Verb), ("drop", Word::Verb),
    ("else", Word::When), ("end", Word::Trailer), ("escape", Word::Prefix), ("except", Word::Union),
    ("exec", Word::Verb), ("execute", Word::Verb), ("exists", Word::Prefix), ("false", Word::Constant),
    ("fetch", Word::Clause), ("first", Word::Prefix), ("for", Word::Clause), ("from", Word::From),
    ("glob", Word::RareCompare), ("goto", Word::Verb), ("grant", Word::Verb), ("group", Word::Ordering),
    ("handler", Word::Verb), ("having", Word::Clause), ("high_priority", Word::All), ("if", Word::Verb),
    ("ilike", Word::RareCompare), ("in", Word::Compare), ("inner", Word::Clause), ("insert", Word::Verb),
    ("intersect", Word::Union), ("interval", Word::Prefix), ("into", Word::Into), ("is", Word::Compare),
    ("isnull", Word::RareCompare), ("join", Word::Clause), ("kill", Word::Verb), ("left", Word::Clause),
    ("like", Word::Compare), ("limit", Word::Clause), ("load", Word::Verb), ("localtime", Word::Constant),
    ("localtimestamp", Word::Constant), ("lock", Word::Verb), ("merge", Word::Verb), ("minus", Word::Union),
    ("mod", Word::Math), ("natural", Word::Clause), ("next", Word::Prefix), ("not", Word::Not),
    ("notnull", Word::RareCompare), ("null", Word::Constant), ("offset", Word::Clause), ("on", Word::Clause),
    ("only", Word::Trailer), ("openrowset", Word::Verb), ("or", Word::Logic), ("order", Word::Ordering),
    ("outer", Word::Clause), ("overlaps", Word::Compare), ("partition", Word::Ordering), ("pragma", Word::Verb),
    ("prepare", Word::Verb), ("print", Word::Verb), ("prior", Word::Prefix), ("procedure", Word::Procedure),
    ("raiserror", Word::Verb), ("reconfigure", Word::Verb), ("regexp", Word::RareCompare), ("rename", Word::Verb),
    ("replace", Word::Verb), ("restore", Word::Verb), ("returning", Word::Clause), ("revoke", Word::Verb),
    ("right", Word::Clause), ("rlike", Word::RareCompare), ("rollup", Word::Trailer), ("row", Word::Trailer),
    ("rownum", Word::Constant), ("rows", Word::Trailer), ("select", Word::Select), ("session_user", Word::Constant),
    ("set", Word::Verb), ("shutdown", Word::Verb), ("similar", Word::Compare), ("some", Word::Prefix),
    ("sounds", Word::Compare), ("sql_no_cache", Word::All), ("straight_join", Word::All), ("sysdate", Word::Constant),
    ("system_user", Word::Constant), ("then", Word::When), ("top", Word::All), ("true", Word::Constant),
    ("truncate", Word::Verb), ("union", Word::Union), ("unknown", Word::Constant), ("unlock", Word::Verb),
    ("update", Word::Verb), ("use", Word::Verb), ("using", Word::Clause), ("utc_date", Word::Constant),
    ("utc_time", Word::Constant), ("utc_timestamp", Word::Constant), ("vacuum", Word::Verb), ("values", Word::Clause),
    ("waitfor", Word::Verb), ("when", Word::When), ("where", Word::Clause), ("while", Word::Verb),
    ("with", Word::Clause), ("xor", Word::Xor),
];

/// Whether these letters, right behind a number, are a keyword and not the rest of a name.
pub(super) fn follows_number(letters: &[u8]) -> bool {
    match word(letters) {
        Some(
            Word::Logic
            | Word::Xor
            | Word::RareCompare
            | Word::Math
            | Word::Union
            | Word::From
            | Word::Into
            | Word::Ordering
            | Word::Procedure
            | Word::When,
        ) => true,
        Some(Word::Compare) => letters != b"in",
        Some(Word::Clause) => matches!(letters, b"where" | b"having" | b"limit"),
        Some(
            Word::Not
            | Word::Constant
            | Word::Select
            | Word::All
            | Word::By
            | Word::Trailer
            | Word::Case
            | Word::As
            | Word::Collate
            | Word::Prefix
            | Word::Verb,
        )
        | None => letters == b"e",
    }
}

/// Whether a table of this name, schema or prefix tells of other tables.
pub(super) fn is_catalog(name: &[u8]) -> bool {
    let name = name.strip_prefix(b"`").and_then(|name| name.strip_suffix(b"`")).unwrap_or(name);
    let name = name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]")).unwrap_or(name);
    name.starts_with(b"information_schema")
        || name.starts_with(b"pg_catalog")
        || name.starts_with(b"msysaccess")
        || name.starts_with(b"rdb$")
        || name.starts_with(b"sqlite_")
        || matches!(
            name,
            b"sysobjects"
                | b"syscolumns"
                | b"sysusers"
                | b"syslogins"
                | b"sysdatabases"
                | b"sysprocesses"
                | b"systables"
                | b"sysibm"
                | b"syscat"
                | b"msysobjects"
                | b"msysqueries"
                | b"msysrelationships"
                | b"all_tables"
                | b"all_tab_columns"
                | b"all_tab_tables"
                | b"all_users"
                | b"all_objects"
                | b"all_views"
                | b"user_tables"
                | b"user_tab_columns"
                | b"user_objects"
                | b"user_users"
                | b"dba_users"
                | b"dba_tables"
                | b"dba_tab_columns"
                | b"tab_columns"
                | b"pg_tables"
                | b"pg_user"
                | b"pg_shadow"
                | b"pg_class"
                | b"pg_database"
                | b"pg_attribute"
                | b"pg_authid"
                | b"pg_roles"
                | b"pg_settings"
                | b"pg_stat_activity"
                | b"v$version"
                | b"v$instance"
                | b"v$session"
                | b"v$database"
                | b"master"
                | b"mysql"
                | b"dual"
        )
}

/// Whether it is a type that values are cast to.
pub(super) fn is_type(name: &[u8]) -> bool {
    matches!(
        name,
        b"int"
            | b"integer"
            | b"int4"
            | b"int8"
            | b"bigint"
            | b"numeric"
            | b"float"
            | b"bool"
            | b"boolean"
            | b"text"
            | b"varchar"
            | b"char"
            | b"bytea"
            | b"json"
            | b"jsonb"
            | b"xml"
            | b"date"
            | b"timestamp"
            | b"interval"
            | b"regclass"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_and_found() {
        assert!(WORDS.is_sorted_by(|one, next| one.0 < next.0));
        assert!(WORDS.iter().all(|(name, known)| word(name.as_bytes()) == Some(*known)));
        assert!([&b""[..], b"selec", b"selects", b"_and", b"\xff"].iter().all(|name| word(name).is_none()));
    }
}
