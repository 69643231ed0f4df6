// Opens the phone's page without a network: its files, and nothing else. Numbers are never kept here.
// A new version waits until a page says that it takes it, so that no page finds half of its files gone.
const NAME = "virtuoso-phone-__VERSION__"
const PAGE = "/mobile"
const FILES = __FILES__

const open = () => caches.open(NAME)

self.addEventListener("install", (event) => {
  // the page itself is asked for anew; the others carry a hash in their names
  const requests = FILES.map((path) => new Request(path, { cache: path === PAGE ? "no-cache" : "default" }))
  event.waitUntil(open().then((cache) => cache.addAll(requests)))
})

self.addEventListener("activate", (event) => {
  const old = (name) => name.startsWith("virtuoso-phone-") && name !== NAME
  event.waitUntil(
    caches.keys().then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name)))).then(() => self.clients.claim()),
  )
})

self.addEventListener("message", (event) => {
  if (event.data === "take over") void self.skipWaiting()
})

self.addEventListener("fetch", (event) => {
  const { origin, pathname } = new URL(event.request.url)
  const path = pathname === `${PAGE}/` ? PAGE : pathname
  if (event.request.method !== "GET" || origin !== self.location.origin || !FILES.includes(path)) return
  event.respondWith(open().then((cache) => cache.match(path)).then((found) => found ?? fetch(event.request)))
})
