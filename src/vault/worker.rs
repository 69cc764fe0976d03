//! Where providers wait for the network and for programs: a runtime of each one's own, so that one that hangs holds up no other.

use std::fmt;
use std::future::Future;
use std::io;

use tokio::runtime::{Builder, Runtime};

/// A runtime with one thread, made when it is first needed.
#[derive(Default)]
pub(super) struct Worker(Option<Runtime>);

impl Worker {
    /// Does the work, and waits for it. Not for threads that serve requests.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn wait<T>(&mut self, work: impl Future<Output = T>) -> io::Result<T> {
        let runtime = match &self.0 {
            Some(runtime) => runtime,
            None => {
                let made = Builder::new_multi_thread().worker_threads(1).thread_name("vault").enable_all().build()?;
                self.0.insert(made)
            }
        };
        Ok(runtime.block_on(work))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The last handle may go where nothing may be waited for.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Worker")
    }
}
