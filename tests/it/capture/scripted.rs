//! A server on loopback that answers each connection by a script, byte for byte, and snapshots to put into it.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One step of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes that many times.
    Repeat(Vec<u8>, u64),
    /// Sends one byte after another of these, with a pause before each, again and again.
    Trickle(Vec<u8>, Duration),
    /// Sends nothing more and keeps the connection open.
    Hang,
    /// Breaks the connection (RST).
    Reset,
}

/// The running server.
#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    /// Heads of the requests so far.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// Answers every connection by the same script; at its end the connection is closed.
    pub(crate) async fn start(script: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(play(connection, script.clone(), Arc::clone(&seen)));
            }
        });
        Self { address, requests }
    }
}

async fn play(mut connection: TcpStream, script: Vec<Step>, seen: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await?);
    }
    seen.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
    for step in script {
        match step {
            Step::Send(bytes) => connection.write_all(&bytes).await?,
            Step::Repeat(bytes, times) => {
                for _ in 0..times {
                    connection.write_all(&bytes).await?;
                }
            }
            Step::Trickle(bytes, pause) => {
                for byte in bytes.iter().cycle() {
                    tokio::time::sleep(pause).await;
                    connection.write_all(&[*byte]).await?;
                }
            }
            Step::Hang => std::future::pending().await,
            Step::Reset => {
                connection.set_zero_linger()?;
                return Ok(());
            }
        }
    }
    connection.shutdown().await
}

/// `HTTP/1.1 200 OK` with these header lines.
pub(crate) fn ok(headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}\r\n").into_bytes()
}

/// A whole answer with its length announced.
pub(crate) fn whole(body: &[u8]) -> Vec<Step> {
    vec![Step::Send(ok(&format!("Content-Length: {}\r\n", body.len()))), Step::Send(body.to_vec())]
}

/// A body in chunks of this size, with the last one.
pub(crate) fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    for part in body.chunks(size) {
        write!(wire, "{:x}\r\n", part.len()).unwrap();
        wire.extend_from_slice(part);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// One row of the nodes of [`head`]; as many are needed as it announces.
pub(crate) const NODE: &str = "3,1,3,64,0,0,0\n";

/// The first part of a snapshot as Node 20 writes it, up to the nodes.
pub(crate) fn head(nodes: u64) -> String {
    format!(
        r#"{{"snapshot":{{"meta":{{"node_fields":["type","name","id","self_size","edge_count","trace_node_id","detachedness"],"node_types":[["hidden","array","string","object","code","closure","regexp","number","native","synthetic","concatenated string","sliced string","symbol","bigint","object shape"],"string","number","number","number","number","number"],"edge_fields":["type","name_or_index","to_node"],"edge_types":[["context","element","property","internal","hidden","shortcut","weak"],"string_or_number","node"],"trace_function_info_fields":["function_id"],"location_fields":["object_index","script_id","line","column"]}},"node_count":{nodes},"edge_count":0,"trace_function_count":0}},
"nodes":["#
    )
}

/// What follows the nodes.
pub(crate) const TAIL: &str = "],\n\"edges\":[],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\"samples\":[],\n\"locations\":[],\n\"strings\":[\"\",\n\"(root)\"]}";

/// A whole snapshot of that many nodes.
pub(crate) fn snapshot(nodes: u64) -> Vec<u8> {
    let mut document = head(nodes);
    for number in 0..nodes {
        let comma = if number == 0 { "" } else { "," };
        write!(document, "{comma}{NODE}").unwrap();
    }
    document.push_str(TAIL);
    document.into_bytes()
}
