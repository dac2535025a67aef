/**
 * Keeps the page on the device: after the first visit it needs no network.
 *
 * The content of each file lies in one cache, by its hash.  A new version of
 * this script is one with other hashes: it fetches what is missing, verifies
 * it, and waits until no page of the old version is open any more.  Until then
 * the old version answers from the same cache.
 */

/* {path: integrity}; `python -m leaffliction.web.phone` writes them here. */
const FILES = {};
const POLICY = "";

/* Other pages of the same server have caches of their own. */
const CACHE = `leaffliction ${registration.scope}`;

/** Return the key of a content in the cache. */
const keyOf = (integrity) => new URL(
  `content/${encodeURIComponent(integrity)}`, registration.scope);

addEventListener("install", (event) => event.waitUntil(install()));

/** Fetch what is missing; one failure, and this version is not used. */
async function install() {
  const cache = await caches.open(CACHE);
  const kept = new Set((await cache.keys()).map(({ url }) => url));
  await Promise.all(Object.keys(FILES)
    .filter((path) => !kept.has(keyOf(FILES[path]).href))
    .map(async (path) => cache.put(keyOf(FILES[path]), await load(path))));
}

/** Return a file from the network; rejects if it is another version's. */
async function load(path) {
  const response = await fetch(new URL(path, registration.scope), {
    integrity: FILES[path], cache: "no-cache" });
  if (!response.ok) {
    throw new Error(`${path}: ${response.status}`);
  }
  // Of a worker, the policy counts that comes with it.
  return new Response(await response.blob(), { headers: {
    "Content-Type": response.headers.get("Content-Type"),
    "Content-Security-Policy": POLICY } });
}

addEventListener("activate", (event) => event.waitUntil(activate()));

/** No page of an earlier version is open: forget what only it needed. */
async function activate() {
  const cache = await caches.open(CACHE);
  const used = new Set(Object.values(FILES).map(
    (integrity) => keyOf(integrity).href));
  await Promise.all((await cache.keys())
    .filter(({ url }) => !used.has(url))
    .map((request) => cache.delete(request)));
  await clients.claim();
}

addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const [address] = url.split(/[?#]/);
  const path = address.slice(registration.scope.length) || "index.html";
  if (method === "GET" && address.startsWith(registration.scope)
      && Object.hasOwn(FILES, path)) {
    event.respondWith(answer(path));
  }
});

async function answer(path) {
  const cache = await caches.open(CACHE);
  return await cache.match(keyOf(FILES[path])) ?? await load(path);
}
