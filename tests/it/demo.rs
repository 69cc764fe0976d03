//! The demo is a test of its own: every step of its story is checked, and its exit status tells.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{gateway::program, lines::Lines};

#[test]
fn the_demo_ends_by_itself_with_its_story_told() {
    let done = program().args(["demo", "--once"]).stdin(Stdio::null()).output().expect("the program runs");
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{told}{}", String::from_utf8_lossy(&done.stderr));
    assert!(told.ends_with("Everything went as told.\n"), "{told}");
}

#[test]
fn what_the_demo_gives_to_paste_works() {
    let mut demo = program();
    let mut demo = demo.arg("demo").stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program runs");
    let told = Lines::of(demo.stdout.take().expect("its output"));
    let token = told.find("the token", |line| line.starts_with("TOKEN=").then(|| line.to_owned()));
    let paste: Vec<String> = std::iter::once(token).chain((1..8).map(|_| told.next("the commands"))).collect();
    let answers = ["200", "403", "400"].into_iter().zip(paste.get(1..).unwrap_or_default()).map(|(want, line)| {
        let script = format!("{}\n{line}", paste[0]);
        let output = Command::new("bash").args(["-c", &script]).output().expect("bash runs");
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        (answer.split(' ').nth(1) == Some(want)).then_some(()).ok_or_else(|| format!("{want}: {line}\n{answer}"))
    });
    let answers: Vec<Result<(), String>> = answers.collect();
    kill_process(Pid::from_child(&demo), Signal::INT).expect("it runs still");
    let status = demo.wait().expect("it ends");
    assert_eq!(answers, [Ok(()), Ok(()), Ok(())]);
    assert!(status.success(), "{status}");
}
