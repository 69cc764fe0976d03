//! Attacks and honest look-alikes.

use proptest::prelude::*;

use super::*;

fn ids(value: &[u8], part: Part, trail: &[u8], is_name: bool) -> Vec<&'static str> {
    let occurs = Bytes::of(value);
    let lower = value.to_ascii_lowercase();
    let mut found = Found::default();
    run(&Input { bytes: value, lower: &lower, part, trail, is_name, occurs: &occurs }, &mut found);
    found
        .evidence
        .into_iter()
        .map(|(id, _)| id)
        .filter(|id| !id.ends_with("-in-text") && !id.ends_with("-name"))
        .collect()
}

fn in_body(value: &str) -> Vec<&'static str> {
    ids(value.as_bytes(), Part::Body, b"note", false)
}

#[test]
fn attacks_are_seen() {
    for (value, want) in [
        ("system('id')", "php.call"),
        ("';system(\"id\");//", "php.call"),
        ("x'.passthru('ls').'", "php.call"),
        ("${@print_r(1)}", "php.call"),
        ("1;shell_exec($c)", "php.call"),
        ("exec/* x */('id')", "php.call"),
        ("exec # x\n('id')", "php.call"),
        ("\\system('id')", "php.call"),
        ("eval($_POST[1]) or die", "php.call"),
        ("eval(", "php.call"),
        ("(new ReflectionFunction('system'))->invoke('id')", "php.call"),
        ("('sys'.'tem')('id')", "php.call"),
        ("(sys.(te).m)('id')", "php.call"),
        ("[system][0]('id');", "php.call"),
        ("\"\\163ystem\"('id')", "php.call"),
        ("return\"passthru\"($x)", "php.call"),
        ("array_diff ()", "php.function"),
        ("openssl_seal()", "php.function"),
        ("die(md5(1))", "php.function"),
        ("die(foo(1))", "php.function"),
        ("';die(strrev('x'));//", "php.function"),
        ("1;exit(crc32(\"a\"));", "php.function"),
        ("print(md5('x'))", "php.function"),
        ("echo md5(1);", "php.function"),
        ("{${print(sha1(1))}}", "php.function"),
        ("$f('id')", "php.variable-call"),
        ("$_[0]($_[1])", "php.variable-call"),
        ("$f/**/()", "php.variable-call"),
        ("Foo::$f()", "php.variable-call"),
        ("$o->$f()", "php.variable-call"),
        ("<?php echo 1", "php.open-tag"),
        ("<?= $x ?>", "php.open-tag"),
        ("$out = system('id')", "php.call"),
        ("a<?\nphp echo 1", "php.open-tag"),
        ("<?xml:eval(1)", "php.open-tag"),
        ("$_GET['x']", "php.superglobal"),
        ("$GLOBALS{'x'}", "php.superglobal"),
        ("${$x}", "php.variable-variable"),
        ("${'_G'.'ET'}", "php.variable-variable"),
        ("O:8:\"stdClass\":0:{}", "php.serialized-object"),
        ("a:1:{i:0;O:+3:\"Foo\":1:{s:1:\"a\";i:1;}}", "php.serialized-object"),
        ("C:11:\"ArrayObject\":21:{x:i:0;a:0:{};m:a:0:{}}", "php.serialized-object"),
        ("allow_url_include=On", "php.directive"),
        ("-d auto_prepend_file = php://input", "php.directive"),
        ("opcache.preload=/tmp/x", "php.directive"),
        ("{php}phpinfo{/php}", "php.template-tag"),
    ] {
        assert!(in_body(value).contains(&want), "{value}: {:?}", in_body(value));
    }
}

#[test]
fn honest_text_is_left_alone() {
    for value in [
        "Use base64_decode to read it, and strip_tags() for the rest.",
        "Call system() or exec() only with care",
        "exec(3), system(3) and popen(3)",
        "printf(3)",
        "File (1)",
        "die(s)",
        "die (Kosten(stelle))",
        "die()",
        "die('not found')",
        "will the process die(md5(1))?",
        "exit(main())",
        "exit(1)",
        "print(len(x))",
        "print(md5(name))",
        "mysql_query($q) or die(mysql_error());",
        "SELECT md5(1)",
        "md5(1)",
        "return sha1(x)",
        "System (beta)",
        "eval is evil (really)",
        "Mail (optional), copy (required)",
        "costs $100 (about)",
        "$TSLA (Tesla) rose",
        "query($id: ID!) { system(id: 5) { name } }",
        "query GetUser($id: ID!) { user(id: $id) { name } }",
        "[system](https://example.com)",
        "the \"system\" (see below)",
        "this.$emit('x')",
        "${AMOUNT} due on {{DATE}}",
        "echo \"${HOME}\"",
        "Map<? extends K, ? super V>",
        "List<?> x",
        "<?xml version=\"1.0\"?><a/>",
        "<?xml-stylesheet href='x'?>",
        "{\"a\":{\"b\":{}},\"c\":1}",
        "a:2:{i:0;s:1:\"a\";i:1;s:1:\"b\";}",
        "https://example.com/index.php?a=1&b=2",
        "x = session.get('https://example.com')",
        "foo(bar)(baz)",
        "(optional)(deprecated)",
        "obj.exec('x')",
        "const { a } = require('./a')",
        "assert(x != NULL)",
        "out = system('id')",
        "gethostbyname() -- map a name",
        "highlight \"<?php\" as a symbol",
        "check for <?xml and more",
        "string(STRIP ${${list}} ${list})",
        "proc_macro_derive(X)",
        "re.compile(r'(a)(b)').match(s)",
        "",
    ] {
        assert_eq!(in_body(value), [""; 0], "{value}");
    }
}

#[test]
fn files_are_judged_by_their_names() {
    let named = |value: &str| ids(value.as_bytes(), Part::Header, b"x-filename", false);
    for value in ["a.php", "a.PHTML", "a. php", "a.php5...", "x/.htaccess", "sess_0123456789abcdef01"] {
        assert_eq!(named(value), ["php.upload"], "{value}");
    }
    assert_eq!(named("php.txt"), [""; 0]);
    assert_eq!(ids(b"a.php", Part::Body, b"file.(filename)", true), ["php.upload"]);
    // A key of an object, as of a gist's files.
    assert_eq!(ids(b"a.php", Part::Body, b"files.a.php", true), [""; 0]);
    assert_eq!(ids(b"/get/unpack()", Part::Path, b"", false), ["php.function"]);
    assert_eq!(ids(b"/get/eval(", Part::Path, b"", false), [""; 0]);
}

proptest! {
    #[test]
    fn no_bytes_panic(value in prop::collection::vec(any::<u8>(), 0..300)) {
        ids(&value, Part::Body, b"x", false);
    }

    #[test]
    fn no_text_of_metacharacters_panics(value in r#"[$(){}\[\]'".;:/*\\<?\n =ox0-9a-c#,]{0,200}|(sy|\(|\)|/\*|\*/|\$_GET|<\?|O:1:"a":1:\{){0,40}"#) {
        ids(value.as_bytes(), Part::Query, b"x", true);
    }
}
