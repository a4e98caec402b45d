//! Alertmanager API v2: the body of a post.
