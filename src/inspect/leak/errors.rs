//! What an error page tells of the inside of the upstream (CWE-209, CWE-550): stack traces, messages of databases, paths, source. Looked for
//! in answers that tell of an error alone, where no document of an API is about these; so what is looked for may be short.

use std::sync::LazyLock;

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;

/// Where a stream stands, and how often something was found.
#[derive(Debug)]
pub(super) struct Errors {
    state: Option<StateID>,
    count: u32,
}

impl Errors {
    pub(super) fn new() -> Self {
        Self { state: start(), count: 0 }
    }

    /// Takes what has come.
    pub(super) fn push(&mut self, chunk: &[u8], end: bool) {
        let (Some(automaton), Some(mut state)) = (AUTOMATON.as_ref(), self.state) else { return };
        for byte in chunk {
            state = automaton.next_state(Anchored::No, state, *byte);
            if automaton.is_special(state) && automaton.is_match(state) {
                self.count = self.count.saturating_add(1);
            }
        }
        self.state = if end { start() } else { Some(state) };
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }
}

fn start() -> Option<StateID> {
    AUTOMATON.as_ref()?.start_state(Anchored::No).ok()
}

/// None would be more texts than an automaton takes.
static AUTOMATON: LazyLock<Option<NFA>> = LazyLock::new(|| {
    let texts = [JAVA, DOTNET, PYTHON, PHP, NODE, GO, RUBY, OTHERS, SQL, DATABASES, SERVERS, PATHS, SOURCE];
    NFA::builder().build(texts.concat()).ok()
});

/// Packages of the platform and of what most applications stand on, and how their traces are written.
const JAVA: &[&str] = &[
    "java.lang.",
    "java.io.",
    "java.net.",
    "java.sql.",
    "java.util.",
    "java.nio.",
    "java.security.",
    "javax.servlet",
    "javax.naming",
    "javax.persistence",
    "jakarta.servlet",
    "jakarta.persistence",
    "org.springframework.",
    "org.hibernate.",
    "org.apache.",
    "org.eclipse.jetty",
    "com.fasterxml.jackson",
    "com.zaxxer.hikari",
    "io.netty.",
    "kotlin.",
    "scala.",
    "sun.reflect.",
    "jdk.internal",
    "Caused by: ",
    ".java:",
    ".kt:",
    "(Native Method)",
    "(Unknown Source)",
    "Exception in thread ",
    "\tat ",
    "\\tat ",
];

/// Namespaces of the framework, the names of its exceptions for web applications, and its error page.
const DOTNET: &[&str] = &[
    "   at System.",
    "   at Microsoft.",
    "System.Web.",
    "System.Data.",
    "System.IO.",
    "System.Net.",
    "System.Reflection.",
    "System.NullReferenceException",
    "System.ArgumentException",
    "System.InvalidOperationException",
    "System.FormatException",
    "Microsoft.AspNetCore",
    "Microsoft.EntityFrameworkCore",
    "ViewStateException",
    "HttpRequestValidationException",
    "HttpCompileException",
    "HttpParseException",
    "HttpUnhandledException",
    "HttpException (0x",
    "HttpRequestWrapper",
    "HttpServerUtilityWrapper",
    "HttpSessionStateWrapper",
    "HttpStaticObjectsCollectionWrapper",
    "HttpResponseWrapper",
    "HttpApplicationStateWrapper",
    "Server Error in '",
    "End of inner exception stack trace",
    ".cs:line ",
    ".vb:line ",
    "ASP.NET Version:",
    "An unhandled exception occurred",
];

const PYTHON: &[&str] = &[
    "Traceback (most recent call last)",
    "\", line ",
    "\\\", line ",
    "&quot;, line ",
    "werkzeug.",
    "django.core.",
    "django.db.",
    "sqlalchemy.exc",
    "psycopg2.",
    "pymysql.err",
    "<code>DEBUG = True</code>",
    "site-packages/",
    "dist-packages/",
];

/// How the engine words its warnings, in HTML and without.
const PHP: &[&str] = &[
    "PHP Warning:",
    "PHP Fatal error:",
    "PHP Parse error:",
    "PHP Notice:",
    "PHP Deprecated:",
    "<b>Warning</b>:",
    "<b>Fatal error</b>:",
    "<b>Parse error</b>:",
    "<b>Notice</b>:",
    "<b>Deprecated</b>:",
    "Fatal error: Uncaught",
    "Parse error: syntax error, unexpected",
    ".php on line ",
    ".php</b> on line",
    ".php:",
    ".php(",
    "Call to undefined function",
    "Call to undefined method",
    "Call to a member function",
    "Undefined variable",
    "Undefined index",
    "Undefined array key",
    "Undefined offset",
    "failed to open stream",
    "Failed opening required",
    "Cannot modify header information",
    "Allowed memory size of ",
    "Maximum execution time of ",
    "expects parameter 1 to be",
    "must be of type ",
    "supplied argument is not a valid",
    "Stack trace:\n#0",
    "\n#0 /",
    "\\n#0 ",
    "#0 {main}",
];

const NODE: &[&str] = &[
    "    at ",
    "node_modules/",
    "node_modules\\",
    "node:internal/",
    "Object.<anonymous>",
    "processTicksAndRejections",
    "UnhandledPromiseRejection",
    "ReferenceError:",
    "TypeError:",
    "RangeError:",
    "SyntaxError:",
    "EvalError:",
    "is not a function\\n",
    "Cannot read propert",
    "ECONNREFUSED",
    "ENOENT: no such file",
    "EACCES: permission denied",
];

const GO: &[&str] = &[
    " [running]:",
    "panic: ",
    "runtime error: ",
    "nil pointer dereference",
    "runtime.gopanic",
    "runtime/debug.Stack",
    "net/http.(*conn)",
    "reflect: call of ",
    ".go:",
    "sql: no rows in result set",
    "sql: Scan error",
];

const RUBY: &[&str] = &[
    "ActionController::",
    "ActiveRecord::",
    "ActionView::",
    "ActiveModel::",
    "ActionDispatch::",
    "Rack::",
    "Puma::",
    "NoMethodError",
    "NameError",
    "ArgumentError",
    "SyntaxError (",
    "LoadError (",
    "RuntimeError (",
    "KeyError (",
    "StandardError (",
    "undefined method ",
    "undefined local variable",
    "uninitialized constant ",
    ".rb:",
    "/gems/",
];

/// Rust, Perl, Elixir.
const OTHERS: &[&str] = &[
    "panicked at ",
    "RUST_BACKTRACE",
    "stack backtrace:",
    "Can't locate object method",
    ".pl line ",
    ".pm line ",
    "(FunctionClauseError)",
    "(elixir ",
    "(MatchError)",
    ".ex:",
];

/// What drivers of several databases say.
const SQL: &[&str] = &[
    "SQLSTATE",
    "SQLCODE",
    "SQLERRMC",
    "SQL syntax",
    "SQL Error",
    "SQL error",
    "SQLException",
    "SqlException",
    "SQLServerException",
    "PDOException",
    "PDOStatement",
    "Doctrine\\DBAL",
    "SequelizeDatabaseError",
    "PrismaClient",
    "QueryFailedError",
    "select statements have different number of columns",
    "ODBC Driver",
    "ODBC driver",
    "][ODBC ",
    "OLE DB Provider",
    "JDBC",
    "syntax error at or near",
    "Duplicate entry '",
    "duplicate key value violates",
    "violates foreign key",
    "violates not-null",
    "violates check constraint",
    "foreign key constraint fails",
    "quoted string not properly terminated",
    "Unclosed quotation mark",
    "unterminated quoted string",
    "Unknown column '",
    "Unexpected end of command in statement",
];

/// Databases, each by its functions, codes and words.
const DATABASES: &[&str] = &[
    // MySQL, MariaDB.
    "mysql_",
    "mysqli_",
    "MySQLdb",
    "MySqlException",
    "com.mysql.",
    "(HY000)",
    "(42000)",
    "(42S02)",
    "(23000)",
    "(28000)",
    "XPATH syntax error",
    "MySQL server version",
    // PostgreSQL.
    "pg_query",
    "pg_exec",
    "PG::",
    "PSQLException",
    "org.postgresql.",
    "Npgsql.",
    "invalid input syntax for",
    "input out of range",
    "PostgreSQL query failed",
    // SQL Server, Access, Sybase.
    "mssql_",
    "sqlsrv_",
    "[Microsoft][",
    "Incorrect syntax near",
    "Conversion failed when converting",
    "Invalid object name '",
    "Invalid column name '",
    "Violation of PRIMARY KEY",
    "Violation of UNIQUE KEY",
    "JET Database Engine",
    "Access Database Engine",
    "missing operator",
    "Sybase",
    "SybSQL",
    // Oracle.
    "ORA-0",
    "ORA-1",
    "ORA-2",
    "ORA-3",
    "PLS-0",
    "TNS-1",
    "TNS:",
    "oci_",
    "ociexecute",
    "OracleException",
    "oracle.jdbc",
    // DB2, Informix, Ingres.
    "DB2 SQL",
    "[IBM][CLI Driver]",
    "com.ibm.db2",
    "[Informix]",
    "com.informix.",
    "IfxException",
    "ifx_",
    "[Ingres]",
    "ingres_",
    // SQLite.
    "SQLite3::",
    "sqlite3.",
    "SQLITE_",
    "SQLiteException",
    "\": syntax error",
    "UNIQUE constraint failed",
    "no such table: ",
    "no such column: ",
    "unrecognized token: ",
    // Firebird, InterBase, FrontBase, MaxDB, HSQLDB, H2, Documentum.
    "Dynamic SQL",
    "ibase_",
    "isc_",
    "FrontBase",
    "maxdb",
    "MaxDB",
    "org.hsqldb",
    "org.h2.",
    "DM_QUERY_E_",
    // Others.
    "SAP DBTech",
    "vertica_",
    "com.vertica.",
    "[Teradata",
    "com.teradata.",
    "SQL compilation error",
    "DB::Exception",
    "com.datastax.",
    "io.trino.",
    "MongoServerError",
    "MongoError",
    "com.mongodb.",
    "E11000 duplicate key",
    "WRONGTYPE Operation",
    "NOAUTH Authentication",
];

/// Error pages of servers, with the codes below the status that only IIS has.
const SERVERS: &[&str] = &[
    "<title>400.",
    "<title>401.",
    "<title>403.",
    "<title>404.",
    "<title>405.",
    "<title>500.",
    "<title>502.",
    "<title>503.",
    "Detailed Error - ",
    "GLOBAL.ASA",
    "Apache Tomcat/",
    "JBoss Web/",
    "Whoops, looks like something went wrong",
    "<title>Whoops",
    "Werkzeug Debugger",
    "Laravel\\",
    "Symfony\\Component",
    "Illuminate\\",
];

/// Folders that only a server has; what may be a path of its pages too, only where a message names a file.
const PATHS: &[&str] = &[
    "/var/www/",
    "/var/lib/",
    "/var/log/",
    "/usr/local/",
    "/usr/lib/",
    "/usr/share/",
    "/usr/src/",
    "/opt/app",
    "/etc/passwd",
    "/etc/nginx",
    "in /home/",
    "(/home/",
    "at /home/",
    "file:///",
    "\\inetpub",
    "/inetpub",
    ":\\Users\\",
    ":\\\\Users\\\\",
    ":\\Windows\\",
    ":\\\\Windows\\\\",
    ":\\Program Files",
    ":\\\\Program Files",
];

/// Source that was sent where it should have run.
const SOURCE: &[&str] = &["<?php ", "<?php\n", "<?PhP ", "<?PHP ", "<?= ", "<? ", "<%= ", "<% ", "<%@ "];
