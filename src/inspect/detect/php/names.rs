//! Names of PHP's functions and directives, by what a call of them in a value tells. Tables are filled by hand:
//! one name a line would make them longer than anybody reads.

use crate::inspect::detect::names::Index;

/// Functions that run, read, write, connect, decode code, or tell of the host: what code that was injected calls. All of them are names that
/// no other language and no prose has before a `(`. Sorted.
#[rustfmt::skip]
const DANGEROUS: [&str; 112] = [
    "apache_child_terminate", "apache_setenv", "array_walk_recursive", "assert_options", "base64_decode",
    "bzdecompress", "call_user_func", "call_user_func_array", "convert_uudecode", "create_function", "curl_exec",
    "curl_init", "curl_multi_exec", "curl_setopt", "error_log", "escapeshellarg", "escapeshellcmd", "expect_popen",
    "file_get_contents", "file_put_contents", "fpassthru", "fputcsv", "fsockopen", "ftp_connect", "get_cfg_var",
    "get_current_user", "get_defined_constants", "get_defined_functions", "get_defined_vars", "getallheaders",
    "getmyuid", "getservbyname", "gzdecode", "gzfile", "gzinflate", "gzopen", "gzpassthru", "gzuncompress", "hex2bin",
    "highlight_file", "highlight_string", "include_once", "ini_alter", "ini_get_all", "ini_restore", "ini_set",
    "ldap_connect", "libxml_disable_entity_loader", "mb_ereg_replace", "mb_send_mail", "move_uploaded_file",
    "mysql_connect", "mysqli_connect", "parse_ini_file", "parse_ini_string", "parse_str", "passthru", "pcntl_exec",
    "pcntl_fork", "pfsockopen", "pg_connect", "php_strip_whitespace", "php_uname", "phpcredits", "phpinfo",
    "phpversion", "posix_getegid", "posix_geteuid", "posix_getpwuid", "posix_getuid", "posix_kill", "posix_mkfifo",
    "posix_setuid", "posix_uname", "preg_replace", "preg_replace_callback", "print_r", "proc_close", "proc_nice",
    "proc_open", "proc_terminate", "putenv", "readfile", "readgzfile", "register_shutdown_function",
    "register_tick_function", "require_once", "runkit_function_rename", "scandir", "set_error_handler",
    "set_include_path", "shell_exec", "show_source", "simplexml_load_file", "spl_autoload_register", "str_rot13",
    "stream_context_create", "stream_get_contents", "stream_select", "stream_socket_client", "stream_socket_server",
    "strrev", "sys_get_temp_dir", "tempnam", "tmpfile", "uasort", "uksort", "unserialize", "usort", "var_dump",
    "var_export", "zlib_decode",
];

/// Functions and constructs as dangerous whose names are words, or functions of C and other languages too. Sorted.
#[rustfmt::skip]
const WORDS: [&str; 28] = [
    "assert", "chgrp", "chmod", "chown", "chroot", "copy", "dl", "eval", "exec", "extract", "file", "fopen",
    "gethostbyname", "glob", "include", "link", "mail", "opendir", "popen", "readlink", "reflectionfunction", "reflectionmethod", "symlink", "syslog", "system",
    "touch", "unlink", "virtual",
];

/// Further functions: that a value is nothing but a call of one tells of a probe. Without those that formulas and other query languages share
/// (`count`, `max`, `round`, `date`). Sorted.
#[rustfmt::skip]
const PLAIN: [&str; 291] = [
    "addslashes", "array_chunk", "array_column", "array_combine", "array_diff", "array_diff_assoc", "array_diff_key",
    "array_fill", "array_filter", "array_flip", "array_intersect", "array_key_exists", "array_keys", "array_map",
    "array_merge", "array_multisort", "array_pop", "array_product", "array_push", "array_rand", "array_reduce",
    "array_reverse", "array_search", "array_shift", "array_slice", "array_splice", "array_sum", "array_udiff",
    "array_uintersect", "array_unique", "array_values", "array_walk", "arsort", "asort", "bin2hex", "bindec",
    "bzcompress", "bzopen", "bzread", "cal_days_in_month", "checkdate", "chr", "chunk_split", "class_exists",
    "class_implements", "convert_uuencode", "count_chars", "date_create", "date_default_timezone_get",
    "date_default_timezone_set", "date_parse", "date_parse_from_format", "date_sunrise", "debug_backtrace",
    "debug_print_backtrace", "debug_zval_refcount", "decbin", "dechex", "decoct", "define_syslog_variables",
    "disk_free_space", "dns_check_record", "dns_get_mx", "dns_get_record", "easter_date", "error_get_last",
    "error_reporting", "ezmlm_hash", "fgetcsv", "fgetss", "file_exists", "fileatime", "filectime", "filegroup",
    "fileinode", "filemtime", "fileowner", "fileperms", "filesize", "filetype", "filter_input", "filter_var", "flock",
    "forward_static_call", "forward_static_call_array", "ftok", "func_get_arg", "func_get_args", "function_exists",
    "gc_collect_cycles", "get_browser", "get_called_class", "get_class", "get_class_constants", "get_class_methods",
    "get_class_vars", "get_debug_type", "get_headers", "get_html_translation_table", "get_include_path",
    "get_included_files", "get_loaded_extensions", "get_mangled_object_vars", "get_meta_tags", "get_object_vars",
    "get_parent_class", "get_required_files", "get_resource_type", "getdate", "getimagesize",
    "getimagesizefromstring", "getlastmod", "getmxrr", "getmygid", "getmyinode", "getmypid", "getprotobyname",
    "getrandmax", "getrusage", "getservbyport", "gettype", "gregoriantojd", "gzcompress", "gzencode", "gzread",
    "hash_file", "hash_hmac_file", "hash_update_file", "header_register_callback", "headers_list", "headers_sent",
    "hexdec", "html_entity_decode", "htmlentities", "htmlspecialchars", "htmlspecialchars_decode", "http_build_query",
    "http_response_code", "ignore_user_abort", "image2wbmp", "imagecreate", "imagecreatefromgif",
    "imagecreatefromjpeg", "imagecreatefrompng", "imagecreatefromstring", "imagefilter", "imagegd", "imagegif",
    "imagejpeg", "imageloadfont", "imagepng", "imagettftext", "implode", "import_request_variables", "in_array",
    "inet_ntop", "inet_pton", "ini_get", "intdiv", "intval", "ip2long", "iptcembed", "iptcparse", "is_a", "is_array",
    "is_bool", "is_callable", "is_countable", "is_dir", "is_double", "is_executable", "is_file", "is_float", "is_int",
    "is_integer", "is_iterable", "is_link", "is_long", "is_null", "is_numeric", "is_object", "is_readable", "is_real",
    "is_resource", "is_scalar", "is_soap_fault", "is_string", "is_subclass_of", "is_uploaded_file", "is_writable",
    "is_writeable", "iterator_apply", "jdtogregorian", "json_decode", "json_encode", "krsort", "ksort", "lcfirst",
    "lchgrp", "levenshtein", "linkinfo", "long2ip", "ltrim", "md5_file", "memory_get_usage", "metaphone",
    "method_exists", "money_format", "mt_getrandmax", "mt_srand", "natcasesort", "natsort", "net_get_interfaces",
    "nl2br", "nl_langinfo", "number_format", "ob_get_clean", "ob_get_contents", "ob_start", "octdec", "parse_url",
    "password_hash", "password_verify", "pathinfo", "php_ini_loaded_file", "php_ini_scanned_files", "php_sapi_name",
    "phpcredits", "preg_grep", "preg_match", "preg_match_all", "preg_quote", "preg_split", "proc_get_status",
    "quotemeta", "random_bytes", "rawurldecode", "rawurlencode", "rsort", "rtrim", "set_exception_handler",
    "setcookie", "settype", "sha1_file", "soundex", "str_contains", "str_ends_with", "str_getcsv", "str_ireplace",
    "str_pad", "str_repeat", "str_replace", "str_shuffle", "str_split", "str_starts_with", "str_word_count",
    "stream_get_meta_data", "strip_tags", "stripcslashes", "stripos", "stripslashes", "stristr", "strnatcmp",
    "strpos", "strripos", "strrpos", "strtolower", "strtotime", "strtoupper", "strtr", "substr_compare",
    "substr_count", "substr_replace", "sys_getloadavg", "tempnam", "time_nanosleep", "time_sleep_until",
    "timezone_open", "token_get_all", "ucfirst", "ucwords", "uniqid", "unpack", "urldecode", "urlencode",
    "user_error", "utf8_decode", "utf8_encode", "version_compare", "wordwrap", "xml_parse",
];

/// What the names of an extension's functions start with, before the first `_`. Sorted.
#[rustfmt::skip]
pub(super) static FAMILIES: [&str; 129] = [
    "apache", "array", "bcompiler", "collator", "ctype", "cubrid", "curl", "cyrus", "db2", "dba", "dbase", "dbplus",
    "dbx", "dio", "eio", "enchant", "exif", "fann", "fbird", "fdf", "fribidi", "ftp", "geoip", "gmp", "gnupg",
    "grapheme", "ibase", "iconv", "idn", "ifx", "iis", "imap", "ingres", "inotify", "intlcal", "intltz", "iptc",
    "kadm5", "ldap", "libevent", "libxml", "locale", "lzf", "mailparse", "maxdb", "mb", "mcrypt", "mdecrypt",
    "memcache", "mhash", "mqseries", "msgfmt", "msql", "mssql", "mysql", "mysqli", "ncurses", "newt", "normalizer",
    "nsapi", "numfmt", "ob", "oci", "odbc", "opcache", "openal", "openssl", "parsekit", "pcntl", "pdf", "pg", "php",
    "phpdbg", "posix", "preg", "pspell", "px", "radius", "rar", "readline", "recode", "resourcebundle", "rpm", "rrd",
    "runkit", "sapi", "sem", "session", "shm", "shmop", "simplexml", "snmp", "socket", "sodium", "spl", "sqlite",
    "sqlsrv", "ssdeep", "ssh2", "stomp", "stream", "svn", "swoole", "sybase", "taint", "tidy", "timezone", "trader",
    "transliterator", "udm", "uopz", "utf8", "variant", "wddx", "win32", "xattr", "xdebug", "xdiff", "xhprof",
    "xmlrpc", "xmlwriter", "xslt", "yaml", "yaz", "yp", "zend", "zip", "zlib", "zookeeper",
];

/// Functions of SQL that a family would claim. Sorted.
#[rustfmt::skip]
static ARRAYS_OF_SQL: [&str; 23] = [
    "array_agg", "array_append", "array_cat", "array_contains", "array_dims", "array_distinct", "array_except",
    "array_join", "array_length", "array_lower", "array_max", "array_min", "array_ndims", "array_position",
    "array_positions", "array_prepend", "array_remove", "array_size", "array_sort", "array_to_json",
    "array_to_string", "array_union", "array_upper",
];

/// Directives of `php.ini` that change where code comes from or what it may do, and others that have no meaning elsewhere. Sorted.
#[rustfmt::skip]
pub(super) static DIRECTIVES: [&str; 76] = [
    "allow_url_fopen", "allow_url_include", "asp_tags", "assert.callback", "auto_append_file",
    "auto_detect_line_endings", "auto_globals_jit", "auto_prepend_file", "cgi.fix_pathinfo", "cgi.force_redirect",
    "default_mimetype", "default_socket_timeout", "disable_classes", "disable_functions", "display_errors",
    "display_startup_errors", "doc_root", "docref_root", "enable_dl", "enable_post_data_reading",
    "error_append_string", "error_log", "error_prepend_string", "expose_php", "extension_dir", "fastcgi.impersonate",
    "hard_timeout", "highlight.comment", "html_errors", "ignore_repeated_errors", "implicit_flush", "input_encoding",
    "internal_encoding", "log_errors", "magic_quotes_gpc", "mail.add_x_header", "mail.force_extra_parameters",
    "mail.log", "max_execution_time", "max_file_uploads", "max_input_nesting_level", "max_input_time",
    "max_input_vars", "open_basedir", "output_buffering", "output_encoding", "output_handler", "phar.readonly",
    "phar.require_hash", "post_max_size", "realpath_cache_size", "register_argc_argv", "register_globals",
    "report_memleaks", "request_order", "safe_mode", "sendmail_from", "sendmail_path", "serialize_precision",
    "session.save_handler", "session.save_path", "session.serialize_handler", "session.upload_progress.enabled",
    "short_open_tag", "sql.safe_mode", "suhosin.simulation", "sys_temp_dir", "track_errors",
    "unserialize_callback_func", "upload_max_filesize", "upload_tmp_dir", "user_ini.filename", "variables_order",
    "zend.assertions", "zend.multibyte", "zend_extension",
];

/// What the names of an extension's directives start with.
#[rustfmt::skip]
pub(super) static DIRECTIVE_FAMILIES: [&str; 29] = [
    "apc.", "apcu.", "assert.", "cgi.", "exif.", "fastcgi.", "ffi.", "iconv.", "ldap.max", "mbstring.", "mysqli.",
    "mysqlnd.", "oci8.", "odbc.", "opcache.", "pcre.", "pgsql.", "phar.", "session.", "soap.", "sqlite3.", "suhosin.",
    "sysvshm.", "tidy.", "uopz.", "user_ini.", "xdebug.", "zend.", "zlib.",
];

/// Whether this is in a sorted table.
fn is_in(table: &[&str], name: &[u8]) -> bool {
    table.binary_search_by(|known| known.as_bytes().cmp(name)).is_ok()
}

static DANGEROUS_INDEX: Index<256> = Index::of_names(&DANGEROUS);
static WORDS_INDEX: Index<64> = Index::of_names(&WORDS);
static PLAIN_INDEX: Index<1024> = Index::of_names(&PLAIN);

/// Whether a call of this is never honest.
pub(super) fn is_dangerous(name: &[u8]) -> bool {
    DANGEROUS_INDEX.has(&DANGEROUS, name)
}

/// Whether this is dangerous, and a word as well.
pub(super) fn is_word(name: &[u8]) -> bool {
    WORDS_INDEX.has(&WORDS, name)
}

/// For each first letter, the lengths that names in these tables have, as bits. Evaluated when this is compiled.
const fn lengths(tables: &[&[&str]]) -> [u64; 256] {
    let mut lengths = [0; 256];
    let mut table = 0;
    while table < tables.len() {
        let mut at = 0;
        while at < tables[table].len() {
            let name = tables[table][at].as_bytes();
            lengths[name[0] as usize] |= 1 << name.len();
            at += 1;
        }
        table += 1;
    }
    lengths
}

static LENGTHS: [u64; 256] = lengths(&[&DANGEROUS, &WORDS, &PLAIN]);

/// Whether this may be a name in a table of functions or of a family: most words before a `(` are told by their first letter and length.
pub(super) fn may_be_function(name: &[u8]) -> bool {
    let Some((first, true)) = name.first().map(|first| (*first, name.len() < 64)) else { return false };
    let lengths = LENGTHS.get(usize::from(first)).copied().unwrap_or_default();
    lengths >> name.len() & 1 != 0 || name.len() > 3 && memchr::memchr(b'_', name).is_some()
}

/// Whether this is the name of some function of PHP that other languages have not.
pub(super) fn is_function(name: &[u8]) -> bool {
    let family = memchr::memchr(b'_', name).and_then(|at| name.get(..at));
    PLAIN_INDEX.has(&PLAIN, name)
        || family.is_some_and(|family| is_in(&FAMILIES, family)) && !is_in(&ARRAYS_OF_SQL, name)
}

/// Whether this is a directive.
pub(super) fn is_directive(name: &[u8]) -> bool {
    let is_family = |family: &&str| name.len() > family.len() && name.starts_with(family.as_bytes());
    is_in(&DIRECTIVES, name) || DIRECTIVE_FAMILIES.iter().any(is_family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        for table in [&DANGEROUS[..], &WORDS, &PLAIN, &FAMILIES, &ARRAYS_OF_SQL, &DIRECTIVES] {
            assert!(table.is_sorted(), "{table:?}");
        }
    }
}
