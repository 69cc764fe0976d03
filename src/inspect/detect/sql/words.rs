//! Keywords and functions of SQL, of all dialects together, by what they do in a sentence.

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
    Some(match name {
        b"and" | b"or" => Word::Logic,
        b"xor" => Word::Xor,
        b"like" | b"in" | b"is" | b"between" | b"similar" | b"sounds" | b"overlaps" => Word::Compare,
        b"rlike" | b"regexp" | b"ilike" | b"glob" | b"isnull" | b"notnull" => Word::RareCompare,
        b"div" | b"mod" => Word::Math,
        b"not" => Word::Not,
        b"null" | b"true" | b"false" | b"unknown" | b"current_user" | b"current_date" | b"current_time"
        | b"current_timestamp" | b"session_user" | b"system_user" | b"localtime" | b"localtimestamp" | b"utc_date"
        | b"utc_time" | b"utc_timestamp" | b"sysdate" | b"rownum" => Word::Constant,
        b"select" => Word::Select,
        b"union" | b"except" | b"intersect" | b"minus" => Word::Union,
        b"all" | b"distinct" | b"distinctrow" | b"top" | b"sql_no_cache" | b"high_priority" | b"straight_join" => {
            Word::All
        }
        b"from" => Word::From,
        b"into" => Word::Into,
        b"where" | b"having" | b"limit" | b"offset" | b"on" | b"using" | b"join" | b"inner" | b"left" | b"right"
        | b"outer" | b"cross" | b"natural" | b"fetch" | b"for" | b"values" | b"returning" | b"with" => Word::Clause,
        b"group" | b"order" | b"partition" => Word::Ordering,
        b"by" => Word::By,
        b"asc" | b"desc" | b"end" | b"rows" | b"row" | b"only" | b"rollup" => Word::Trailer,
        b"case" => Word::Case,
        b"when" | b"then" | b"else" => Word::When,
        b"as" => Word::As,
        b"collate" => Word::Collate,
        b"binary" | b"exists" | b"any" | b"some" | b"interval" | b"prior" | b"escape" | b"first" | b"next" => {
            Word::Prefix
        }
        b"procedure" => Word::Procedure,
        b"insert" | b"update" | b"delete" | b"drop" | b"create" | b"alter" | b"truncate" | b"exec" | b"execute"
        | b"declare" | b"shutdown" | b"merge" | b"replace" | b"grant" | b"revoke" | b"call" | b"handler" | b"copy"
        | b"set" | b"waitfor" | b"begin" | b"rename" | b"load" | b"backup" | b"restore" | b"kill" | b"dbcc"
        | b"reconfigure" | b"attach" | b"detach" | b"pragma" | b"vacuum" | b"do" | b"use" | b"if" | b"goto"
        | b"while" | b"print" | b"raiserror" | b"bulk" | b"openrowset" | b"prepare" | b"lock" | b"unlock" => Word::Verb,
        _ => return None,
    })
}

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
