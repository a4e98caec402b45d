//! Targets that nobody lists by hand: lists in files, lists that servers give, names in DNS.
//!
//! A [`Finder`] looks where it is told, once each time it is asked; [`keeping::Keeper`] decides what of it is believed.
//! What an instance becomes is `config`'s business, and when to look is the daemon's.

use std::path::PathBuf;
use std::time::Duration;

use crate::errors;

pub mod dns;
pub mod file;
pub mod keeping;
pub mod list;
pub mod naming;
pub mod web;

use keeping::Look;

/// Where to look, and how often.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where.
    pub place: Place,
    /// Time between two looks.
    pub refresh: Duration,
}

/// Where instances are listed.
#[derive(Clone, Debug)]
pub enum Place {
    /// In files, by paths with `*`, `?` and `[abc]`.
    Files(Vec<PathBuf>),
    /// On a server.
    Web(Box<web::Options>),
    /// In DNS.
    Dns(dns::Options),
}

impl Place {
    /// What it is, as the configuration calls it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Files(_) => "file_sd",
            Self::Web(_) => "http_sd",
            Self::Dns(_) => "dns_sd",
        }
    }

    /// What distinguishes it from another place, without anything that may be a secret.
    pub fn shown(&self) -> String {
        match self {
            Self::Files(paths) => paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
            Self::Web(options) => crate::http::ShownUrl::of(&options.url).to_string(),
            Self::Dns(options) => options.names.join(", "),
        }
    }
}

/// Looks at one place.
#[derive(Debug)]
pub struct Finder(Kind);

#[derive(Debug)]
enum Kind {
    Files(file::Files),
    Web(Box<web::Server>),
    Dns(Box<dns::Names>),
}

impl Finder {
    /// Sets it up; asks nobody.
    pub fn new(options: &Options) -> Result<Self, String> {
        let kind = match &options.place {
            Place::Files(paths) => Kind::Files(file::Files::new(paths.clone())),
            Place::Web(web) => {
                let server = web::Server::new((**web).clone(), options.refresh);
                Kind::Web(Box::new(server.map_err(|error| errors::one_line(&error))?))
            }
            Place::Dns(dns) => Kind::Dns(Box::new(dns::Names::new(dns.clone())?)),
        };
        Ok(Self(kind))
    }

    /// One look. Not cancel-safe where files are read: what was read is lost, and read again.
    pub async fn look(self) -> (Self, Look) {
        match self.0 {
            Kind::Files(mut files) => {
                let looked = tokio::task::spawn_blocking(move || {
                    let look = files.look();
                    (files, look)
                });
                match looked.await {
                    Ok((files, look)) => (Self(Kind::Files(files)), look),
                    // A panic in there, or the runtime is going down.
                    Err(problem) => {
                        let look = Look::from([("files".to_owned(), Err(format!("cannot be read: {problem}")))]);
                        (Self(Kind::Files(file::Files::default())), look)
                    }
                }
            }
            Kind::Web(mut server) => {
                let look = server.look().await;
                (Self(Kind::Web(server)), look)
            }
            Kind::Dns(names) => {
                let look = names.look().await;
                (Self(Kind::Dns(names)), look)
            }
        }
    }
}
