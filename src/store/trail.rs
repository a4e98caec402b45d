//! Reading the audit trail, a page at a time.

use rusqlite::{Row, params};

use crate::clock::Timestamp;
use crate::status::trail::{Topic, TrailEvent, TrailPage, TrailQuery};
use crate::store::StoreError;
use crate::store::reader::{Reader, parse_name, text, time, unreadable};
use crate::target::TargetName;

impl Reader<'_> {
    /// The events that `query` asks for, oldest first. It looks at one page's worth of rows and as many as it skips, which
    /// retention bounds.
    pub fn events(&self, query: &TrailQuery, now: Timestamp) -> Result<TrailPage, StoreError> {
        // With a cursor to go forward from, the oldest of what matches; else the newest.
        let order = if query.after.is_some() { "ASC" } else { "DESC" };
        let sql = format!(
            "SELECT id, at_steady, at_wall, target, topic, kind, says, json FROM audit
             WHERE (?1 IS NULL OR target = ?1) AND (?2 IS NULL OR kind = ?2 OR topic = ?2)
               AND at_steady >= ?3 AND id > ?4 AND id < ?5 ORDER BY id {order}"
        );
        let page = query.page() as usize;
        let mut events = self.first(
            // One more shows whether there are more.
            page + 1,
            &sql,
            params![
                query.target.as_ref().map(TargetName::as_str),
                query.kind,
                query.since.map_or(i64::MIN, |since| now.minus(since).steady_ms()),
                query.after.unwrap_or(i64::MIN),
                query.before.unwrap_or(i64::MAX)
            ],
            event,
        )?;
        let more = events.len() > page;
        events.truncate(page);
        if query.after.is_none() {
            events.reverse();
        }
        Ok(TrailPage { events, more })
    }
}

fn event(row: &Row<'_>) -> rusqlite::Result<TrailEvent> {
    let target = row.get::<_, Option<String>>(3)?.map(|text| parse_name(&text, 3)).transpose()?;
    let topic = Topic::from_name(&row.get::<_, String>(4)?).ok_or_else(|| unreadable(4, "topic"))?;
    let at = time(row, 1)?;
    let json = text(row, 7)?;
    Ok(TrailEvent {
        id: row.get(0)?,
        at,
        time: at.to_string(),
        target,
        topic,
        kind: text(row, 5)?,
        says: text(row, 6)?,
        // What is no JSON was written by hand; the line is worth showing all the same.
        detail: serde_json::from_str(&json).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::Store;
    use crate::store::record::AuditEvent;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_ms(1_760_000_000_000).plus(Duration::from_secs(seconds))
    }

    /// Ten events, one a second, of two targets in turn; every third is a delivery.
    fn trail() -> Store {
        let store = Store::open_in_memory().unwrap();
        let event = |number: u64| AuditEvent {
            at: at(number),
            target: TargetName::new(if number.is_multiple_of(2) { "api" } else { "mail" }).ok(),
            topic: if number.is_multiple_of(3) { Topic::Delivery } else { Topic::Alert },
            kind: "leak_confirmed".into(),
            says: format!("event {number}"),
            json: "{}".into(),
        };
        store.transaction(at(0), |writer| (0..10).try_for_each(|number| writer.put_audit(&event(number)))).unwrap();
        store
    }

    fn check(query: &TrailQuery, expected: &[&str], more: bool) {
        let page = trail().read(|reader| reader.events(query, at(10))).unwrap();
        let said: Vec<&str> = page.events.iter().map(|event| event.says.trim_start_matches("event ")).collect();
        assert_eq!((said.as_slice(), page.more), (expected, more), "{query:?}");
    }

    #[test]
    fn pages_are_cut_where_the_cursor_says() {
        let of = |limit| TrailQuery { limit: Some(limit), ..TrailQuery::default() };
        check(&of(3), &["7", "8", "9"], true);
        check(&TrailQuery { before: Some(8), ..of(3) }, &["4", "5", "6"], true);
        check(&TrailQuery { before: Some(3), ..of(3) }, &["0", "1"], false);
        check(&TrailQuery { after: Some(0), ..of(3) }, &["0", "1", "2"], true);
        check(&TrailQuery { after: Some(8), ..of(3) }, &["8", "9"], false);
        check(&TrailQuery { after: Some(10), ..of(3) }, &[], false);
    }

    #[test]
    fn a_damaged_row_ends_no_page() {
        let store = trail();
        let damage = "UPDATE audit SET topic = '?' WHERE id IN (2, 9)";
        store.transaction(at(10), |writer| Ok(writer.connection().execute(damage, [])?)).unwrap();
        let page = |query: TrailQuery| {
            let page = store.read(|reader| reader.events(&query, at(10))).unwrap();
            (page.events.iter().map(|event| event.id).collect::<Vec<_>>(), page.more)
        };
        let newest = TrailQuery { limit: Some(2), ..TrailQuery::default() };
        assert_eq!(page(newest.clone()), (vec![8, 10], true));
        assert_eq!(page(TrailQuery { after: Some(0), ..newest.clone() }), (vec![1, 3], true));
        assert_eq!(page(TrailQuery { after: Some(8), ..newest }), (vec![10], false));
    }

    #[test]
    fn targets_kinds_topics_and_ages_choose() {
        let all = TrailQuery::default();
        let api = TargetName::new("api").ok();
        check(&TrailQuery { target: api.clone(), ..all.clone() }, &["0", "2", "4", "6", "8"], false);
        check(&TrailQuery { kind: Some("delivery".into()), ..all.clone() }, &["0", "3", "6", "9"], false);
        check(
            &TrailQuery { kind: Some("leak_confirmed".into()), target: api, ..all.clone() },
            &["0", "2", "4", "6", "8"],
            false,
        );
        check(&TrailQuery { kind: Some("nothing".into()), ..all.clone() }, &[], false);
        check(&TrailQuery { since: Some(Duration::from_secs(2)), ..all }, &["8", "9"], false);
    }
}
