//! Histograms of times. Each exchange observes into five of them, and an addition to shared memory costs more than all else in them: so there
//! are two an observation here, where those of `prometheus` make four.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::core::{Collector, Desc, Describer};
use prometheus::proto::{self, Bucket, LabelPair, Metric, MetricFamily, MetricType};

use super::metrics::options;

/// The histograms of one name, by the value of their label; of one without a label there is one.
#[derive(Debug, Clone)]
pub(super) struct Histograms(Arc<Family>);

#[derive(Debug)]
struct Family {
    description: Desc,
    label: Option<&'static str>,
    /// In nanoseconds, ascending.
    bounds: &'static [u64],
    series: Mutex<BTreeMap<String, Histogram>>,
}

/// How often what was observed took how long; cheap to clone.
#[derive(Debug, Clone)]
pub struct Histogram(Arc<Series>);

#[derive(Debug)]
struct Series {
    bounds: &'static [u64],
    /// One for each bound, and one for what is above all.
    counts: Box<[AtomicU64]>,
    /// In nanoseconds. It holds for 584 years of observed time.
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Series { bounds, counts, sum: AtomicU64::new(0) }))
    }

    /// Counts one that took this long.
    pub fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let at = self.0.bounds.iter().take_while(|&&bound| bound < nanos).count();
        if let Some(count) = self.0.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.0.sum.fetch_add(nanos, Ordering::Relaxed);
    }

    /// As it stands. What is observed meanwhile may be in the sum and not in a count yet, or the other way round.
    fn told(&self) -> proto::Histogram {
        let mut told = proto::Histogram::default();
        let mut count = 0;
        let mut buckets = Vec::with_capacity(self.0.bounds.len());
        let mut counts = self.0.counts.iter().map(|count| count.load(Ordering::Relaxed));
        for (bound, observed) in self.0.bounds.iter().zip(&mut counts) {
            count += observed;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(seconds(*bound));
            bucket.set_cumulative_count(count);
            buckets.push(bucket);
        }
        told.set_bucket(buckets);
        told.set_sample_count(count + counts.sum::<u64>());
        told.set_sample_sum(seconds(self.0.sum.load(Ordering::Relaxed)));
        told
    }
}

impl Histograms {
    /// Those of this name and help, told apart by this label.
    ///
    /// # Errors
    /// Those of `prometheus`, for a malformed name.
    pub(super) fn new(
        name: &str,
        help: &str,
        label: Option<&'static str>,
        bounds: &'static [u64],
    ) -> prometheus::Result<Self> {
        let labels = label.into_iter().map(str::to_owned).collect();
        let description = options(name, help).variable_labels(labels).describe()?;
        Ok(Self(Arc::new(Family { description, label, bounds, series: Mutex::default() })))
    }

    /// The one of this value of the label.
    pub(super) fn of(&self, value: &str) -> Histogram {
        let mut series = self.0.series.lock().unwrap_or_else(PoisonError::into_inner);
        series.entry(value.to_owned()).or_insert_with(|| Histogram::new(self.0.bounds)).clone()
    }
}

impl Collector for Histograms {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.description]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let series = self.0.series.lock().unwrap_or_else(PoisonError::into_inner);
        let told = series.iter().map(|(value, histogram)| {
            let label = self.0.label.map(|name| {
                let mut label = LabelPair::default();
                label.set_name(name.to_owned());
                label.set_value(value.clone());
                label
            });
            let mut metric = Metric::from_label(label.into_iter().collect());
            metric.set_histogram(histogram.told());
            metric
        });
        let mut family = MetricFamily::default();
        family.set_name(self.0.description.fq_name.clone());
        family.set_help(self.0.description.help.clone());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(told.collect());
        vec![family]
    }
}

fn seconds(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_observation_counts_in_the_buckets_that_reach_it_and_in_the_sum() {
        let histogram = Histogram::new(&[10, 20]);
        for nanos in [0, 10, 11, 20, 21] {
            histogram.observe(Duration::from_nanos(nanos));
        }
        let told = histogram.told();
        let buckets: Vec<_> = told.get_bucket().iter().map(|b| (b.upper_bound(), b.cumulative_count())).collect();
        assert_eq!(buckets, [(1e-8, 2), (2e-8, 4)]);
        assert_eq!((told.get_sample_count(), told.get_sample_sum()), (5, 6.2e-8));
    }
}
