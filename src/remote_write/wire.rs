//! The format of remote write 1.0: `prometheus.WriteRequest` as protobuf, compressed as one snappy block.

use super::series::Sample;

/// The message of prometheus/prompb/remote.proto, without its metadata.
#[derive(Clone, PartialEq, prost::Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Point>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Point {
    #[prost(double, tag = "1")]
    value: f64,
    /// Unix milliseconds.
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// The body of a request with these samples. Those of one series stay in their order.
pub(super) fn encode(samples: &[Sample]) -> Result<Vec<u8>, snap::Error> {
    let timeseries = samples.iter().map(|sample| TimeSeries {
        labels: sample
            .series
            .labels()
            .map(|(name, value)| Label { name: name.to_owned(), value: value.to_owned() })
            .collect(),
        samples: vec![Point { value: sample.value, timestamp: sample.at_ms }],
    });
    let request = WriteRequest { timeseries: timeseries.collect() };
    snap::raw::Encoder::new().compress_vec(&prost::Message::encode_to_vec(&request))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::remote_write::series::Series;

    #[test]
    fn a_request_is_what_the_protocol_says() {
        let series = Arc::new(Series::new([("__name__".to_owned(), "up".to_owned())]));
        let body = encode(&[Sample { series, at_ms: 3, value: 1.0 }]).unwrap();
        let plain = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        let label = b"\x0a\x0e\x0a\x08__name__\x12\x02up";
        let point = b"\x12\x0b\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x10\x03";
        let expected = [b"\x0a\x1d".as_slice(), label, point].concat();
        assert_eq!(plain, expected);
    }
}
