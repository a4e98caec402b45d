//! Names that expand to the processes behind them: A and AAAA records to addresses, SRV records to hosts with ports.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};

use super::keeping::Look;
use super::list::Instance;
use crate::errors;

/// Which records a name is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Records {
    /// Hosts with their ports.
    Srv,
    /// Addresses of IPv4.
    A,
    /// Addresses of IPv6.
    Aaaa,
}

/// How to ask.
#[derive(Clone, Debug)]
pub struct Options {
    /// The names, as they are asked for.
    pub names: Vec<String>,
    /// What they are asked for.
    pub records: Records,
    /// Where the processes listen, which addresses do not say.
    pub port: Option<u16>,
    /// Whom to ask, instead of those in /etc/resolv.conf.
    pub server: Option<SocketAddr>,
    /// Deadline for one name.
    pub timeout: Duration,
}

/// Asks for names.
pub(super) struct Names {
    options: Options,
    resolver: TokioResolver,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Names {
    pub(super) fn new(options: Options) -> Result<Self, String> {
        let resolver =
            resolver(&options).map_err(|error| format!("cannot set up DNS: {}", errors::one_line(&error)))?;
        Ok(Self { options, resolver })
    }

    /// Asks for every name, one after the other: sources have a few.
    pub(super) async fn look(&self) -> Look {
        let mut look = Look::new();
        for name in &self.options.names {
            let asked = tokio::time::timeout(self.options.timeout, self.ask(name)).await;
            let outcome = asked.unwrap_or_else(|_| Err(format!("has not been answered in {:?}", self.options.timeout)));
            look.insert(name.clone(), outcome.map(Some).map_err(|problem| format!("{name} {problem}")));
        }
        look
    }

    async fn ask(&self, name: &str) -> Result<Vec<Instance>, String> {
        let record_type = match self.options.records {
            Records::Srv => RecordType::SRV,
            Records::A => RecordType::A,
            Records::Aaaa => RecordType::AAAA,
        };
        let answers = match self.resolver.lookup(name, record_type).await {
            Ok(answers) => answers,
            // A service without any process has no records; whether that is to be believed is not ours to say.
            Err(error) if is_none(&error) => return Ok(Vec::new()),
            Err(error) => return Err(format!("cannot be resolved: {}", errors::one_line(&error))),
        };
        let places = answers.answers().iter().filter_map(|record| self.place(&record.data));
        // Servers turn their answers around; a set has one order.
        let places: BTreeSet<Place> = places.collect();
        Ok(places.into_iter().map(|place| place.instance(name)).collect())
    }

    fn place(&self, data: &RData) -> Option<Place> {
        let port = self.options.port;
        match data {
            RData::SRV(srv) => {
                let target = srv.target.to_utf8();
                let host = target.trim_end_matches('.').to_owned();
                // A single dot says that the service is not here (RFC 2782).
                (!host.is_empty()).then_some(Place { host, port: port.unwrap_or(srv.port) })
            }
            RData::A(address) => Some(Place { host: address.0.to_string(), port: port? }),
            RData::AAAA(address) => Some(Place { host: format!("[{}]", address.0), port: port? }),
            _ => None,
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    host: String,
    port: u16,
}

impl Place {
    fn instance(self, name: &str) -> Instance {
        let address = format!("{}:{}", self.host, self.port);
        Instance { address, labels: BTreeMap::from([("__meta_dns_name".to_owned(), name.to_owned())]) }
    }
}

fn is_none(error: &NetError) -> bool {
    error.is_no_records_found()
}

fn resolver(options: &Options) -> Result<TokioResolver, NetError> {
    let provider = TokioRuntimeProvider::default();
    let mut builder = match options.server {
        Some(server) => {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            let server = NameServerConfig::new(server.ip(), true, connections.into());
            TokioResolver::builder_with_config(ResolverConfig::from_parts(None, Vec::new(), vec![server]), provider)
        }
        None => TokioResolver::builder(provider)?,
    };
    let usual = ResolverOpts::default();
    let opts = builder.options_mut();
    // Each look wants what is so now; looks are seconds apart.
    opts.cache_size = 0;
    opts.timeout = usual.timeout.min(options.timeout);
    opts.try_tcp_on_error = true;
    builder.build()
}
