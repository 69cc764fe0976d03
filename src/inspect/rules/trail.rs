//! Which ways to a value a pattern names.

use super::super::steps;

/// Whether a trail is of this form, in which `*` stands for anything but `.`, `[` and `]`, and `**` for anything; case does not matter. Clients
/// choose trails: what stands before the first and behind the last `*` is compared once, and what is between takes one look at the trail for each
/// sign of the pattern, which counts.
pub(in super::super) fn trail_matches(pattern: &[u8], trail: &[u8]) -> bool {
    let is_star = |sign: &u8| *sign == b'*';
    let (Some(first), Some(last)) = (pattern.iter().position(is_star), pattern.iter().rposition(is_star)) else {
        return trail.eq_ignore_ascii_case(pattern);
    };
    let (head, wild, tail) = (&pattern[..first], &pattern[first..=last], &pattern[last + 1..]);
    let Some(end) = trail.len().checked_sub(tail.len()).filter(|end| *end >= head.len()) else { return false };
    trail[..head.len()].eq_ignore_ascii_case(head)
        && trail[end..].eq_ignore_ascii_case(tail)
        && wild_matches(wild, &trail[head.len()..end])
}

fn is_step(byte: u8) -> bool {
    matches!(byte, b'.' | b'[' | b']')
}

fn wild_matches(pattern: &[u8], trail: &[u8]) -> bool {
    match pattern {
        b"*" => !trail.iter().copied().any(is_step),
        b"**" => true,
        _ => mixed_matches(pattern, trail),
    }
}

fn mixed_matches(pattern: &[u8], trail: &[u8]) -> bool {
    steps::count(pattern.len() * trail.len() / 2);
    // Where in the trail what has been read of the pattern may end.
    let mut ends = vec![false; trail.len() + 1];
    ends[0] = true;
    let mut rest = pattern;
    while let Some((sign, behind)) = rest.split_first() {
        rest = behind;
        if *sign == b'*' {
            let is_any = rest.first() == Some(&b'*');
            rest = if is_any { &rest[1..] } else { rest };
            for at in 1..ends.len() {
                ends[at] |= ends[at - 1] && (is_any || !is_step(trail[at - 1]));
            }
        } else {
            for at in (1..ends.len()).rev() {
                ends[at] = ends[at - 1] && trail[at - 1].eq_ignore_ascii_case(sign);
            }
            ends[0] = false;
        }
    }
    ends.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_patterns_take_no_steps_and_others_count() {
        let deep = b".a".repeat(2_000);
        let steps_of = |pattern: &[u8]| {
            let before = steps::taken();
            assert!(!trail_matches(pattern, &deep));
            steps::taken() - before
        };
        for pattern in [&b"a.b"[..], b"messages[*].content", b"**.b", b".a.*.a"] {
            assert_eq!(steps_of(pattern), 0, "{}", pattern.escape_ascii());
        }
        let wild = b"**.a.".repeat(40);
        let began = std::time::Instant::now();
        assert_eq!(steps_of(&[&wild[..], b"**b"].concat()), 0, "it ends otherwise");
        assert!(steps_of(&[&wild[..], b"b**"].concat()) > 200_000);
        assert!(began.elapsed().as_secs() < 5, "what clients choose must not be costly");
    }

    proptest! {
        #[test]
        fn ends_are_no_shortcut(pattern in "[aA.\\[*]{0,9}", trail in "[aA.\\[]{0,9}") {
            let (pattern, trail) = (pattern.as_bytes(), trail.as_bytes());
            prop_assert_eq!(trail_matches(pattern, trail), mixed_matches(pattern, trail));
        }
    }
}
