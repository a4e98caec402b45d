//! What is told of each target, as the board has it at the moment of a scrape: targets that left the configuration have
//! left the page too.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::status::board::Board;
use crate::status::figures::FAMILIES;

/// Reads the board at each scrape.
#[derive(Debug)]
pub(super) struct Targets {
    pub(super) board: Board,
}

/// A number with the value of its label, which is empty where the family has none, and the target's place in the list.
type Figure = (usize, Cow<'static, str>, f64);

impl Collector for Targets {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (names, columns) = self.read();
        for (family, column) in FAMILIES.iter().zip(&columns).filter(|(_, column)| !column.is_empty()) {
            let unit = family.unit.map(|unit| Unit::Other(unit.to_owned()));
            let mut metric = encoder.encode_descriptor(family.name, family.help, unit.as_ref(), MetricType::Gauge)?;
            for (at, label, figure) in column {
                let target = ("target", names.get(*at).map_or("", String::as_str));
                match family.label {
                    Some(key) => metric.encode_family(&[target, (key, label.as_ref())])?.encode_gauge(figure)?,
                    None => metric.encode_family(&[target])?.encode_gauge(figure)?,
                }
            }
        }
        Ok(())
    }
}

impl Targets {
    /// The names of all targets, and the figures of each family: read in one pass, since the board is locked meanwhile.
    fn read(&self) -> (Vec<String>, Vec<Vec<Figure>>) {
        let mut columns: Vec<Vec<Figure>> = FAMILIES.iter().map(|_| Vec::new()).collect();
        let mut at = 0;
        let names = self.board.survey(|status| {
            for (family, column) in FAMILIES.iter().zip(&mut columns) {
                family.read(status, |label, figure| column.push((at, label, figure)));
            }
            at += 1;
            Some(status.name.to_string())
        });
        (names, columns)
    }
}
