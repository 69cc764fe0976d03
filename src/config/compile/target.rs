//! `[target.NAME]`.

use std::num::NonZeroU8;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::Compiler;
use super::listen::or;
use crate::config::file::{BackendTable, HealthTable, TargetTable, Text};
use crate::config::values::Spanned;
use crate::domain::Name;
use crate::target::{
    BackendAddress, Balance, Health, Origin, Protocol, Settings, Target, TargetUrl, Timeouts, UpstreamTls,
    parse_host_header,
};

impl Compiler<'_, '_> {
    pub(super) fn target(&mut self, name: &Name, (_, table): (Range<usize>, TargetTable)) -> Option<Arc<Target>> {
        let cure = "write an origin and maybe a base path, such as `https://api.example.com/v2`";
        let url = self.report.take(table.url.span(), TargetUrl::parse(table.url.get_ref()), cure)?;
        let literal = url.origin.literal_ip();
        if literal.is_some_and(|ip| !self.egress.permits_literal(ip)) {
            let cure = "link-local, metadata and unspecified addresses cannot be opened";
            self.report.add(table.url.span(), "the proxy must not connect to this address", cure);
        }
        let tls = self.upstream_tls(&table, &url.origin);
        let (balance, protocol) = (self.balance(table.balance.as_ref()), self.protocol(table.http.as_ref()));
        let backends: Vec<_> = table.backends.iter().map(|one| self.backend(one, &url.origin)).collect();
        let health = table.health.as_ref().map(|health| self.health(health));
        let host = table.host.as_ref().map(|text| {
            self.report.take(text.span(), parse_host_header(text.get_ref()), "write `name` or `name:port`")
        });
        let attempts = self.non_zero(table.url.span(), "attempts", table.attempts.map(usize::from), 2)?;
        let mut settings = Settings::new(name.clone(), url, tls?);
        if let Some(host) = host {
            settings.host_header = host?;
        }
        settings.backends = backends.into_iter().collect::<Option<_>>()?;
        settings.balance = balance?;
        settings.protocol = protocol?;
        settings.timeouts = timeouts(&table);
        settings.attempts = attempts;
        settings.health = health.map_or(Some(None), |health| health.map(Some))?;
        settings.resolve_every = or(table.resolve_every, 30);
        Some(self.engines.targets.open(&settings, &self.egress))
    }

    fn upstream_tls(&mut self, table: &TargetTable, origin: &Origin) -> Option<UpstreamTls> {
        let ca = match &table.ca {
            Some(path) => Some(self.file(path)?),
            None => None,
        };
        let name = table.server_name.as_ref().map(|text| text.get_ref().as_str());
        let place = table.server_name.as_ref().or(table.ca.as_ref()).unwrap_or(&table.url);
        let tls = UpstreamTls::new(origin, name, ca.as_deref());
        self.report.take(
            place.span(),
            tls,
            "set `server_name` to the name in the upstream's certificate, and `ca` to a PEM file",
        )
    }

    fn backend(&mut self, table: &BackendTable, origin: &Origin) -> Option<BackendAddress> {
        let weight = self.non_zero(table.address.span(), "weight", table.weight, 1)?;
        let address = BackendAddress::parse(table.address.get_ref(), origin.port, weight);
        self.report.take(table.address.span(), address, "write `host:port`")
    }

    fn balance(&mut self, text: Option<&Text>) -> Option<Balance> {
        let Some(text) = text else { return Some(Balance::RoundRobin) };
        let balance = match text.get_ref().as_str() {
            // Weights count in every way of balancing, so the two are one.
            "round_robin" | "weighted" => Ok(Balance::RoundRobin),
            "consistent_hash" => Ok(Balance::ConsistentHash),
            "least_requests" => Ok(Balance::LeastRequests),
            _ => Err("no such way to balance"),
        };
        self.report.take(
            text.span(),
            balance,
            "choose `round_robin`, `weighted`, `consistent_hash` or `least_requests`",
        )
    }

    fn protocol(&mut self, text: Option<&Text>) -> Option<Protocol> {
        let Some(text) = text else { return Some(Protocol::Http1) };
        let protocol = match text.get_ref().as_str() {
            "1" => Ok(Protocol::Http1),
            "2" => Ok(Protocol::Http2),
            "auto" => Ok(Protocol::Auto),
            _ => Err("no such HTTP version"),
        };
        self.report.take(text.span(), protocol, "choose `1`, `2` or `auto`")
    }

    fn health(&mut self, table: &HealthTable) -> Option<Health> {
        let path = table.path.get_ref().parse().map_err(|_| "not a path");
        let path = self.report.take(table.path.span(), path, "write a path such as `/healthz`");
        let place = table.path.span();
        let healthy_after = self.non_zero(place.clone(), "healthy_after", table.healthy_after, 2);
        let unhealthy_after = self.non_zero(place, "unhealthy_after", table.unhealthy_after, 3);
        Some(Health {
            path: path?,
            expect: self.status_range(table.expect.as_ref(), 200..=399)?,
            interval: or(table.interval, 5),
            timeout: or(table.timeout, 2),
            healthy_after: healthy_after?,
            unhealthy_after: unhealthy_after?,
            host: None,
        })
    }

    pub(super) fn status_range(
        &mut self,
        expect: Option<&Spanned<(u16, u16)>>,
        default: RangeInclusive<u16>,
    ) -> Option<RangeInclusive<u16>> {
        let Some(expect) = expect else { return Some(default) };
        let (low, high) = *expect.get_ref();
        if !(100..=599).contains(&low) || !(low..=599).contains(&high) {
            self.report.add(
                expect.span(),
                "not a range of statuses",
                "write the lowest and the highest, such as `[200, 399]`",
            );
            return None;
        }
        Some(low..=high)
    }

    fn non_zero(&mut self, span: Range<usize>, key: &str, value: Option<usize>, default: u8) -> Option<NonZeroU8> {
        let value = value.map_or(Some(default), |value| u8::try_from(value).ok()).and_then(NonZeroU8::new);
        if value.is_none() {
            self.report.add(span, format!("`{key}` is out of range"), "choose between 1 and 255");
        }
        value
    }
}

fn timeouts(table: &TargetTable) -> Timeouts {
    let connect = or(table.connect_timeout, 5);
    Timeouts {
        connect,
        total_connect: connect * 2,
        read: or(table.read_timeout, 60),
        write: or(table.write_timeout, 30),
        idle: or(table.idle_timeout, 55),
    }
}
