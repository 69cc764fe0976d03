//! A node's part in a cluster, from its start on.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;

use super::StartError;
use crate::cluster::{Cluster, Settings};
use crate::config::{ClusterSecrets, Process};
use crate::domain::{steady, unhurried};
use crate::session::{Mark, Peers, Store};
use crate::state::Services;
use crate::vault::Slot;

/// How long a start waits for word of the other nodes.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

/// Joins the other nodes, where there are any, with a password that reloads may have come from another vault. Where they cannot be reached in time, that is tried on: sessions wait for it, all else does
/// not.
///
/// # Errors
/// [`StartError`] when something is wrong that will not be right by itself.
pub(super) fn join(
    process: &Process,
    (secrets, password): (Option<ClusterSecrets>, Arc<ArcSwapOption<Slot>>),
    store: Option<Store>,
    services: &Services,
) -> Result<Option<Arc<Cluster>>, StartError> {
    let Some(store) = store else { return Ok(None) };
    let (Some(place), Some(secrets)) = (&process.cluster, secrets) else {
        // What is written alone, the others have to be told of when there are any again.
        store.set_mark(&Mark::default()).map_err(StartError::Store)?;
        return Ok(None);
    };
    let settings = Settings {
        url: place.url.clone(),
        ca: place.ca.clone(),
        name: place.name.clone(),
        max_stale: place.max_stale,
        egress: place.egress.clone(),
        password,
        key: secrets.key,
    };
    let cluster = Cluster::start(settings, store, &services.engines.limits)
        .map_err(|error| StartError::Internal(error.to_string()))?;
    let cluster = Arc::new(cluster);
    let peers = || Arc::clone(&cluster) as Arc<dyn Peers>;
    services.engines.authenticators.share_with(&peers());
    if let Some(access) = &services.access {
        access.share_with(peers());
    }
    if let Some(revocations) = &services.revocations {
        revocations.share();
    }
    cluster.wait(HEARD_WITHIN);
    if let Some(revocations) = &services.revocations {
        // Nobody is served before what was heard holds. What is to be told of it is found in the store.
        revocations.refresh(unhurried(SystemTime::now())).map_err(StartError::Store)?;
    }
    if let Some(access) = &services.access {
        access.catch_up(steady(SystemTime::now())).map_err(StartError::Store)?;
    }
    Ok(Some(cluster))
}
