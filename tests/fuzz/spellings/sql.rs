//! Other spellings of SQL.

use super::{Spelling, of};

const SQL: &[&str] = &["sqli"];

pub(crate) const SPELLINGS: &[Spelling] = &[
    of("blanks: comments", SQL, &[(" ", &["/**/", "/*x*/", "/*!*/", " /*'*/ "])]),
    of("blanks: other whitespace", SQL, &[(" ", &["\t", "\n", "\r\n", "\u{b}", "\u{c}", "\u{a0}", "  "])]),
    of("blanks: line comments", SQL, &[(" ", &["--\n", "--x\n", "#\n", "#x\n", "-- a;b\n"])]),
    of(
        "versioned keywords",
        SQL,
        &[
            ("union", &["/*!union*/", "/*!50000union*/"]),
            ("select", &["/*!select*/", "/*!50000select*/"]),
            (" or ", &["/*!or*/", " /*!00000or*/ "]),
            (" and ", &["/*!and*/", " /*!00000and*/ "]),
            ("from", &["/*!from*/", "/*!12345from*/"]),
        ],
    ),
    of("logical operators", SQL, &[(" or ", &[" || ", "||", " xor "]), (" and ", &[" && ", "&&", " and not!"])]),
    of(
        "comparisons",
        SQL,
        &[
            (
                "'1'='1",
                &[
                    "'1' like '1",
                    "'1'<=>'1",
                    "'2'>'1",
                    "'1' in ('1') or '1",
                    "'1' between '1' and '1",
                    "'1' is not null or '1",
                    "'1' regexp '1",
                ],
            ),
            (
                "1=1",
                &[
                    "1 like 1",
                    "2>1",
                    "1<2",
                    "1 in (1)",
                    "1 between 1 and 3",
                    "1<=>1",
                    "1 is not null",
                    "not 1=2",
                    "1^0",
                    "true",
                    "!0",
                    "~0",
                ],
            ),
            (">64", &[" between 65 and 255", " not between 0 and 64", " in (65,66,67)", "!=64"]),
            ("=", &[" like ", " rlike ", " = "]),
        ],
    ),
    of(
        "constants",
        SQL,
        &[
            (
                "1=1",
                &[
                    "7351=7351",
                    "0x1=0x1",
                    "1e0=1.0",
                    "2-1=1",
                    "'a'='a'",
                    "@@version=@@version",
                    "\"a\"=\"a\"",
                    "pi()>3",
                    "char(97)=char(97)",
                    "null is null",
                ],
            ),
            ("'1'='1", &["'a'='a", "'x'='x", "'abc'='abc", "''='", "'1'=\"1\" or '"]),
            ("null", &["1", "0x31", "'a'", "(select 1)", "1e0"]),
            (
                "sleep(5)",
                &[
                    "sleep(5e0)",
                    "benchmark(10000000,md5(1))",
                    "sleep (5)",
                    "sleep/**/(5)",
                    "(sleep(5))",
                    "if(1,sleep(5),0)",
                    "sleep(@@port)",
                ],
            ),
        ],
    ),
    of("quotes", SQL, &[("'", &["\"", "`"])]),
    of("quotes: other characters", SQL, &[("'", &["\\'", "\u{2b9}", "\u{ff07}", "%bf'"])]),
    of(
        "strings in pieces",
        SQL,
        &[
            (
                "'admin'",
                &[
                    "'ad'||'min'",
                    "'ad' 'min'",
                    "concat('ad','min')",
                    "0x61646d696e",
                    "char(97,100,109,105,110)",
                    "unhex('61646d696e')",
                ],
            ),
            ("'whoami'", &["'who'+'ami'", "0x77686f616d69"]),
        ],
    ),
    of(
        "union otherwise",
        SQL,
        &[
            ("1 union", &["1e0union", "1.union", "-1 union", "1)union", "0x1 union", "\\Nunion", "null union"]),
            ("union select", &["union all select", "union distinct select", "union/**/select", "union all\nselect"]),
            (
                "union all select",
                &["union select", "union all distinctrow select", "intersect select", "except select"],
            ),
        ],
    ),
    of(
        "functions otherwise",
        SQL,
        &[
            ("substring(", &["mid(", "substr(", "left(", "substring ("]),
            ("ascii(", &["ord(", "unicode(", "hex(", "bin("]),
            (
                "version()",
                &["@@version", "version ( )", "version/**/()", "@@global.version", "sqlite_version()", "current_user"],
            ),
            ("database()", &["schema()", "database ()", "current_database()", "user()"]),
            ("extractvalue(1,", &["updatexml(1,", "extractvalue(rand(),", "extractvalue/**/(1,"]),
            ("concat(", &["concat_ws(0x3a,", "make_set(3,", "concat/**/("]),
            ("count(*)", &["count(1)", "count( * )", "sum(1)", "max(id)"]),
            ("pg_sleep(5)", &["pg_sleep (5)", "pg_sleep(5::int)", "pg_sleep_for('5s')"]),
            ("xp_cmdshell", &["master..xp_cmdshell", "master.dbo.xp_cmdshell", "[xp_cmdshell]", "sp_executesql"]),
            ("waitfor delay '0:0:5'", &["waitfor delay'0:0:5'", "waitfor\tdelay\t'00:00:05'", "waitfor time '23:00'"]),
        ],
    ),
    of(
        "names otherwise",
        SQL,
        &[
            (
                "information_schema.tables",
                &[
                    "information_schema . tables",
                    "`information_schema`.`tables`",
                    "information_schema/**/.tables",
                    "mysql.innodb_table_stats",
                    "sqlite_master",
                    "pg_catalog.pg_class",
                    "sys.tables",
                ],
            ),
            ("users", &["`users`", "[users]", "\"users\"", "db.users", "(users)", "accounts"]),
            ("password", &["`password`", "users.password", "pass", "api_token", "(password)"]),
        ],
    ),
    of("ends otherwise", SQL, &[("-- -", &["#", "--+", "-- ", ";%00", "/*", "--\n", ";--", "--a", "-- ' "])]),
    of(
        "breaks out otherwise",
        SQL,
        &[("1'", &["1')", "1'))", "x'", "-1'", "'", "a.b'"]), ("' or", &["') or", "')) or", "'or", "'/**/or"])],
    ),
];
