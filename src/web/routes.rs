//! Every route; those of the API in one list, which `openapi.json` repeats for people and programs: a test holds the two
//! equal.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{delete, get, post};

use super::api::{self, silences, trail};
use super::{Site, page};

/// A router that knows what it answers to.
#[derive(Default)]
pub(super) struct Routes {
    router: Router<Site>,
    list: Vec<(Method, &'static str)>,
}

/// Method and path of each route, with `{name}` for what varies.
pub fn list() -> Vec<(Method, &'static str)> {
    all().list
}

/// What the main listener answers to.
pub(super) fn all() -> Routes {
    metrics()
        .pages(page::routes())
        .post("/-/reload", api::reload)
        .get("/api/v1/openapi.json", api::openapi)
        .get("/api/v1/targets", api::targets::targets)
        .get("/api/v1/targets/{name}", api::targets::target)
        .get("/api/v1/targets/{name}/picture", api::picture)
        .get("/api/v1/targets/{name}/series", api::archive::series)
        .get("/api/v1/targets/{name}/flamegraph.svg", api::archive::flame_graph)
        .post("/api/v1/targets/{name}/snapshot", api::snapshot)
        .post("/api/v1/targets/{name}/rearm", api::rearm)
        .get("/api/v1/silences", silences::list)
        .post("/api/v1/silences", silences::add)
        .delete("/api/v1/silences/{id}", silences::end)
        .get("/api/v1/events", trail::events)
        .get("/api/v1/discovery", trail::discovery)
        .get("/api/v1/channels", trail::channels)
        .post("/api/v1/channels/{name}/mend", trail::mend)
        .get("/api/v1/snapshots", api::archive::snapshots)
}

/// What a listener for metrics alone answers to.
pub(super) fn metrics() -> Routes {
    Routes::default().get("/metrics", api::metrics).get("/-/healthy", api::healthy).get("/-/ready", api::ready)
}

impl Routes {
    fn get<T: 'static>(mut self, path: &'static str, handler: impl Handler<T, Site>) -> Self {
        self.list.push((Method::GET, path));
        Self { router: self.router.route(path, get(handler)), ..self }
    }

    fn post<T: 'static>(mut self, path: &'static str, handler: impl Handler<T, Site>) -> Self {
        self.list.push((Method::POST, path));
        Self { router: self.router.route(path, post(handler)), ..self }
    }

    fn delete<T: 'static>(mut self, path: &'static str, handler: impl Handler<T, Site>) -> Self {
        self.list.push((Method::DELETE, path));
        Self { router: self.router.route(path, delete(handler)), ..self }
    }

    /// Adds what is for people alone, and so in no list for programs.
    fn pages(self, pages: Router<Site>) -> Self {
        Self { router: self.router.merge(pages), ..self }
    }

    pub(super) fn into_router(self) -> Router<Site> {
        self.router.fallback(api::nothing_here).method_not_allowed_fallback(api::not_so)
    }
}
