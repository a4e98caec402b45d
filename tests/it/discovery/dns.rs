//! A name server on loopback with a zone that a test changes: real messages over UDP, by hickory's own codec.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// The server; it stops when dropped.
pub(super) struct Zone {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    records: BTreeMap<(String, RecordType), Vec<RData>>,
    fails: bool,
}

impl Zone {
    pub(super) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (address, state) = (socket.local_addr().unwrap(), Arc::new(Mutex::new(State::default())));
        let serving = tokio::spawn(serve(socket, Arc::clone(&state)));
        Self { address, state, serving }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts hosts with their ports behind a name.
    pub(super) fn srv(&self, name: &str, hosts: &[(&str, u16)]) {
        let record = |(host, port): &(&str, u16)| RData::SRV(SRV::new(1, 1, *port, Name::from_ascii(host).unwrap()));
        self.put(name, RecordType::SRV, hosts.iter().map(record).collect());
    }

    /// Puts addresses behind a name.
    pub(super) fn a(&self, name: &str, addresses: &[[u8; 4]]) {
        let record = |[a, b, c, d]: &[u8; 4]| RData::A(A::new(*a, *b, *c, *d));
        self.put(name, RecordType::A, addresses.iter().map(record).collect());
    }

    fn put(&self, name: &str, kind: RecordType, data: Vec<RData>) {
        self.state.lock().unwrap().records.insert((name.to_owned(), kind), data);
    }

    /// Answers every question with a failure of the server, or not.
    pub(super) fn fail(&self, fails: bool) {
        self.state.lock().unwrap().fails = fails;
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(socket: UdpSocket, state: Arc<Mutex<State>>) {
    let mut buffer = [0; 4096];
    while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
        let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
        let answer = state.lock().unwrap().answer(&question);
        // A client that is gone has heard enough.
        socket.send_to(&answer.to_vec().unwrap(), client).await.ok();
    }
}

impl State {
    fn answer(&self, question: &Message) -> Message {
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        answer.metadata.recursion_available = true;
        let Some(query) = question.queries.first() else { return answer };
        answer.add_query(query.clone());
        let known = self.records.get(&(query.name.to_ascii().to_ascii_lowercase(), query.query_type));
        answer.metadata.response_code = match (self.fails, known) {
            (true, _) => ResponseCode::ServFail,
            (false, None) => ResponseCode::NXDomain,
            (false, Some(_)) => ResponseCode::NoError,
        };
        if !self.fails {
            for data in known.into_iter().flatten() {
                answer.add_answer(Record::from_rdata(query.name.clone(), 1, data.clone()));
            }
        }
        answer
    }
}
