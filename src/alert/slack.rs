//! Slack incoming webhook: the body of a message.
