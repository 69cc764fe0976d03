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

/// Which sort of function a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    /// Waits: blind injection by time. English has words like it.
    Delay,
    /// Reads files, runs programs, asks other hosts, tells by errors; no other language has functions of the name.
    Reach,
    /// Tells of the database: `version()`, `user()`.
    Inform,
    /// Takes apart or puts together: what blind injection is made of. Other languages have functions of such names.
    Shape,
}

/// The sort of function that this name (in lower case) is, if it is one of a database.
pub(super) fn function(name: &[u8]) -> Option<Function> {
    Some(match name {
        b"sleep" | b"benchmark" | b"pg_sleep" | b"pg_sleep_for" | b"pg_sleep_until" | b"randomblob" | b"zeroblob"
        | b"get_lock" | b"generate_series" | b"master_pos_wait" => Function::Delay,
        b"load_file"
        | b"extractvalue"
        | b"updatexml"
        | b"xp_cmdshell"
        | b"xp_dirtree"
        | b"xp_fileexist"
        | b"xp_regread"
        | b"xp_regwrite"
        | b"xp_servicecontrol"
        | b"xp_subdirs"
        | b"xp_availablemedia"
        | b"xp_enumdsn"
        | b"xp_loginconfig"
        | b"xp_makecab"
        | b"xp_ntsec_enumdomains"
        | b"xp_terminate_process"
        | b"sp_executesql"
        | b"sp_oacreate"
        | b"sp_oamethod"
        | b"sp_addextendedproc"
        | b"sp_makewebtask"
        | b"sp_configure"
        | b"sp_password"
        | b"sp_execute_external_script"
        | b"sp_executeexternal"
        | b"utl_http"
        | b"utl_inaddr"
        | b"utl_file"
        | b"utl_smtp"
        | b"utl_tcp"
        | b"httpuritype"
        | b"dbms_pipe"
        | b"dbms_lock"
        | b"dbms_ldap"
        | b"dbms_xmlgen"
        | b"dbms_java"
        | b"dbms_scheduler"
        | b"dbms_output"
        | b"ctxsys"
        | b"openrowset"
        | b"opendatasource"
        | b"openquery"
        | b"pg_read_file"
        | b"pg_ls_dir"
        | b"pg_read_binary_file"
        | b"pg_stat_file"
        | b"lo_import"
        | b"lo_export"
        | b"lo_from_bytea"
        | b"dblink"
        | b"dblink_connect"
        | b"dblink_exec"
        | b"query_to_xml"
        | b"database_to_xml"
        | b"load_extension"
        | b"sys_eval"
        | b"sys_exec"
        | b"filetoclob"
        | b"fn_varbintohexstr"
        | b"gtid_subset"
        | b"gtid_subtract"
        | b"st_latfromgeohash"
        | b"multipoint"
        | b"geometrycollection"
        | b"linefromtext"
        | b"xmltype"
        | b"writefile"
        | b"readfile"
        | b"fn_xe_file_target_read_file"
        | b"fn_get_audit_file"
        | b"fn_trace_gettable" => Function::Reach,
        b"version"
        | b"user"
        | b"database"
        | b"schema"
        | b"current_user"
        | b"session_user"
        | b"system_user"
        | b"user_name"
        | b"suser_name"
        | b"suser_sname"
        | b"db_name"
        | b"db_id"
        | b"host_name"
        | b"object_id"
        | b"object_name"
        | b"col_name"
        | b"current_database"
        | b"current_schema"
        | b"inet_server_addr"
        | b"sqlite_version"
        | b"connection_id"
        | b"last_insert_id"
        | b"row_count"
        | b"found_rows"
        | b"current_setting"
        | b"serverproperty"
        | b"is_srvrolemember"
        | b"has_dbaccess"
        | b"has_table_privilege"
        | b"pg_backend_pid"
        | b"coercibility"
        | b"sys_context"
        | b"userenv" => Function::Inform,
        b"concat"
        | b"concat_ws"
        | b"group_concat"
        | b"string_agg"
        | b"listagg"
        | b"xmlagg"
        | b"char"
        | b"chr"
        | b"nchar"
        | b"unistr"
        | b"ascii"
        | b"ord"
        | b"unicode"
        | b"hex"
        | b"unhex"
        | b"substr"
        | b"substring"
        | b"mid"
        | b"left"
        | b"right"
        | b"elt"
        | b"field"
        | b"find_in_set"
        | b"make_set"
        | b"export_set"
        | b"if"
        | b"iif"
        | b"ifnull"
        | b"nullif"
        | b"coalesce"
        | b"decode"
        | b"cast"
        | b"convert"
        | b"aes_encrypt"
        | b"aes_decrypt"
        | b"des_encrypt"
        | b"des_decrypt"
        | b"md5"
        | b"sha1"
        | b"crc32"
        | b"row"
        | b"exp"
        | b"rand"
        | b"floor"
        | b"count"
        | b"length"
        | b"char_length"
        | b"bit_length"
        | b"octet_length"
        | b"datalength"
        | b"len"
        | b"lower"
        | b"upper"
        | b"lcase"
        | b"ucase"
        | b"reverse"
        | b"repeat"
        | b"replicate"
        | b"rpad"
        | b"lpad"
        | b"ltrim"
        | b"rtrim"
        | b"trim"
        | b"instr"
        | b"locate"
        | b"position"
        | b"strcmp"
        | b"charindex"
        | b"patindex"
        | b"quotename"
        | b"stuff"
        | b"json_keys"
        | b"json_extract"
        | b"json_depth"
        | b"json_value"
        | b"json_query"
        | b"json_object"
        | b"json_array"
        | b"json_type"
        | b"json_valid"
        | b"json_build_object"
        | b"row_to_json"
        | b"to_json"
        | b"jsonb_pretty"
        | b"jsonb_build_object"
        | b"json_agg"
        | b"json_arrayagg"
        | b"json_length"
        | b"json_contains"
        | b"json_search"
        | b"to_char"
        | b"to_number"
        | b"nvl"
        | b"nvl2"
        | b"bin"
        | b"oct"
        | b"conv"
        | b"inet_ntoa"
        | b"inet_aton"
        | b"soundex"
        | b"greatest"
        | b"least"
        | b"isnull"
        | b"quote"
        | b"compress"
        | b"uncompress"
        | b"encode"
        | b"load"
        | b"name_const"
        | b"polygon"
        | b"linestring"
        | b"point"
        | b"rawtohex"
        | b"translate"
        | b"cos"
        | b"sin"
        | b"pi"
        | b"abs"
        | b"mod"
        | b"power"
        | b"sqrt"
        | b"sum"
        | b"min"
        | b"max"
        | b"avg"
        | b"std"
        | b"now"
        | b"sysdate"
        | b"curdate"
        | b"getdate"
        | b"typeof"
        | b"printf"
        | b"likelihood"
        | b"likely"
        | b"unlikely"
        | b"glob"
        | b"total_changes"
        | b"changes"
        | b"array_to_string"
        | b"chr2"
        | b"pg_typeof"
        | b"date"
        | b"time"
        | b"day"
        | b"month"
        | b"year"
        | b"hour"
        | b"minute"
        | b"second"
        | b"timestamp"
        | b"date_format"
        | b"date_add"
        | b"date_sub"
        | b"datediff"
        | b"dateadd"
        | b"adddate"
        | b"subdate"
        | b"from_unixtime"
        | b"unix_timestamp"
        | b"extract"
        | b"pow"
        | b"ln"
        | b"log"
        | b"log2"
        | b"log10"
        | b"round"
        | b"ceil"
        | b"ceiling"
        | b"sign"
        | b"tan"
        | b"acos"
        | b"asin"
        | b"atan"
        | b"atan2"
        | b"cot"
        | b"degrees"
        | b"radians"
        | b"truncate"
        | b"format"
        | b"insert"
        | b"default"
        | b"replace"
        | b"space"
        | b"interval"
        | b"values"
        | b"uuid"
        | b"password"
        | b"old_password"
        | b"sha"
        | b"sha2"
        | b"overlay"
        | b"starts_with"
        | b"regexp_replace"
        | b"regexp_substr"
        | b"regexp_instr"
        | b"regexp_like"
        | b"split_part"
        | b"initcap"
        | b"json_unquote"
        | b"json_set"
        | b"xmlelement"
        | b"xmlforest"
        | b"bit_and"
        | b"bit_or"
        | b"bit_xor"
        | b"bit_count"
        | b"stddev"
        | b"variance"
        | b"var_pop"
        | b"charset"
        | b"collation"
        | b"weight_string"
        | b"group_replication"
        | b"utl_raw" => Function::Shape,
        _ => return None,
    })
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
