//! The server, run and fetched from.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(budget: u64) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_http"))
            .args(["127.0.0.1:0", &budget.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").expect("it says where").to_owned();
        Self { process, address }
    }

    fn get(&self, path: &str) -> Response {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Response { status, headers: headers.collect(), body: body.to_owned() }
    }

    /// A sample of `/metrics`: the name and labels as Prometheus writes them.
    fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").body;
        let sample = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        sample.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Debug)]
struct Response {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

#[test]
fn pages_are_rendered_once_and_the_metrics_say_so() {
    let server = Server::start(64 << 20);
    let first = server.get("/page/index");
    assert_eq!((first.status, first.headers["x-cache"].as_str()), (200, "rendered"));
    assert!(first.body.starts_with("<h1>index</h1>"));
    let second = server.get("/page/index");
    assert_eq!((second.headers["x-cache"].as_str(), &second.body), ("shared", &first.body));

    // Absences are remembered, failures are not.
    for (path, status, sources) in
        [("/page/missing-1", 404, ["rendered", "shared"]), ("/page/broken-1", 502, ["rendered", "rendered"])]
    {
        for source in sources {
            let response = server.get(path);
            assert_eq!((response.status, response.headers["x-cache"].as_str()), (status, source), "{path}");
        }
    }
    let reads = ["hit", "miss"]
        .map(|result| server.metric(&format!("tollgate_reads_total{{cache=\"pages\",result=\"{result}\"}}")));
    assert_eq!(reads, [2.0, 4.0]);
    assert_eq!(server.metric("tollgate_loads_lost_total{cache=\"pages\",cause=\"error\"}"), 2.0);
    assert_eq!(server.metric("tollgate_max_cost{cache=\"pages\"}"), f64::from(64 << 20));
    let metrics = server.get("/metrics");
    assert!(metrics.headers["content-type"].starts_with("text/plain"));
    assert!(
        metrics.body.contains("# TYPE tollgate_reads_total counter")
            && metrics.body.contains("# HELP tollgate_cost ")
    );
}

#[test]
fn a_stampede_renders_once_and_the_budget_holds() {
    const BUDGET: u64 = 200_000;
    let server = Server::start(BUDGET);
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(server.get("/page/popular").status, 200));
        }
    });
    assert_eq!(server.metric("tollgate_loads_total{cache=\"pages\"}"), 1.0);
    thread::scope(|scope| {
        for thread in 0..8 {
            let server = &server;
            scope.spawn(move || {
                (0..30).for_each(|n| assert_eq!(server.get(&format!("/page/{thread}x{n}")).status, 200))
            });
        }
    });
    let gauge = |name: &str| server.metric(&format!("tollgate_{name}{{cache=\"pages\"}}"));
    assert!(gauge("peak_cost") <= gauge("max_cost") + gauge("slack"));
    assert!(gauge("peak_cost") > 0.8 * BUDGET as f64, "the pages do not all fit");
    let lost = ["evicted", "rejected"].map(|cause| {
        server.metric(&format!("tollgate_departures_total{{cache=\"pages\",cause=\"{cause}\"}}"))
    });
    assert!(lost.iter().sum::<f64>() > 0.0);
}
