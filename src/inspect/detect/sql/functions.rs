//! Functions of databases, by what an attacker has of them. Facts of the manuals of MySQL, PostgreSQL, SQL Server, Oracle, SQLite and DB2.

use crate::inspect::detect::names::Index;

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
    INDEX.find(&TABLE, name)
}

/// All of them; where a name is in two lists, the first counts.
static TABLE: [(&str, Function); COUNT] = table();
static INDEX: Index<1024> = Index::of(&table());

const COUNT: usize = DELAY.len() + REACH.len() + INFORM.len() + SHAPE.len();

const fn table() -> [(&'static str, Function); COUNT] {
    let lists =
        [(DELAY, Function::Delay), (REACH, Function::Reach), (INFORM, Function::Inform), (SHAPE, Function::Shape)];
    let mut table = [("", Function::Shape); COUNT];
    let (mut list, mut filled) = (0, 0);
    while list < lists.len() {
        let (names, function) = lists[list];
        let mut at = 0;
        while at < names.len() {
            table[filled] = (names[at], function);
            filled += 1;
            at += 1;
        }
        list += 1;
    }
    table
}

#[rustfmt::skip]
const DELAY: &[&str] = &[
    "benchmark", "generate_series", "get_lock", "master_pos_wait", "pg_sleep", "pg_sleep_for", "pg_sleep_until",
    "randomblob", "sleep", "zeroblob",
];

#[rustfmt::skip]
const REACH: &[&str] = &[
    "bfilename", "cmdshell", "ctxsys", "database_to_xml", "dblink", "dblink_connect", "dblink_exec", "dbms_advisor",
    "dbms_assert", "dbms_cloud", "dbms_export_extension", "dbms_java", "dbms_ldap", "dbms_lock", "dbms_output",
    "dbms_pipe", "dbms_repcat_rpc", "dbms_scheduler", "dbms_xmlgen", "dbms_xmlquery", "dbms_xslprocessor",
    "extractvalue", "filetoclob", "fn_get_audit_file", "fn_trace_gettable", "fn_varbintohexstr",
    "fn_xe_file_target_read_file", "geometrycollection", "gtid_subset", "gtid_subtract", "httpuritype", "java_exec",
    "linefromtext", "lo_export", "lo_from_bytea", "lo_get", "lo_import", "lo_put", "load_extension", "load_file",
    "multipoint", "opendatasource", "openquery", "openrowset", "pg_logdir_ls", "pg_ls_dir", "pg_read_binary_file",
    "pg_read_file", "pg_stat_file", "query_to_xml", "readfile", "sp_add_job", "sp_addextendedproc", "sp_addlogin",
    "sp_adduser", "sp_columns", "sp_configure", "sp_execute_external_script", "sp_executeexternal", "sp_executesql",
    "sp_help", "sp_helptext", "sp_makewebtask", "sp_msforeachtable", "sp_oacreate", "sp_oamethod", "sp_password",
    "sp_start_job", "sp_tables", "st_latfromgeohash", "sys_eval", "sys_exec", "updatexml", "utl_file", "utl_http",
    "utl_inaddr", "utl_raw", "utl_recomp", "utl_smtp", "utl_tcp", "writefile", "xmltype", "xp_availablemedia",
    "xp_cmdshell", "xp_dirtree", "xp_enumdsn", "xp_fileexist", "xp_instance_regread", "xp_loginconfig", "xp_makecab",
    "xp_ntsec_enumdomains", "xp_regread", "xp_regwrite", "xp_servicecontrol", "xp_subdirs", "xp_terminate_process",
];

#[rustfmt::skip]
const INFORM: &[&str] = &[
    "coercibility", "col_name", "connection_id", "current_database", "current_schema", "current_setting",
    "current_user", "database", "db_id", "db_name", "found_rows", "has_dbaccess", "has_table_privilege", "host_name",
    "inet_client_addr", "inet_server_addr", "is_srvrolemember", "last_insert_id", "object_id", "object_name",
    "original_login", "pg_backend_pid", "pg_postmaster_start_time", "row_count", "schema", "schema_name",
    "serverproperty", "session_user", "sqlite_source_id", "sqlite_version", "suser_name", "suser_sname",
    "sys_context", "system_user", "user", "user_name", "userenv", "version",
];

#[rustfmt::skip]
const SHAPE: &[&str] = &[
    "abs", "acos", "adddate", "aes_decrypt", "aes_encrypt", "array_agg", "array_to_string", "ascii", "asciistr",
    "asin", "astext", "atan", "atan2", "avg", "bin", "bit_and", "bit_count", "bit_length", "bit_or", "bit_xor",
    "btrim", "cast", "ceil", "ceiling", "changes", "char", "char_length", "charindex", "charset", "chr", "coalesce",
    "collation", "compress", "concat", "concat_ws", "conv", "convert", "cos", "cot", "count", "crc32", "ctid",
    "curdate", "datalength", "date", "date_add", "date_format", "date_sub", "dateadd", "datediff", "day", "decode",
    "default", "degrees", "des_decrypt", "des_encrypt", "dump", "elt", "encode", "exp", "export_set", "extract",
    "field", "find_in_set", "floor", "format", "from_base64", "from_unixtime", "geomfromtext", "getdate", "glob",
    "greatest", "group_concat", "group_replication", "hex", "hextoraw", "hour", "if", "ifnull", "iif", "inet6_aton",
    "inet6_ntoa", "inet_aton", "inet_ntoa", "initcap", "insert", "instr", "instrb", "interval", "is_free_lock",
    "is_ipv4", "is_used_lock", "isnull", "json_agg", "json_array", "json_arrayagg", "json_build_object",
    "json_contains", "json_depth", "json_each", "json_extract", "json_keys", "json_length", "json_merge",
    "json_object", "json_overlaps", "json_query", "json_search", "json_set", "json_type", "json_unquote",
    "json_valid", "json_value", "jsonb_agg", "jsonb_build_object", "jsonb_each", "jsonb_pretty", "julianday", "lcase",
    "least", "left", "len", "length", "lengthb", "likelihood", "likely", "linestring", "listagg", "ln", "load",
    "locate", "log", "log10", "log2", "lower", "lpad", "ltrim", "make_set", "makedate", "maketime", "max",
    "mbrcontains", "md5", "mid", "min", "minute", "mod", "month", "name_const", "nchar", "nchr", "now", "nullif",
    "nvl", "nvl2", "oct", "octet_length", "old_password", "ora_hash", "ord", "overlay", "password", "patindex",
    "period_add", "period_diff", "pg_typeof", "pi", "point", "polygon", "position", "pow", "power", "printf", "quote",
    "quotename", "radians", "rand", "rawtohex", "regexp_instr", "regexp_like", "regexp_replace", "regexp_substr",
    "release_lock", "repeat", "replace", "replicate", "reverse", "right", "round", "row", "row_to_json", "rpad",
    "rtrim", "sec_to_time", "second", "sha", "sha1", "sha2", "sign", "sin", "soundex", "space", "split_part", "sqrt",
    "srid", "starts_with", "std", "stddev", "stddev_pop", "stddev_samp", "str_to_date", "strcmp", "strftime",
    "string_agg", "stuff", "subdate", "substr", "substrb", "substring", "sum", "sysdate", "tan", "time", "timediff",
    "timestamp", "timestampadd", "timestampdiff", "to_base64", "to_char", "to_days", "to_hex", "to_json", "to_number",
    "total_changes", "translate", "trim", "truncate", "typeof", "ucase", "uncompress", "unhex", "unicode", "unistr",
    "unix_timestamp", "unlikely", "upper", "utl_encode", "uuid", "uuid_short", "values", "var_pop", "var_samp",
    "variance", "weekday", "weekofyear", "weight_string", "wm_concat", "xmlagg", "xmlelement", "xmlforest",
    "xmlparse", "xpath", "year", "yearweek",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        for names in [DELAY, REACH, INFORM, SHAPE] {
            assert!(names.is_sorted(), "{names:?}");
        }
        assert_eq!(function(b"sleep"), Some(Function::Delay));
        assert_eq!(function(b"xp_cmdshell"), Some(Function::Reach));
        assert_eq!(function(b"sleeps"), None);
    }
}
