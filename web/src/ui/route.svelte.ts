// The state of the page that lives in its address: `#/s/BTCUSDT` opens a symbol.

/** The symbol an address names, or null. */
export function symbolOf(hash: string): string | null {
  const found = /^#\/s\/([^/]+)$/.exec(hash)
  if (found?.[1] === undefined) return null
  try {
    return decodeURIComponent(found[1])
  } catch {
    return null
  }
}

class Route {
  symbol: string | null = $state.raw(symbolOf(window.location.hash))

  constructor() {
    window.addEventListener("hashchange", () => {
      this.symbol = symbolOf(window.location.hash)
    })
  }

  open(symbol: string): void {
    window.location.hash = `#/s/${encodeURIComponent(symbol)}`
  }

  close(): void {
    window.location.hash = "#/"
  }
}

export const route = new Route()
