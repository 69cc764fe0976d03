//! Attacks and honest look-alikes.

use proptest::prelude::*;

use super::*;

fn ids(value: &[u8], part: Part, trail: &[u8], is_name: bool) -> Vec<&'static str> {
    let occurs = Bytes::of(value);
    let lower = value.to_ascii_lowercase();
    let mut found = Found::default();
    run(&Input { bytes: value, lower: &lower, part, trail, is_name, occurs: &occurs }, &mut found);
    found.evidence.into_iter().map(|(id, _)| id).filter(|id| !id.ends_with("-in-text")).collect()
}

#[test]
fn attacks_are_seen() {
    for (value, want) in [
        ("require('child_process').execSync('id')", "node.require"),
        ("'+require(\"child_process\").exec('id')+'", "node.require"),
        ("global.process.mainModule.require('child_process')", "node.require"),
        ("r=require;x=\"child_process\";r(x).spawn('id')", "node.require"),
        ("process.mainModule.constructor._load('vm')", "node.require"),
        ("require('fs').readFileSync('/etc/passwd')", "node.require"),
        ("x';process.binding('spawn_sync');'", "node.require"),
        ("Function(\"return process\")()", "node.evaluate"),
        ("new Function('return 1')", "node.evaluate"),
        ("1;eval(atob('YQ=='))", "node.evaluate"),
        ("''.constructor.constructor('alert(1)')()", "node.constructor"),
        ("$1:constructor:constructor", "node.constructor"),
        ("while(true){}", "node.endless-loop"),
        ("';while(!false);'", "node.endless-loop"),
        ("x';while(1){a=1}//", "node.endless-loop"),
        ("for(;;){}", "node.endless-loop"),
        ("process.env", "node.probe"),
        ("process[\"env\"]", "node.probe"),
        ("console.log(1)", "node.probe"),
        ("module.exports=1", "node.probe"),
        ("__import__('os').system('id')", "node.python"),
        ("''.__class__.__mro__[1].__subclasses__()", "node.python"),
        ("os.system('id')", "node.runs-program"),
        ("subprocess.check_output(['id'])", "node.runs-program"),
        ("Kernel.exec('id')", "node.runs-program"),
        ("IO.popen('id').read", "node.runs-program"),
        ("Process.spawn(\"id\")", "node.runs-program"),
        ("%x(id)", "node.runs-program"),
        ("#{%x{id}}", "node.runs-program"),
        ("\"id\".execute()", "node.runs-program"),
        ("{\"__proto__\":{\"a\":1}}", "node.prototype"),
        ("__proto__[a]", "node.prototype"),
        ("/__proto__/admin", "node.prototype"),
        ("/constructor/prototype/admin", "node.prototype"),
        ("{\"constructor\":{\"prototype\":{\"a\":1}}}", "node.prototype"),
    ] {
        let found = ids(value.as_bytes(), Part::Query, b"q", false);
        assert!(found.contains(&want), "{value}: {found:?}");
    }
    for (name, trail) in [
        ("__proto__", "a.__proto__"),
        ("__proto__.a", "__proto__.a"),
        ("constructor.prototype.a", "constructor.prototype.a"),
        ("constructor[prototype][a]", "constructor[prototype][a]"),
        ("prototype", "x.constructor.prototype"),
    ] {
        assert_eq!(ids(name.as_bytes(), Part::Body, trail.as_bytes(), true), ["node.prototype"], "{name}");
    }
}

#[test]
fn honest_text_is_left_alone() {
    for value in [
        "eval is a word, and so is while",
        "while (true) is a loop",
        "Set process.env.PORT before you start",
        "the process. Environment",
        "The constructor (prototype) was built",
        "Override the constructor. Prototype follows",
        "class Foo { constructor(name) { this.name = name } }",
        "const fs = require('fs')",
        "require(\"express\")",
        "self.__class__.__name__",
        "the __proto__ accessor is old",
        "os.system() is deprecated, use subprocess.run()",
        "function (a, b) { return a }",
        "while(x < 10) { x++ }",
        "while(!true)",
        "for (;x;) {}",
        "child_process",
        "while (1) { read(x); }",
        "for (;;) {",
        "module.exports = verify",
        "console.log(result)",
        "sts = os.system(command)",
        "0x%x (hex)",
        "process.environment",
        "cursor.execute('SELECT 1')",
        "",
    ] {
        assert_eq!(ids(value.as_bytes(), Part::Body, b"note", false), [""; 0], "{value}");
    }
    for (name, trail) in [("constructor", "constructor"), ("prototype", "prototype"), ("prototype_id", "prototype_id")]
    {
        assert_eq!(ids(name.as_bytes(), Part::Body, trail.as_bytes(), true), [""; 0], "{name}");
    }
}

#[test]
fn names_are_sorted() {
    assert!(code::NAMES.is_sorted());
}

#[test]
fn long_text_is_told_only_where_it_loads_and_runs() {
    let long = |code: &str| format!("{}\n{code}\n{}", "let a = 1;\n".repeat(20), "let b = 2;\n".repeat(20));
    let found = |code: &str| ids(long(code).as_bytes(), Part::Body, b"code", false);
    assert_eq!(found("require('child_process').execSync('id')"), ["node.require"]);
    assert_eq!(found("const cp = require('child_process')"), [""; 0]);
    assert_eq!(found("os.system('make')"), [""; 0]);
    assert_eq!(found("process.exit(1)"), [""; 0]);
}

proptest! {
    #[test]
    fn no_bytes_panic(value in prop::collection::vec(any::<u8>(), 0..300), trail in ".{0,20}", is_name: bool) {
        ids(&value, Part::Body, trail.as_bytes(), is_name);
    }

    #[test]
    fn no_code_panics(value in r#"(constructor|prototype|__proto__|__mro__|__|while|for|require|process|console|[().:;\[\]'"/\\ !%]|%x|qx){0,30}"#) {
        ids(value.as_bytes(), Part::Query, b"x", true);
    }
}
