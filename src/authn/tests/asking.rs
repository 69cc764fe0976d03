//! How often somebody is asked, and for how long the answer holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::asked::{ask_settings, client};
use crate::authn::asked::{AWAY, Asked};
use crate::authn::testing::{NOW, at, principal};
use crate::domain::{AuthnFault, Denial, Principal};
use crate::net::NetError;

fn asker(cache: u64) -> Arc<Asked> {
    Arc::new(Asked::new(ask_settings("https://login.example.com/", cache), &client()).expect("settings"))
}

/// Asks on a task of its own; the answer comes when the gate opens.
fn ask(
    asked: &Arc<Asked>,
    key: u8,
    asks: &Arc<AtomicUsize>,
    gate: &Arc<Semaphore>,
) -> JoinHandle<Result<Arc<Principal>, Denial>> {
    let (asked, asks, gate) = (Arc::clone(asked), Arc::clone(asks), Arc::clone(gate));
    tokio::spawn(async move {
        asked
            .verdict([key; 32], at(NOW), || async {
                asks.fetch_add(1, Ordering::SeqCst);
                let _open = gate.acquire().await;
                Ok(principal("alice"))
            })
            .await
    })
}

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_hundred_with_the_same_token_ask_once() {
    let (asked, asks, gate) = (asker(0), Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let all: Vec<_> = (0..100).map(|_| ask(&asked, 1, &asks, &gate)).collect();
    until(|| asked.waiting() == 100).await;
    gate.add_permits(1);
    for one in all {
        assert_eq!(one.await.expect("no panic").expect("proved").id, "alice");
    }
    assert_eq!((asks.load(Ordering::SeqCst), asked.waiting()), (1, 0));
    // With a cache of nothing, the next asks again.
    ask(&asked, 1, &asks, &gate).await.expect("no panic").expect("proved");
    assert_eq!((asks.load(Ordering::SeqCst), asked.waiting()), (2, 0));
}

#[tokio::test]
async fn who_gives_up_leaves_the_question_to_the_next() {
    let (asked, asks, gate) = (asker(30), Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let first = ask(&asked, 1, &asks, &gate);
    until(|| asks.load(Ordering::SeqCst) == 1).await;
    let second = ask(&asked, 1, &asks, &gate);
    until(|| asked.waiting() == 2).await;
    first.abort();
    until(|| asks.load(Ordering::SeqCst) == 2).await;
    gate.add_permits(1);
    assert!(second.await.expect("no panic").is_ok());
    assert!(first.await.is_err(), "it gave up");
    let alone = ask(&asked, 2, &asks, &Arc::new(Semaphore::new(0)));
    until(|| asks.load(Ordering::SeqCst) == 3).await;
    alone.abort();
    let _ = alone.await;
    assert_eq!(asked.waiting(), 0, "nothing is kept of questions that nobody waits for");
}

#[tokio::test]
async fn questions_under_way_are_bounded_and_no_answer_is_not_remembered() {
    let (asked, asks, gate) = (asker(30), Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let all: Vec<_> = (0..=255).map(|key| ask(&asked, key, &asks, &gate)).collect();
    until(|| asks.load(Ordering::SeqCst) == 256).await;
    let mut other = [9; 32];
    other[31] = 1;
    let beyond = || asked.verdict(other, at(NOW), || async { Ok(principal("alice")) });
    assert_eq!(beyond().await, Err(AWAY));
    gate.add_permits(1);
    for one in all {
        assert!(one.await.expect("no panic").is_ok());
    }
    assert!(beyond().await.is_ok(), "there is room again");
}

#[tokio::test]
async fn while_nobody_is_there_one_question_at_a_time_is_asked() {
    let (asked, asks, gate) = (asker(0), Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let silent = || asked.verdict([9; 32], at(NOW), || async { asked.heard(Err(NetError::Connect)) });
    let all: Vec<_> = (0..2).map(|key| ask(&asked, key, &asks, &gate)).collect();
    until(|| asks.load(Ordering::SeqCst) == 2).await;
    for _ in 0..5 {
        assert_eq!(silent().await, Err(AWAY));
    }
    let trial = ask(&asked, 2, &asks, &gate);
    until(|| asks.load(Ordering::SeqCst) == 3).await;
    assert_eq!(ask(&asked, 3, &asks, &gate).await.expect("no panic"), Err(AWAY), "refused at once");
    assert_eq!(asks.load(Ordering::SeqCst), 3, "nobody was asked");
    gate.add_permits(1);
    for one in all.into_iter().chain([trial]) {
        assert!(one.await.expect("no panic").is_ok());
    }
    // An answer of whatever sort ends it.
    let odd = asked.verdict([9; 32], at(NOW), || async { asked.heard(Ok(())).and(Err(AWAY)) });
    assert_eq!(odd.await, Err(AWAY));
    let all: Vec<_> = (4..8).map(|key| ask(&asked, key, &asks, &gate)).collect();
    until(|| asks.load(Ordering::SeqCst) == 7).await;
    for one in all {
        assert!(one.await.expect("no panic").is_ok());
    }
}

#[tokio::test]
async fn a_late_answer_is_none() {
    let (asked, asks) = (asker(30), Arc::new(AtomicUsize::new(0)));
    let late = ask(&asked, 1, &asks, &Arc::new(Semaphore::new(0)));
    assert_eq!(late.await.expect("no panic"), Err(AWAY));
    assert_eq!(asked.waiting(), 0);
}

#[tokio::test]
async fn late_answers_take_the_answers_from_nobody_else() {
    let (asked, asks, shut) = (asker(0), Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    // The same question by many, and many questions.
    let late: Vec<_> = (0..20).map(|nth| ask(&asked, nth / 2, &asks, &shut)).collect();
    for one in late {
        assert_eq!(one.await.expect("no panic"), Err(AWAY));
    }
    let before = asks.load(Ordering::SeqCst);
    let gate = Arc::new(Semaphore::new(0));
    let all: Vec<_> = (100..103).map(|key| ask(&asked, key, &asks, &gate)).collect();
    until(|| asks.load(Ordering::SeqCst) == before + 3 || all.iter().any(JoinHandle::is_finished)).await;
    gate.add_permits(1);
    for one in all {
        assert!(one.await.expect("no panic").is_ok());
    }
}

#[tokio::test]
async fn an_answer_holds_no_longer_than_it_says_itself() {
    let asked = asker(300);
    let answer = |until: u64| {
        let mut principal = (*principal("alice")).clone();
        principal.expires = Some(at(until));
        async move { Ok(Arc::new(principal)) }
    };
    let verdict = |now: SystemTime| asked.verdict([1; 32], now, || answer(NOW + 10));
    assert!(verdict(at(NOW)).await.is_ok());
    assert!(verdict(at(NOW + 9)).await.is_ok());
    assert_eq!(verdict(at(NOW + 10)).await, Err(Denial::Unauthenticated(AuthnFault::Expired)));
    let no = || async { Err(Denial::Unauthenticated(AuthnFault::Inactive)) };
    assert!(asked.verdict([2; 32], at(NOW), no).await.is_err());
    let again = asked.verdict([2; 32], at(NOW), || async { Ok(principal("alice")) }).await;
    assert_eq!(again, Err(Denial::Unauthenticated(AuthnFault::Inactive)), "a clear no holds for a second");
}
