'use strict';

// Bearer tokens, compared so that the time it takes tells nothing about them.

const { createHash, timingSafeEqual } = require('node:crypto');

// Digests have one length, which `timingSafeEqual` demands and which hides that of the token. They are also all that is kept:
// a heap snapshot holds every string of the process.
const digest = (token) => createHash('sha256').update(token).digest();

// `digests` are those of the tokens that open the route.
function isAuthorized(header, digests) {
  const given = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1];
  if (given === undefined) return false;
  const presented = digest(given);
  // All of them, so that the place of the one that fits does not show either.
  return digests.map((expected) => timingSafeEqual(presented, expected)).includes(true);
}

module.exports = { digest, isAuthorized };
