//! What goes on beside requests: hearing what is new, and telling what was revoked here.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::link::{Asks, Fault, Link, News, wake};
use super::{Shared, Turn};
use crate::domain::unhurried;
use crate::session::{Mark, ROWS_AT_ONCE, RowKind, Store, StoreError};

/// How often it is looked whether something was revoked here.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often it is asked what is new, also where nobody says that something is.
const HEAR_EVERY: Duration = Duration::from_millis(250);
/// How long what is in the store may take to be in force: it is looked at every few milliseconds.
const IN_FORCE_AFTER: Duration = Duration::from_millis(100);
/// How long to wait before connecting again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Takes part as long as it is driven.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut told: Option<String> = None;
    loop {
        let fault = match shared.begin(&shared).await {
            Ok(link) => {
                if told.take().is_some() {
                    log::warn!("the other nodes can be reached again");
                }
                shared.link.store(Some(Arc::clone(&link)));
                shared.go_on(&link).await
            }
            Err(fault) => fault,
        };
        shared.link.store(None);
        let text = fault.to_string();
        if told.as_ref() != Some(&text) {
            log::error!(
                "the other nodes cannot be reached: no sessions begin, and what they revoke is not heard: {text}"
            );
            told = Some(text);
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

impl Shared {
    /// Nobody is served on a link before all was heard on it.
    async fn begin(&self, shared: &Arc<Self>) -> Result<Arc<Link>, Fault> {
        let link = Arc::new(self.place.connect(wake(shared)).await?);
        let mut turn = self.turn.lock().await;
        self.hear_all(&link, &mut turn).await?;
        // What was heard after a silence is in the store, and has to be in force before anybody counts on it.
        tokio::time::sleep(IN_FORCE_AFTER).await;
        self.hear_now(&link, &mut turn).await?;
        drop(turn);
        Ok(link)
    }

    /// Ends with what went wrong.
    async fn go_on(&self, link: &Arc<Link>) -> Fault {
        let mut heard = Instant::now();
        loop {
            let is_news = tokio::time::timeout(LOOK_EVERY, self.news.notified()).await.is_ok();
            if let Err(fault) = self.send(link).await {
                return fault;
            }
            if is_news || heard.elapsed() >= HEAR_EVERY {
                heard = Instant::now();
                if let Err(fault) = self.hear(link, heard).await {
                    return fault;
                }
            }
        }
    }

    /// Takes over all that was put before this time.
    pub(super) async fn hear(&self, link: &Arc<Link>, asked: Instant) -> Result<(), Fault> {
        let mut turn = self.turn.lock().await;
        // Who waited here has it heard by whoever was first, and fails with them: one after another, they would wait for each other.
        if turn.begun.is_some_and(|begun| begun > asked) {
            return Ok(());
        }
        let is_current = self.link.load().as_ref().is_some_and(|now| Arc::ptr_eq(now, link));
        if turn.failed.is_some_and(|failed| failed > asked) || !is_current {
            return Err(Fault::Broken);
        }
        self.hear_now(link, &mut turn).await
    }

    async fn hear_now(&self, link: &Link, turn: &mut Turn) -> Result<(), Fault> {
        let begun = Instant::now();
        let heard = self.hear_all(link, turn).await;
        if heard.is_err() {
            turn.failed = Some(begun);
            return heard;
        }
        turn.begun = Some(begun);
        let heard = begun.saturating_duration_since(self.born).as_millis();
        self.heard.store(u64::try_from(heard).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
        Ok(())
    }

    async fn hear_all(&self, link: &Link, turn: &mut Turn) -> Result<(), Fault> {
        loop {
            let (told, nodes) = (turn.epoch.as_deref().unwrap_or_default(), turn.nodes.as_str());
            let asks = Asks { seen: turn.seen, told, node: &turn.node, nodes, patience: self.max_stale };
            let news = link.news(&self.seal, &asks).await?;
            if turn.epoch.as_ref() != Some(&news.epoch) {
                self.tell_all(link, &mut turn.store).await?;
                let mark = Mark { epoch: Some(news.epoch.clone()), seen: 0 };
                turn.store.set_mark(&mark)?;
                (turn.epoch, turn.seen) = (mark.epoch, 0);
                continue;
            }
            let News { epoch, nodes, rows, seen, more } = news;
            if link.is_settled() && nodes != turn.nodes {
                turn.store.set_nodes(&nodes)?;
                turn.nodes = nodes;
            }
            if !rows.is_empty() {
                turn.store.take(&rows, Some(&Mark { epoch: Some(epoch), seen }))?;
            }
            turn.seen = seen;
            if !more {
                return Ok(());
            }
        }
    }

    /// Tells everything that is known here: what is shared may have lost it.
    async fn tell_all(&self, link: &Link, store: &mut Store) -> Result<(), Fault> {
        // What was taken on another link is in the store then.
        drop(self.deciding.write().await);
        // By a clock that is ahead, what goes on would not be told.
        let now = unhurried(SystemTime::now());
        for kind in RowKind::ALL {
            let mut after: Option<String> = None;
            loop {
                let rows = store.rows(kind, after.as_deref(), now)?;
                link.put(&self.seal, &rows).await?;
                let Some(last) = rows.last().filter(|_| rows.len() >= ROWS_AT_ONCE as usize) else { break };
                after = Some(last.id.clone());
            }
        }
        Ok(())
    }

    /// Tells what was revoked here.
    async fn send(&self, link: &Link) -> Result<(), Fault> {
        if self.with_outbox(Store::is_changed)? {
            self.is_outbox_full.store(true, Ordering::Relaxed);
        }
        while self.is_outbox_full.load(Ordering::Relaxed) {
            let rows = self.with_outbox(|store| store.unsent(SystemTime::now()))?;
            if rows.is_empty() {
                self.is_outbox_full.store(false, Ordering::Relaxed);
            } else {
                link.put(&self.seal, &rows).await?;
                self.with_outbox(|store| store.sent(&rows))?;
            }
        }
        Ok(())
    }

    pub(super) fn with_outbox<T>(&self, work: impl FnOnce(&mut Store) -> Result<T, StoreError>) -> Result<T, Fault> {
        Ok(work(&mut self.outbox.lock().unwrap_or_else(PoisonError::into_inner))?)
    }
}
