//! Where people and programs reach the daemon: the listeners of `[web]`, and what is served on them.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::StartError;
use crate::config::{Listen, WebOptions};
use crate::errors;
use crate::web::{self, Access, Limits, Service};

/// The listeners, bound.
#[derive(Debug)]
pub(super) struct Listeners {
    main: Option<web::Listener>,
    metrics: Option<web::Listener>,
    limits: Limits,
    /// Where the main one is, if on TCP.
    pub(super) address: Option<SocketAddr>,
}

impl Listeners {
    /// Binds what `[web]` names.
    pub(super) async fn bind(options: &WebOptions) -> Result<Self, StartError> {
        let main = bind(&options.listen, options.socket_mode).await?;
        let metrics = bind(&options.metrics_listen, options.socket_mode).await?;
        let address = address_of(main.as_ref());
        if let Some(address) = address {
            info!(%address, "status page, API and metrics on http://{address}/");
        }
        if let Some(address) = address_of(metrics.as_ref()) {
            info!(%address, "metrics on http://{address}/metrics");
        }
        Ok(Self { main, metrics, limits: options.limits.clone(), address })
    }

    /// Serves `site` on all of them until `stop`.
    pub(super) fn serve(
        self,
        site: &web::Site,
        access: &watch::Receiver<Arc<Access>>,
        helpers: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) {
        for (listener, only_metrics) in [(self.main, false), (self.metrics, true)] {
            let Some(listener) = listener else { continue };
            let service = Service { access: access.clone(), limits: self.limits.clone(), only_metrics };
            helpers.spawn(serve(listener, site.clone(), service, stop.clone()));
        }
    }
}

fn address_of(listener: Option<&web::Listener>) -> Option<SocketAddr> {
    match listener {
        Some(web::Listener::Tcp(tcp)) => tcp.local_addr().ok(),
        _ => None,
    }
}

async fn bind(listen: &Listen, socket_mode: u32) -> Result<Option<web::Listener>, StartError> {
    match listen {
        Listen::Off => Ok(None),
        Listen::Tcp(address) => {
            let refused = |source| StartError::Listen { address: address.to_string(), source };
            Ok(Some(web::Listener::Tcp(TcpListener::bind(address).await.map_err(refused)?)))
        }
        Listen::Unix(path) => {
            let refused = |source| StartError::Listen { address: path.display().to_string(), source };
            remove_stale_socket(path).map_err(refused)?;
            let listener = UnixListener::bind(path).map_err(refused)?;
            // Until here the umask holds, which lets nobody else connect.
            fs::set_permissions(path, Permissions::from_mode(socket_mode)).map_err(refused)?;
            Ok(Some(web::Listener::Unix(listener)))
        }
    }
}

async fn serve(listener: web::Listener, site: web::Site, service: Service, stop: CancellationToken) {
    if let Err(problem) = web::serve(listener, site, service, stop).await {
        error!(error = errors::one_line(&problem), "the status page and the API have ended");
    }
}

/// A socket file outlives its program. One that still answers is somebody's, and a file of another kind is never
/// ours to remove; binding then says that the address is in use.
fn remove_stale_socket(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() { fs::remove_file(path) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_a_socket_that_nobody_answers_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("listen");
        remove_stale_socket(&path).unwrap();

        std::fs::write(&path, "somebody's").unwrap();
        remove_stale_socket(&path).unwrap();
        assert!(path.exists(), "a plain file");
        std::fs::remove_file(&path).unwrap();

        let listener = UnixListener::bind(&path).unwrap();
        remove_stale_socket(&path).unwrap();
        assert!(path.exists(), "a socket in use");
        drop(listener);
        remove_stale_socket(&path).unwrap();
        assert!(!path.exists(), "a socket left behind");
    }
}
