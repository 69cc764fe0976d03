//! Sessions that somebody else chose (CWE-384): the name of a server's session cookie as the name of a parameter.

use super::{Found, Input, Part};

/// Names of cookies in which servers and frameworks keep sessions. Nobody means them as parameters, but for those who want a browser to take
/// a session over.
const NAMES: &[&[u8]] = &[
    b".aspxauth",
    b"_session_id",
    b"asp.net_sessionid",
    b"aspsession",
    b"aspsessionid",
    b"cake_session",
    b"cfid",
    b"cfsid",
    b"cftoken",
    b"ci_session",
    b"connect.sid",
    b"django_session",
    b"express.sid",
    b"jservsession",
    b"jservsessionid",
    b"jsessionid",
    b"jsessionidsso",
    b"jwsession",
    b"koa.sess",
    b"laravel_session",
    b"next-auth.session-token",
    b"phpsessid",
    b"phpsession",
    b"phpsessionid",
    b"play_session",
    b"rack.session",
    b"sails.sid",
    b"shiny-token",
    b"symfony_session",
    b"viewstate_session",
    b"weblogicsession",
    b"wordpress_logged_in",
    b"wp_session",
    b"zend_session",
    b"zend_session_id",
];

/// Names that services give to parameters of their own, too.
const COMMON: &[&[u8]] = &[b"session-token", b"session_id", b"sessionid", b"sid", b"userid_session"];

/// Looks at the name of a parameter.
pub(super) fn scan(input: &Input<'_>, found: &mut Found) {
    if !matches!(input.part, Part::Query | Part::Body) {
        return;
    }
    let name = input.lower;
    let name = name.strip_prefix(b"__host-").or_else(|| name.strip_prefix(b"__secure-")).unwrap_or(name);
    if NAMES.binary_search(&name).is_ok() || name.starts_with(b"aspsessionid") {
        found.add("fixation.parameter", 0..name.len());
    } else if COMMON.binary_search(&name).is_ok() {
        found.add("fixation.common-parameter", 0..name.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        assert!(NAMES.is_sorted() && COMMON.is_sorted());
    }
}
