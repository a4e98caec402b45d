// What makes the pages better where scripts run: they stay fresh without losing the reader's place, a search shows what it
// finds while it is typed, and a page that can no longer be refreshed says so. Nothing depends on it.
'use strict';

(() => {
  const EVERY_MS = 10_000;
  const PATIENCE_MS = 8_000;
  const TYPING_MS = 200;
  const freshness = document.getElementById('freshness');
  let refreshedAt = new Date();
  let asking = null;

  const time = (at) => `${at.toISOString().slice(11, 19)} UTC`;

  // The page at `address` as it is now, parsed but not shown; a newer question takes the place of an older one.
  async function ask(address) {
    asking?.abort();
    const question = new AbortController();
    asking = question;
    const patience = setTimeout(() => question.abort(), PATIENCE_MS);
    try {
      const answer = await fetch(address, { signal: question.signal, headers: { accept: 'text/html' } });
      if (!answer.ok) throw new Error(`answered ${answer.status}`);
      return new DOMParser().parseFromString(await answer.text(), 'text/html');
    } finally {
      clearTimeout(patience);
      if (asking === question) asking = null;
    }
  }

  // Puts the part `id` of a fresh page in the place of the shown one, and keeps what is open and what has the focus.
  function replace(page, id) {
    const shown = document.getElementById(id);
    const fresh = page.getElementById(id);
    if (!shown || !fresh) return;
    const open = [...shown.querySelectorAll('details[open][id]')].map((details) => details.id);
    const focus = wayTo(document.activeElement, shown);
    shown.replaceChildren(...document.importNode(fresh, true).childNodes);
    for (const details of open) shown.querySelector(`#${CSS.escape(details)}`)?.setAttribute('open', '');
    if (focus) at(focus, shown)?.focus({ preventScroll: true });
    document.title = page.title;
  }

  // How to find an element again: by its id, else by its address or its words among those of its kind.
  function wayTo(element, within) {
    if (!element || element === within || !within.contains(element)) return null;
    return { id: element.id, tag: element.tagName, href: element.getAttribute('href'), text: element.textContent };
  }

  function at({ id, tag, href, text }, within) {
    if (id) return document.getElementById(id);
    const same = [...within.querySelectorAll(tag)].filter((one) => one.getAttribute('href') === href);
    return same.find((one) => one.textContent === text) ?? same[0];
  }

  function say(text, stale) {
    // Read out only when it is news: every few seconds would be a nuisance.
    if (stale) freshness.setAttribute('role', 'alert');
    else freshness.removeAttribute('role');
    if (freshness.textContent !== text && !(stale && freshness.classList.contains('stale'))) freshness.textContent = text;
    freshness.classList.toggle('stale', stale);
  }

  const isBusy = () => {
    const selection = document.getSelection();
    const typing = document.activeElement?.matches('input') && document.activeElement.value !== document.activeElement.defaultValue;
    return document.hidden || typing || (selection && !selection.isCollapsed);
  };

  async function refresh() {
    if (isBusy() || asking) return;
    try {
      const page = await ask(location.href);
      if (isBusy()) return;
      replace(page, 'main');
      refreshedAt = new Date();
      say(`as of ${time(refreshedAt)}`, false);
    } catch (problem) {
      if (problem.name === 'AbortError' && asking) return;
      say(`heapwatch does not answer; this is as of ${time(refreshedAt)}`, true);
    }
  }

  let typed = 0;
  function search(form) {
    clearTimeout(typed);
    typed = setTimeout(async () => {
      const address = new URL(form.action);
      for (const [name, value] of new FormData(form)) if (value) address.searchParams.set(name, value);
      try {
        replace(await ask(address), 'results');
        history.replaceState(null, '', address);
        form.q.defaultValue = form.q.value;
      } catch {
        // A newer question is under way, or the next refresh says what is wrong.
      }
    }, TYPING_MS);
  }

  document.addEventListener('input', (event) => {
    const form = event.target.closest('form.search');
    if (form) search(form);
  });
  document.addEventListener('keydown', (event) => {
    const free = !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest('input, textarea, select');
    if (event.key !== '/' || !free) return;
    const box = document.getElementById('q');
    if (box) {
      event.preventDefault();
      box.focus();
    }
  });
  document.addEventListener('visibilitychange', refresh);
  setInterval(refresh, EVERY_MS);
})();
