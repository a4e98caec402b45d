//! Figures of heapwatch's own process, under the names that every Prometheus client has for them.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// Reads `/proc/self` at each scrape.
#[derive(Debug)]
pub(super) struct Process {
    /// Unix seconds.
    pub(super) started: f64,
}

/// What `/proc/self/stat` says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        gauge(&mut encoder, "process_start_time", "When heapwatch started", Some(&Unit::Seconds), self.started)?;
        if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().and_then(|text| Stat::parse(&text)) {
            let resident = stat.resident_pages.saturating_mul(page_size() as u64);
            gauge(&mut encoder, "process_resident_memory", "Memory in use", Some(&Unit::Bytes), resident as f64)?;
            let addressed = stat.virtual_bytes as f64;
            gauge(&mut encoder, "process_virtual_memory", "Memory addressed", Some(&Unit::Bytes), addressed)?;
            gauge(&mut encoder, "process_threads", "Threads", None, stat.threads as f64)?;
            let cpu = ConstCounter::new(stat.cpu_ticks as f64 / clock_ticks_per_second() as f64);
            let (name, help) = ("process_cpu", "Processor time used, the kernel's on our behalf included");
            cpu.encode(encoder.encode_descriptor(name, help, Some(&Unit::Seconds), cpu.metric_type())?)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            gauge(&mut encoder, "process_open_fds", "Open file descriptors", None, open.count() as f64)?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            gauge(&mut encoder, "process_max_fds", "Most file descriptors", None, most as f64)?;
        }
        Ok(())
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    figure: f64,
) -> Result<(), fmt::Error> {
    let gauge = ConstGauge::new(figure);
    gauge.encode(encoder.encode_descriptor(name, help, unit, gauge.metric_type())?)
}

impl Stat {
    /// proc(5): fields after the command in parentheses, which may itself hold any character.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        // proc(5) counts from 1 and has the state, our first field, as number 3.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.saturating_add(field(15)?),
            threads: field(20)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_is_no_field() {
        let line = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22";
        let expected = Stat { cpu_ticks: 11 + 12, threads: 17, virtual_bytes: 20, resident_pages: 21 };
        assert_eq!(Stat::parse(line), Some(expected));
        assert_eq!(Stat::parse("42 (short) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }
}
