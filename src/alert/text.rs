//! Text from targets is hostile: here it is capped, cleaned and escaped.
