//! The demo is a test of its own: every step of its story is checked, and its exit status tells.

use std::process::Stdio;

use crate::support::gateway::program;

#[test]
fn the_demo_ends_by_itself_with_its_story_told() {
    let done = program().args(["demo", "--once"]).stdin(Stdio::null()).output().expect("the program runs");
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{told}{}", String::from_utf8_lossy(&done.stderr));
    assert!(told.ends_with("Everything went as told.\n"), "{told}");
}
