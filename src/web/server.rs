//! Connections: how many, whose, and how long they may take. What is asked on them is the router's.

use std::collections::HashMap;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::asker::Peer;
use super::pace::Paced;

/// What a listener allows its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; further ones are answered 503 and closed.
    pub max_connections: usize,
    /// Connections at once from one address, or on a Unix socket from one user.
    pub max_connections_per_peer: usize,
    /// From the start of a connection, or the answer before, to the end of the next request's head. A kept-alive
    /// connection that is idle for this long is closed.
    pub head_timeout: Duration,
    /// From the end of the head to the end of the body, from there to the answer where nothing is to be done, and once more from the answer until the client has read it.
    pub request_timeout: Duration,
    /// Bytes of a request's body.
    pub body_limit: usize,
}

/// Where the pages are served.
#[derive(Debug)]
pub enum Listener {
    /// A TCP address.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// Request line and headers together; also the most that is read ahead. Ours take a few hundred bytes, a browser's
/// with somebody else's cookies for localhost up to 8 KiB.
const HEAD_LIMIT_BYTES: usize = 16 << 10;
/// Browsers send about 20.
const MOST_HEADERS: usize = 64;
/// What an orderly stop waits for answers that are being given.
const FAREWELL: Duration = Duration::from_secs(2);
/// Out of file descriptors, say: accepting at once again would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 40\r\n\
    retry-after: 1\r\nconnection: close\r\n\r\ntoo many connections; try again shortly\n";

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 256,
            max_connections_per_peer: 128,
            head_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            body_limit: 64 << 10,
        }
    }
}

/// Serves until `stop`, then lets answers that are being given end within two seconds.
pub(super) async fn serve(listener: Listener, router: Router, limits: Limits, stop: CancellationToken) {
    let crowd = Crowd::new(&limits);
    let mut connections = JoinSet::new();
    loop {
        // Each branch is cancel-safe: a token, an accept and the end of a task.
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match crowd.enter(peer) {
                    Some(place) => {
                        let served = converse(stream, Served { router: router.clone(), peer }, limits.clone(), stop.clone());
                        connections.spawn(async move {
                            served.await;
                            drop(place);
                        });
                    }
                    None => stream.refuse(),
                },
                // The client has gone already, or we are out of something: both pass.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
    let farewell = async { while connections.join_next().await.is_some() {} };
    // Those that take longer are dropped, and with them the set of tasks.
    tokio::time::timeout(FAREWELL, farewell).await.ok();
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), Peer::Address(address.ip().to_canonical())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let user = stream.peer_cred()?.uid();
                Ok((Stream::Unix(stream), Peer::User(user)))
            }
        }
    }
}

impl Stream {
    /// Says that there is no room, as far as the socket takes it at once, and closes.
    fn refuse(self) {
        // A client that does not get the words still sees the connection closed.
        match self {
            Self::Tcp(stream) => drop(stream.try_write(FULL)),
            Self::Unix(stream) => drop(stream.try_write(FULL)),
        }
    }
}

/// What one connection is answered by.
struct Served {
    router: Router,
    /// Told to the router with each request.
    peer: Peer,
}

async fn converse(stream: Stream, served: Served, limits: Limits, stop: CancellationToken) {
    match stream {
        Stream::Tcp(stream) => answer(stream, served, limits, stop).await,
        Stream::Unix(stream) => answer(stream, served, limits, stop).await,
    }
}

/// Serves one connection to its end, whoever ends it. Trouble on it is the client's.
async fn answer<S>(stream: S, served: Served, limits: Limits, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(Paced::new(stream, limits.request_timeout));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(HEAD_LIMIT_BYTES)
        .max_headers(MOST_HEADERS);
    let (routes, peer) = (TowerToHyperService::new(served.router), served.peer);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        routes.call(request)
    });
    let mut connection = pin!(builder.serve_connection(stream, service));
    tokio::select! {
        ended = connection.as_mut() => { ended.ok(); }
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await.ok();
        }
    }
}

/// Who is connected now.
#[derive(Clone, Debug)]
struct Crowd {
    most: usize,
    most_per_peer: usize,
    present: Arc<Mutex<HashMap<Peer, usize>>>,
}

/// One connection's place in the crowd, given up when dropped.
#[derive(Debug)]
struct Place {
    crowd: Crowd,
    peer: Peer,
}

impl Crowd {
    fn new(limits: &Limits) -> Self {
        Self { most: limits.max_connections, most_per_peer: limits.max_connections_per_peer, present: Arc::default() }
    }

    fn enter(&self, peer: Peer) -> Option<Place> {
        let mut present = self.present();
        let of_peer = present.get(&peer).copied().unwrap_or(0);
        if present.values().sum::<usize>() >= self.most || of_peer >= self.most_per_peer {
            return None;
        }
        present.insert(peer, of_peer + 1);
        Some(Place { crowd: self.clone(), peer })
    }

    fn present(&self) -> MutexGuard<'_, HashMap<Peer, usize>> {
        // Counts are whole whatever panicked elsewhere.
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.crowd.present();
        if let Some(count) = present.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                present.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_cannot_take_every_place() {
        let crowd = Crowd::new(&Limits { max_connections: 3, max_connections_per_peer: 2, ..Limits::default() });
        let (one, other) = (Peer::Address([10, 0, 0, 1].into()), Peer::User(1000));
        let places = [crowd.enter(one).unwrap(), crowd.enter(one).unwrap()];
        assert!(crowd.enter(one).is_none(), "its third");
        let third = crowd.enter(other).unwrap();
        assert!(crowd.enter(other).is_none(), "the fourth of all");
        drop(places);
        drop(third);
        assert!(crowd.present().is_empty(), "nobody is remembered");
    }

    #[test]
    fn the_refusal_says_how_long_it_is() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{text}");
    }
}
