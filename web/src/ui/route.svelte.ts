// The state of the page that lives in its address: `#/s/BTCUSDT?tf=5m`, `#/?sort=-score`.

export interface Place {
  readonly path: string
  readonly query: ReadonlyMap<string, string>
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** What a hash says; what cannot be read is left out. */
export function placeOf(hash: string): Place {
  const [path = "", search = ""] = hash.replace(/^#/, "").split(/\?(.*)/s)
  const query = new Map<string, string>()
  for (const pair of search.split("&")) {
    const [name = "", value = ""] = pair.split(/=(.*)/s).map(decoded)
    if (name !== null && name !== "" && value !== null && value !== "") query.set(name, value)
  }
  return { path: path.startsWith("/") ? path : "/", query }
}

/** The hash of a place; nothing that is empty, always in the same order. */
export function hashOf(path: string, query: Iterable<readonly [string, string]> = []): string {
  const pairs = [...query].filter(([, value]) => value !== "").sort(([a], [b]) => (a < b ? -1 : 1))
  const search = pairs.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")
  return `#${path}${search === "" ? "" : `?${search}`}`
}

export function symbolPath(symbol: string): string {
  return `/s/${encodeURIComponent(symbol)}`
}

/** The symbol a path names, or null. */
export function symbolOf(path: string): string | null {
  const found = /^#?\/s\/([^/?]+)$/.exec(path)
  return found?.[1] === undefined ? null : decoded(found[1])
}

class Route {
  #place: Place = $state.raw(placeOf(window.location.hash))

  constructor() {
    window.addEventListener("hashchange", () => this.#read())
  }

  get path(): string {
    return this.#place.path
  }

  get query(): ReadonlyMap<string, string> {
    return this.#place.query
  }

  get symbol(): string | null {
    return symbolOf(this.#place.path)
  }

  /** Another place, which the back button leaves again. */
  go(path: string, query: Iterable<readonly [string, string]> = []): void {
    const hash = hashOf(path, query)
    if (hash !== window.location.hash) window.location.hash = hash
    this.#read()
  }

  /** Changes of the query; null takes a name away. Without `push` the back button skips them. */
  set(changes: Readonly<Record<string, string | null>>, push = false): void {
    const query = new Map(this.query)
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === "") query.delete(name)
      else query.set(name, value)
    }
    if (push) this.go(this.path, query)
    else {
      const hash = hashOf(this.path, query)
      if (hash === window.location.hash) return
      history.replaceState(history.state, "", hash)
      this.#read()
    }
  }

  open(symbol: string): void {
    this.go(symbolPath(symbol))
  }

  close(): void {
    this.go("/")
  }

  #read(): void {
    this.#place = placeOf(window.location.hash)
  }
}

export const route = new Route()
