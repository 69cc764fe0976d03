//! Whatever is written: what pieces make of it is what the whole makes of it, or nothing.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::config::read::read_whole;

/// What the whole text comes to, places included; nothing where something is wrong with it.
fn whole(text: &str) -> Option<String> {
    let mut report = Report::new(Path::new("test.toml"), text);
    let file = read_whole(text, &mut report);
    (report.count() == 0).then(|| format!("{file:?}"))
}

/// The first line from here on that begins with `[`, whatever it is.
fn any_cut(text: &str, from: usize) -> usize {
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    memmem::find(rest, b"\n[").map_or(text.len(), |at| from + at + 1)
}

/// How many bytes pieces have, and whether they are cut without looking for the beginning of an entry.
type Cut = (usize, bool);

fn in_pieces(text: &str, (size, anywhere): Cut) -> Option<String> {
    let file = if anywhere { read_cut(text, |start| any_cut(text, start + size)) } else { read(text, size) };
    file.map(|file| format!("{file:?}"))
}

fn assert_same(text: &str, cut: Cut) {
    let pieces = in_pieces(text, cut);
    if pieces.is_some() {
        assert_eq!(pieces, whole(text), "{cut:?}\n{text}");
    }
}

/// Entries in every way of writing them, of which the pieces are to take most.
fn entry() -> impl Strategy<Value = String> {
    let name = || 0..60_u8;
    prop_oneof![
        4 => name().prop_map(|n| format!("[route.r{n}]\npath = \"/é/{n}/**\"\ntarget = 't'\nauthn = [\n  \"k\", # [x]\n]\nallow = [{{ role = \"a\" }}]\n")),
        4 => name().prop_map(|n| format!("[route.r{n}]\ntarget = \"t\"\npath = '/'\nauthn = []\n[[route.r{n}.allow]]\nrole = \"a\"\n[[route.r{n}.allow]]\nscope = \"b\"\n")),
        2 => name().prop_map(|n| format!("[role.r{n}]\nmembers = [\n\"a:b\",\n]\nclaims = [\"\"\"\n[route.r{n}]\n\"\"\", '''\n[[a]]''']\n")),
        1 => name().prop_map(|n| format!("\n [ role . 'r{n}' ] # \"\"\"\n")),
        1 => name().prop_map(|n| format!("[limit]\nl{n} = {{ by = \"client\", requests = {n} }}\nm{n}.by = \"route\"\n")),
        1 => name().prop_map(|n| format!("[limit.l{n}]\r\nby = \"client\"\r\n[limit]\r\n")),
        2 => name().prop_map(|n| format!("[vault.v{n}.directory]\npath = \"/x\"\n")),
    ]
}

/// Keys, and what they may be keys of.
fn keys() -> impl Strategy<Value = String> {
    let body = "prefix = \"a\"\ndigest = \"b\"\nowner = \"c\"\n";
    let label = || (0..3_u8, 0..60_u8);
    prop_oneof![
        12 => label().prop_map(move |(a, k)| format!("[authn.a{a}.api_key.key.k{k}]\n{body}roles = [\"x\"]\n")),
        1 => label().prop_map(move |(a, k)| format!("[authn.\"a{a}\".'api_key'.key . k{k}]\n{body}")),
        2 => label().prop_map(|(a, _)| format!("[authn.a{a}.api_key]\n")),
        1 => label().prop_map(|(a, _)| format!("[authn.a{a}.api_key]\nheader = \"x-key\"\n")),
        1 => label().prop_map(|(a, _)| format!("[authn.a{a}.api_key.key]\n")),
        1 => label().prop_map(|(a, _)| format!("[authn.a{a}]\n")),
        1 => label().prop_map(|(a, k)| format!("[authn.a{a}.api_key]\nkey.k{k} = {{ prefix = \"a\", digest = \"b\", owner = \"c\" }}\n")),
        1 => label().prop_map(|(a, k)| format!("[authn.a{a}]\napi_key.key.k{k} = {{ prefix = \"a\", digest = \"b\", owner = \"c\" }}\n")),
        1 => label().prop_map(|(a, _)| format!("[authn]\na{a} = {{ api_key = {{}} }}\n")),
        1 => label().prop_map(|(a, _)| format!("[authn]\na{a}.api_key.header = \"x\"\n")),
        1 => label().prop_map(|(a, _)| format!("[authn.a{a}.jwt]\nissuer = \"i\"\naudience = \"a\"\n")),
    ]
}

/// What is seldom, what is not allowed everywhere, and what is wrong.
const ODD: &[&str] = &[
    "[server]\n",
    "[server]\nthreads = 2\n",
    "[server.more]\n",
    "[egress]\nallow = [\"10.0.0.0/8\"]\n",
    "[route]\n",
    "[[route]]\n",
    "[[role]]\n",
    "[authn]\n",
    "[rout.x]\n",
    "[role.\"not a name\"]\n",
    "[role.r1.members]\n",
    "[[role.r1.members]]\n",
    "server.threads = 3\n",
    "role.r1 = {}\n",
    "role = { r1 = {}, r2 = { members = [\n[] ] } }\n",
    "authn.a1.api_key.key.k1 = {}\n",
    "authn = { a1 = { api_key = {\n} } }\n",
    "text = \"\"\"\n",
    "text = '''\n",
    "list = [\n",
    "list = [\n[1],\n[2]]\n",
    "members = []\n",
    "members = [\"[role.r1]\"]\n",
    "]\n",
    "\"\"\"\n",
    "'''\n",
    "# \"\"\" '''\n",
    "[role.r1\n",
    "[role.r1] x\n",
    "[]\n",
    "[role.]\n",
    "=\n",
    "\u{feff}",
    "\u{0}\n",
    "\r",
];

fn document() -> impl Strategy<Value = String> {
    let odd = select(ODD).prop_map(str::to_owned);
    let block = prop_oneof![12 => entry(), 12 => keys(), 1 => odd];
    let first = prop_oneof![4 => Just(String::new()), 1 => select(ODD).prop_map(str::to_owned)];
    (first, proptest::collection::vec(block, 0..12)).prop_map(|(first, blocks)| first + &blocks.concat())
}

fn cuts() -> impl Strategy<Value = Cut> {
    (0..200_usize, any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn pieces_mean_what_the_whole_means(text in document(), cut in cuts()) {
        assert_same(&text, cut);
    }

    #[test]
    fn a_slip_of_the_pen_is_never_taken_for_something_else(
        text in document(),
        cut in cuts(),
        at in any::<prop::sample::Index>(),
        slip in select(&["\"", "'", "[", "]", "{", "}", "\n", "#", "=", ".", ",", " ", "\"\"\"", "\n["][..]),
        is_added in any::<bool>(),
    ) {
        let mut characters: Vec<String> = text.chars().map(String::from).chain([String::new()]).collect();
        let at = at.index(characters.len());
        characters[at] = if is_added { format!("{slip}{}", characters[at]) } else { slip.to_owned() };
        assert_same(&characters.concat(), cut);
    }
}

#[test]
fn what_is_plain_is_taken_in_pieces() {
    let text = "# [a]\n[server]\nthreads = 2\n[authn.k.api_key]\nheader = \"x\"\n[authn.k.api_key.key.a]\nprefix = \"é\"\ndigest = \"b\"\nowner = \"c\"\n\
                [role.x]\nmembers = [\n  \"[role.y]\",\n]\n[authn.k.api_key.key.b]\nprefix = \"a\"\ndigest = \"b\"\nowner = \"c\"\n\
                [route.r]\npath = \"/\"\ntarget = \"t\"\nauthn = [\"k\"]\n[[route.r.allow]]\nrole = \"a\"\n[[route.r.allow]]\nrole = \"b\"\n\
                [route.s]\npath = \"/\"\ntarget = \"t\"\nauthn = [\"k\"]\n[authn.l.jwt]\nissuer = \"i\"\naudience = \"a\"\n";
    let expected = whole(text);
    assert!(expected.is_some(), "the example is sound");
    for size in 0..text.len() {
        assert_eq!(in_pieces(text, (size, false)), expected, "{size}");
    }
    let ends = std::iter::successors(Some(0), |start| Some(cut(text, *start))).take_while(|end| *end < text.len());
    assert_eq!(ends.count(), 6, "the beginning, two keys, a role, two routes");
}

#[test]
fn what_pieces_would_get_wrong_is_left_to_the_whole() {
    let key = "\nprefix = \"a\"\ndigest = \"b\"\nowner = \"c\"\n";
    for text in [
        "[role.a]\n[role.b]\n[role.a]\n",
        "[role.a]\n[role.b]\n[role]\n",
        "[role]\n[role.b]\n[role]\n",
        "role.a = {}\n[role.b]\n",
        "role = {}\n[role.b]\n",
        "[server]\n[role.b]\n[server.a]\n",
        "[role.a]\nmembers = [\n\"\"\"\n[role.b]\n\"\"\"]\n",
        "[role.a]\n[role.\"?\"]\n",
        "[role.a]\n[rolle.b]\n",
        &format!("[authn.k.api_key.key.a]{key}[authn.k.api_key.key.a]{key}"),
        &format!("[authn.k.api_key.key.a]{key}[authn.k.api_key]\n"),
        &format!("[authn.k.jwt]\nissuer = \"i\"\naudience = \"a\"\n[authn.k.api_key.key.a]{key}"),
        &format!("[authn]\nk = {{ api_key = {{}} }}\n[authn.k.api_key.key.a]{key}"),
        &format!("[authn.k]\napi_key = {{}}\n[authn.k.api_key.key.a]{key}"),
    ] {
        assert_eq!(in_pieces(text, (0, true)), None, "{text}");
    }
}
